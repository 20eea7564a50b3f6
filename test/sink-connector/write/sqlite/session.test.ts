import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import type { ColumnType, ColumnValue } from '../../../../schemas/index.ts';
import type { Change } from '../../../../sink-connector/decode/change.ts';
import type { Dialect, Session, TargetTable } from '../../../../sink-connector/write/port.ts';
import { persons, upsert } from '../../../support/sink/changes.ts';
import { TestFile } from './file.ts';

async function opened(
  t: TestContext,
  file: TestFile,
  table: TargetTable,
): Promise<{ session: Session; dialect: Dialect }> {
  const dialect = await file.dialect();
  assert.deepEqual(await dialect.prepare([table], { create: true, evolve: false }), []);
  const session = await dialect.connect();
  t.after(() => session.close());
  return { session, dialect };
}

const rowsOf = (...upserts: readonly Change[]) => ({ upserts, deletes: [] });

/** A value of each type, and what stands in a table for it. */
const kept: readonly (readonly [ColumnType, ColumnValue, unknown])[] = [
  ['string', '', ''],
  ['string', '007', '007'],
  ['string', '🙂 Ünï\u0301', '🙂 Ünï\u0301'],
  ['int', -2147483648, -2147483648n],
  ['long', 9223372036854775807n, 9223372036854775807n],
  ['long', -9223372036854775808n, -9223372036854775808n],
  ['float', Math.fround(0.1), Math.fround(0.1)],
  ['double', 1.7976931348623157e308, 1.7976931348623157e308],
  ['double', 5e-324, 5e-324],
  ['double', 3, 3],
  ['decimal(38,2)', '-999999999999999999999999999999999999.99', '-999999999999999999999999999999999999.99'],
  ['boolean', true, 1n],
  ['boolean', false, 0n],
  ['date', 20_781, '2026-11-24'],
  ['timestamp', 253_402_300_799_999_999n, '9999-12-31 23:59:59.999999'],
  ['timestamp-millis', -1000, '1969-12-31 23:59:59.999000'],
  ['uuid', '00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000'],
  ['bytes', Buffer.from([0, 255]), Buffer.from([0, 255])],
  ['bytes', Buffer.alloc(0), Buffer.alloc(0)],
  ['json', '{"a": 1.50}', '{"a": 1.50}'],
];

test('every type stands in the table as it is, at its ends and as null', async (t) => {
  const file = new TestFile(t);
  const table = { ...persons, valueColumns: kept.map(([type], index) => ({ name: `c${index}`, type })) };
  const { session } = await opened(t, file, table);
  await session.begin();
  const empty = kept.map(() => null);
  await session.apply(
    table,
    rowsOf(
      upsert(
        '1',
        kept.map(([, value]) => value),
      ),
      upsert('2', empty),
    ),
  );
  await session.commit();
  assert.deepEqual(file.rows('SELECT * FROM persons'), [
    ['1', ...kept.map(([, , value]) => value)],
    ['2', ...empty],
  ]);
});

test('texts with NUL and of 5 MB are kept whole, as keys too', async (t) => {
  const file = new TestFile(t);
  const { session } = await opened(t, file, persons);
  const long = '🙂'.repeat(1_300_000);
  const keys = ['a', 'a\0', 'a\0b', long];
  await session.begin();
  await session.apply(persons, rowsOf(...keys.map((key) => upsert(key, [`${key}\0!`, null]))));
  await session.commit();
  assert.deepEqual(
    file.rows('SELECT CAST(first AS BLOB) FROM persons ORDER BY person_id').flat().map(String),
    keys.map((key) => `${key}\0!`),
  );
  const found = [];
  for await (const page of session.keys(persons)) found.push(...page.flatMap(({ keyValues }) => keyValues));
  assert.deepEqual(found, keys);
});

test('keys that no event can have are passed over', async (t) => {
  const file = new TestFile(t);
  file.run(`CREATE TABLE persons (person_id PRIMARY KEY, first, age); INSERT INTO persons VALUES (NULL, 1, 1), (5, 1, 1),
    (x'61', 1, 1), ('a', 1, 1), (1.5, 1, 1)`);
  const { session } = await opened(t, file, persons);
  const found = [];
  for await (const page of session.keys(persons)) found.push(...page);
  assert.deepEqual(found, [{ keyValues: ['a'], version: undefined }]);
});

