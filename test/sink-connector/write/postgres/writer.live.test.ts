import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { AfterwriteError } from '../../../../ops/errors/index.ts';
import type { TargetTable } from '../../../../sink-connector/write/port.ts';
import { binding, PostgresDatabase } from '../../../contract/bindings/postgres.ts';
import { Log, persons, Stage } from '../../../contract/suite/stage.ts';
import { upsert } from '../../../support/sink/changes.ts';
import { createDatabase, type TestDatabase } from '../../../support/sink/database.ts';
import { until } from '../../../support/until.ts';

// What is PostgreSQL's own; what every database must do is in test/contract.
const guarded: TargetTable = { ...persons, versionColumn: 'v' };
const personRows = 'SELECT person_id, first, age FROM $schema.persons ORDER BY person_id';

async function openWriter(t: TestContext, database: TestDatabase, sink: Readonly<Record<string, unknown>> = {}) {
  const stage = await Stage.open(t, binding, new PostgresDatabase(t, database), sink);
  const { writer, retry, waits } = stage;
  const own = async (): Promise<Log> => new Log(stage, persons, await stage.claim());
  return { writer, retry, waits, own };
}

test('the first row that the database does not take is named, and nothing is written', async (t) => {
  const database = await createDatabase(t);
  const { writer, retry, own } = await openWriter(t, database);
  await database.rows(
    'CREATE TABLE $schema.persons (person_id VARCHAR(9) PRIMARY KEY, first VARCHAR(3), age SMALLINT CHECK (age > 0))',
  );
  await writer.prepare([persons], { create: false, evolve: false }, retry);
  const log = await own();
  const good = Array.from({ length: 50 }, (_, index) => upsert(`k${index}`, ['ok', 1], 1n, index));
  for (const bad of [
    upsert('k25', ['long', 1], 1n, 25),
    upsert('k25', ['ok', -1], 1n, 25),
    upsert('k25', ['ok', 70_000], 1n, 25),
  ]) {
    await assert.rejects(writer.write(log.batch(...good.with(25, bad)), retry), (error) => {
      assert.ok(error instanceof AfterwriteError);
      assert.equal(error.code, 'ROW_REJECTED');
      assert.match(
        error.message,
        /table persons, topic shop.person, partition 0, offsets 0–49, rows 50, key k25, offset 25/,
      );
      return true;
    });
  }
  assert.deepEqual(await database.rows(personRows), []);
  assert.deepEqual(await database.rows('SELECT next_offset FROM $schema.afterwrite_offsets'), [{ next_offset: '0' }]);
});

test('types come from the table, are read again when it changes, and a column that went is named', async (t) => {
  const database = await createDatabase(t);
  const { writer, retry, own } = await openWriter(t, database);
  await database.rows('CREATE TABLE $schema.persons (person_id TEXT PRIMARY KEY, first JSONB, age NUMERIC(4, 1))');
  await writer.prepare([persons], { create: false, evolve: false }, retry);
  const log = await own();
  await log.write(upsert('1', ['{"a": [1]}', 5]));
  assert.deepEqual(await database.rows(personRows), [{ person_id: '1', first: { a: [1] }, age: '5.0' }]);
  await database.rows('ALTER TABLE $schema.persons ALTER COLUMN first TYPE TEXT, ALTER COLUMN age TYPE TEXT');
  await log.write(upsert('1', ['no json', 6]));
  assert.deepEqual(await database.rows(personRows), [{ person_id: '1', first: 'no json', age: '6' }]);
  await database.rows('ALTER TABLE $schema.persons DROP COLUMN age');
  await assert.rejects(writer.write(log.batch(upsert('1', ['x', 7])), retry), {
    code: 'TABLE_UNFIT',
    message: /has no column "age": set evolve: true, or run ALTER TABLE .* ADD COLUMN "age" INTEGER/,
  });
});

