import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTable, tableStatements } from '../../../../sink-connector/write/postgres/statements.ts';
import { persons } from '../../../support/sink/changes.ts';

const types = new Map([
  ['person_id', 'character varying'],
  ['first', 'text'],
  ['age', 'smallint'],
  ['v', 'bigint'],
]);

test('rows are upserted and deleted by arrays, cast to the types of the table', () => {
  assert.deepEqual(tableStatements('public', persons, types), {
    upsert:
      'INSERT INTO "public"."persons" ("person_id", "first", "age") ' +
      'SELECT * FROM unnest($1::character varying[], $2::text[], $3::smallint[]) ' +
      'ON CONFLICT ("person_id") DO UPDATE SET "first" = EXCLUDED."first", "age" = EXCLUDED."age"',
    delete:
      'DELETE FROM "public"."persons" AS t USING unnest($1::character varying[]) AS u(c0) WHERE t."person_id" = u.c0',
    firstKeys: 'SELECT "person_id"::text, NULL::text FROM "public"."persons" ORDER BY "person_id" LIMIT $1',
    nextKeys:
      'SELECT "person_id"::text, NULL::text FROM "public"."persons" ' +
      'WHERE ("person_id") > ($2::character varying) ORDER BY "person_id" LIMIT $1',
    rememberDeleted: undefined,
  });
});

test('a table of keys alone has nothing to update', () => {
  const { upsert } = tableStatements('public', { ...persons, valueColumns: [] }, types);
  assert.match(upsert, /ON CONFLICT \("person_id"\) DO NOTHING$/);
});

test('a guarded table writes only newer versions, and remembers what it deleted', () => {
  assert.deepEqual(tableStatements('public', { ...persons, versionColumn: 'v' }, types), {
    upsert:
      'INSERT INTO "public"."persons" AS t ("person_id", "first", "age", "v") ' +
      'SELECT u.c0, u.c1, u.c2, u.c3 FROM unnest($1::character varying[], $2::text[], $3::smallint[], $4::bigint[], ' +
      '$5::bytea[]) AS u(c0, c1, c2, c3, record_key) ' +
      'WHERE NOT EXISTS (SELECT FROM "public"."afterwrite_deleted" AS d ' +
      'WHERE d.topic = $6 AND d.key = u.record_key AND d.version >= u.c3) ' +
      'ON CONFLICT ("person_id") DO UPDATE SET "first" = EXCLUDED."first", "age" = EXCLUDED."age", "v" = EXCLUDED."v" ' +
      'WHERE COALESCE(t."v", 0) < EXCLUDED."v"',
    delete:
      'DELETE FROM "public"."persons" AS t USING unnest($1::character varying[], $2::bigint[]) AS u(c0, c1) ' +
      'WHERE t."person_id" = u.c0 AND COALESCE(t."v", 0) <= u.c1',
    firstKeys: 'SELECT "person_id"::text, "v"::text FROM "public"."persons" ORDER BY "person_id" LIMIT $1',
    nextKeys:
      'SELECT "person_id"::text, "v"::text FROM "public"."persons" ' +
      'WHERE ("person_id") > ($2::character varying) ORDER BY "person_id" LIMIT $1',
    rememberDeleted:
      'INSERT INTO "public"."afterwrite_deleted" AS d (topic, key, version) ' +
      'SELECT $1, u.key, u.version FROM unnest($2::bytea[], $3::bigint[]) AS u(key, version) ' +
      'ON CONFLICT (topic, key) DO UPDATE SET version = EXCLUDED.version WHERE d.version < EXCLUDED.version',
  });
});

test('a decimal column is created with its digits', () => {
  const priced = { ...persons, valueColumns: [{ name: 'price', type: 'decimal(12,2)' as const }] };
  assert.match(createTable('s', priced), /"price" NUMERIC\(12,2\), PRIMARY KEY/);
});

test('names are quoted, whatever they hold', () => {
  const odd = { ...persons, name: 'My "Table"', valueColumns: [{ name: 'select', type: 'timestamp' as const }] };
  assert.equal(
    createTable('Sch"ema', odd),
    'CREATE TABLE IF NOT EXISTS "Sch""ema"."My ""Table""" ("person_id" TEXT NOT NULL, "select" TIMESTAMPTZ, ' +
      'PRIMARY KEY ("person_id"))',
  );
});
