import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPrivate } from '../support/servers.ts';
import { assertNeverPrinted, Trial } from './trial.ts';

test('a wrong password, missing rights, tables, columns and keys: all named, with the SQL that mends them', async (t) => {
  // One that asks for passwords, whatever the shared one does.
  const postgres = await startPrivate(t, 'postgres');
  const trial = await Trial.open(t, { postgres: postgres.address });
  const { source, sink, database } = trial;
  source.start();
  const persons = await trial.writePersons(5);

  const password = await trial.secret('pg-password', 'not-the-password');
  const url = postgres.address.replace('afterwrite:afterwrite@', `app:${password}@`);
  const cars = { key: 'cars:{car_id}', fields: { color: 'color' } };
  const settings = {
    mappings: { cars },
    sinks: { warehouse: { url, create: false, versionColumn: 'v', tables: { cars: { name: 'vehicles' } } } },
  };
  await database.rows(`
    CREATE ROLE app LOGIN PASSWORD 'pw-of-app';
    GRANT USAGE ON SCHEMA $schema TO app;
    CREATE TABLE $schema.persons (person_id TEXT, first TEXT, v BIGINT, born DATE NOT NULL)`);
  await trial.configure(settings);
  const login = await trial.refusal(sink);
  assert.match(
    login,
    /^DATABASE_ACCESS: .*password authentication failed for user "app".*\(sink warehouse\)\. Mend the address/m,
  );
  await trial.secret('pg-password', 'pw-of-app');

  // A user who may not create, over tables that are missing or not fit: everything is told at once.
  const unfit = await trial.refusal(sink);
  const problems = [
    /^TABLE_UNFIT: Table ".*"\."afterwrite_offsets" is missing and cannot be made \(permission denied.*\): run CREATE TABLE/m,
    /^Table ".*"\."afterwrite_deleted" is missing and cannot be made \(permission denied.*\): run CREATE TABLE/m,
    /^Table ".*"\."persons" \(mapping person\) has no column "age": set evolve: true, or run ALTER TABLE .* ADD COLUMN "age" INTEGER;/m,
    /^Table ".*"\."persons" \(mapping person\) has no primary key .*: run ALTER TABLE .* ADD PRIMARY KEY \("person_id"\);/m,
    /^Column "born" of table ".*"\."persons" is NOT NULL .*: run ALTER TABLE .* ALTER COLUMN "born" DROP NOT NULL;/m,
    /^The user app may not SELECT, INSERT, UPDATE, DELETE on table .*: run GRANT SELECT, INSERT, UPDATE, DELETE ON .* TO app;/m,
    /^Table ".*"\."vehicles" \(mapping cars\) is missing: set create: true, or run CREATE TABLE/m,
  ];
  for (const problem of problems) assert.match(unfit, problem);

  // The SQL of the message, as it stands, is enough. What it made belongs to another user, and so wants rights.
  const statements = sqlOf(unfit);
  assert.equal(statements.length, problems.length, unfit);
  await database.rows(statements.join('\n'));
  const rights = sqlOf(await trial.refusal(sink));
  assert.ok(rights.length > 0 && rights.every((statement) => /^GRANT .* TO app;$/.test(statement)), rights.join('\n'));
  await database.rows(rights.join('\n'));
  sink.start();
  await trial.untilPersons(persons);
  await Promise.all([source.stop('SIGINT'), sink.stop('SIGINT')]);
  assertNeverPrinted([sink], ['not-the-password', 'pw-of-app']);
});

/** The statements that a message ends its problems with. */
function sqlOf(message: string): string[] {
  return [...message.matchAll(/: (?:set .*, or )?run (.*?;)/g)].map(([, statement = '']) => statement);
}