test('every problem of every table is told before the first event is read', async (t) => {
  const database = await createDatabase(t);
  const { writer, retry } = await openWriter(t, database);
  await database.rows(`
    CREATE COLLATION $schema.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE TABLE $schema.persons (person_id INTEGER, first TEXT, needed TEXT NOT NULL, v TEXT);
    CREATE TABLE $schema.folded (person_id TEXT COLLATE $schema.nocase PRIMARY KEY, first TEXT, age INT GENERATED ALWAYS AS (1) STORED);
    CREATE TABLE $schema.deferred (person_id TEXT, first TEXT, age INT, UNIQUE (person_id) DEFERRABLE);
    CREATE VIEW $schema.shown AS SELECT 1;`);
  const tables = [
    guarded,
    { ...persons, name: 'folded' },
    { ...persons, name: 'deferred' },
    { ...persons, name: 'shown' },
    { ...persons, name: 'gone' },
  ];
  await assert.rejects(writer.prepare(tables, { create: false, evolve: false }, retry), (error) => {
    assert.ok(error instanceof AfterwriteError);
    assert.equal(error.code, 'TABLE_UNFIT');
    const schema = `"${database.schema}"`;
    for (const problem of [
      `Table ${schema}."persons" (mapping person) has no column "age"`,
      `Table ${schema}."persons" (mapping person) has no primary key or unique constraint on exactly ("person_id")`,
      `Key column "person_id" of table ${schema}."persons" is integer, in which two different keys of type string may be equal`,
      `The version column "v" of table ${schema}."persons" is text`,
      `Column "needed" of table ${schema}."persons" is NOT NULL without a default`,
      `Key column "person_id" of table ${schema}."folded" is text with a collation that is not deterministic`,
      `Column "age" of table ${schema}."folded" is GENERATED ALWAYS`,
      `Table ${schema}."deferred" (mapping person) has no primary key or unique constraint`,
      `${schema}."shown" is no table`,
      `Table ${schema}."gone" (mapping person) is missing: set create: true, or run CREATE TABLE`,
    ]) {
      assert.ok(error.what.includes(problem), `${problem}\n  in\n${error.what}`);
    }
    return true;
  });
});

test('a user without rights is told the SQL', async (t) => {
  const poor = await createDatabase(t);
  const user = `${poor.schema}_user`;
  await poor.rows(`CREATE ROLE ${user} LOGIN PASSWORD 'p@ss/word'; GRANT USAGE ON SCHEMA $schema TO ${user};
    CREATE TABLE $schema.persons (person_id TEXT PRIMARY KEY, first TEXT, age INT); GRANT SELECT ON $schema.persons TO ${user}`);
  process.env['POOR_PASSWORD'] = 'p@ss/word';
  const url = new URL(poor.url);
  const limited = await openWriter(t, poor, {
    url: `postgres://${user}:\${env:POOR_PASSWORD}@${url.host}${url.pathname}`,
  });
  const refused = await limited.writer
    .prepare([persons], { create: true, evolve: false }, limited.retry)
    .catch((error: unknown) => error);
  await poor.rows(`DROP OWNED BY ${user}; DROP ROLE ${user}`);
  assert.ok(refused instanceof AfterwriteError);
  assert.match(
    refused.what,
    /"afterwrite_offsets" is missing and cannot be made \(permission denied.*\): run CREATE TABLE/,
  );
  assert.match(refused.what, /may not INSERT, UPDATE, DELETE on table .*: run GRANT INSERT, UPDATE, DELETE ON/);
});

test('a database that is not there is waited for, a refused login is an error that does not show the password', async (t) => {
  const database = await createDatabase(t);
  const nobody = await openWriter(t, database, { url: 'postgres://u:secret@127.0.0.1:1/x' });
  const abort = new AbortController();
  const waiting = nobody.writer.prepare(
    [persons],
    { create: true, evolve: false },
    { ...nobody.retry, signal: abort.signal },
  );
  await until('two attempts', () => nobody.waits.length >= 2);
  abort.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
  assert.equal(nobody.waits[0]?.code, 'DATABASE_DOWN');

  const wrong = await openWriter(t, database, { url: database.url.replace(/\/[^/]*$/, '/no_such_database') });
  await assert.rejects(wrong.writer.prepare([persons], { create: true, evolve: false }, wrong.retry), {
    code: 'DATABASE_ACCESS',
    message: /no_such_database/,
  });
  const secretless = await openWriter(t, database, { url: database.url.replace('@', ':${env:AFTERWRITE_NOT_SET}@') });
  await assert.rejects(secretless.writer.prepare([persons], { create: true, evolve: false }, secretless.retry), {
    code: 'DATABASE_ACCESS',
    message: /AFTERWRITE_NOT_SET/,
  });
});