test('rows that the database does not take are undone alone, and the transaction goes on', async (t) => {
  const file = new TestFile(t);
  file.run(`CREATE TABLE persons (person_id TEXT PRIMARY KEY, first TEXT CHECK (first <> 'bad'), age INT) STRICT`);
  const { session, dialect } = await opened(t, file, persons);
  await session.begin();
  await session.attempt(persons, rowsOf(upsert('1', ['good', 1])));
  const refused = session.attempt(persons, rowsOf(upsert('2', ['good', 1]), upsert('3', ['bad', 1])));
  await assert.rejects(refused, (error) => dialect.classify(error) === 'data');
  await session.attempt(persons, rowsOf(upsert('4', ['good', 1])));
  await session.commit();
  assert.deepEqual(file.rows('SELECT person_id FROM persons'), [['1'], ['4']]);
});

test('constraints that would drop something without a word refuse the row', async (t) => {
  const file = new TestFile(t);
  file.run(`CREATE TABLE persons (person_id TEXT PRIMARY KEY ON CONFLICT IGNORE, first TEXT UNIQUE ON CONFLICT REPLACE,
    age INT NOT NULL ON CONFLICT IGNORE); INSERT INTO persons VALUES ('1', 'one', 1)`);
  const { session, dialect } = await opened(t, file, persons);
  await session.begin();
  for (const row of [upsert('2', ['two', null]), upsert('2', ['one', 2])]) {
    await assert.rejects(session.attempt(persons, rowsOf(row)), (error) => dialect.classify(error) === 'data');
  }
  await session.attempt(persons, rowsOf(upsert('1', ['changed', 1])));
  await session.commit();
  assert.deepEqual(file.rows('SELECT * FROM persons'), [['1', 'changed', 1n]]);
});

test('a row whose parent is not there yet waits for it', async (t) => {
  const file = new TestFile(t);
  file.run(`CREATE TABLE parents (name TEXT PRIMARY KEY);
    CREATE TABLE persons (person_id TEXT PRIMARY KEY, first TEXT REFERENCES parents, age INT)`);
  const { session, dialect } = await opened(t, file, persons);
  await session.begin();
  const early = session.apply(persons, rowsOf(upsert('1', ['Ann', 1])));
  await assert.rejects(early, (error) => dialect.classify(error) === 'dependency');
});

test('who waits for the lock of another program lets this one go on', async (t) => {
  const file = new TestFile(t);
  const { session } = await opened(t, file, persons);
  const other = file.open();
  t.after(() => other.close());
  other.exec('BEGIN IMMEDIATE');
  let begun = false;
  const begin = session.begin().then(() => {
    begun = true;
  });
  // Turns of the event loop, which a wait inside the driver would not let happen.
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(!begun);
  other.exec('COMMIT');
  await begin;
  await session.rollback();
});

test('sessions of one sink write in turns, and one that broke gives its turn away', async (t) => {
  const file = new TestFile(t);
  const { session, dialect } = await opened(t, file, persons);
  const others = await Promise.all([dialect.connect(), dialect.connect(), dialect.connect()]);
  await session.begin();
  const writes = others.map(async (other, index) => {
    await other.begin();
    await other.apply(persons, rowsOf(...Array.from({ length: 3000 }, (_, n) => upsert(`${index} ${n}`, ['x', n]))));
    if (index === 1) await other.close();
    else await other.commit();
  });
  await session.apply(persons, rowsOf(upsert('first', ['x', 1])));
  await session.close();
  await Promise.all(writes);
  await Promise.all(others.map((other) => other.close()));
  assert.deepEqual(file.rows('SELECT count(*) FROM persons'), [[6000n]]);
});

test('nothing is written to a file that was moved away, and none is begun in its place', async (t) => {
  const file = new TestFile(t);
  const { session, dialect } = await opened(t, file, persons);
  renameSync(file.path, `${file.path}.moved`);
  await assert.rejects(
    session.begin(),
    (error) => /moved or deleted/.test(String(error)) && dialect.classify(error) === 'outage',
  );
  await session.close();
  await assert.rejects(
    dialect.connect(),
    (error) => /is missing/.test(String(error)) && dialect.classify(error) === 'access',
  );
});

test('nothing is written outside a transaction, which a full disk may have ended', async (t) => {
  const file = new TestFile(t);
  const { session, dialect } = await opened(t, file, persons);
  await session.begin();
  await session.commit();
  await assert.rejects(session.apply(persons, rowsOf(upsert('1', ['x', 1]))), /no transaction/);
  await assert.rejects(session.attempt(persons, rowsOf(upsert('1', ['x', 1]))), /no transaction/);
  assert.equal(dialect.classify(new Error('There is no transaction')), 'unknown');
  assert.deepEqual(file.rows('SELECT count(*) FROM persons'), [[0n]]);
});
