import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoredOffset, TargetTable } from '../../../../sink-connector/write/port.ts';
import {
  createBookkeeping,
  deletedTable,
  mendedOffset,
  offsetStatements,
  offsetsTable,
  outboxTable,
} from '../../../../sink-connector/write/snowflake/bookkeeping.ts';
import { RowTooLarge } from '../../../../sink-connector/write/snowflake/errors.ts';
import { Names } from '../../../../sink-connector/write/snowflake/names.ts';
import { createTable, tableStatements } from '../../../../sink-connector/write/snowflake/statements.ts';
import { persons, removal, upsert } from '../../../support/sink/changes.ts';
import { column, names, personColumns, shape } from './shapes.ts';

const guarded = { ...persons, versionColumn: 'v' };
const statementsOf = (table: TargetTable) => tableStatements(names, table, shape(personColumns));
const selected = 'SELECT r[0]::VARCHAR AS c0, r[1]::VARCHAR AS c1, CAST(r[2]::VARCHAR AS NUMBER(38,0)) AS c2, ';
const rows = 'SELECT value AS r FROM TABLE(FLATTEN(PARSE_JSON(?)))';

test('upserts and deletes of a batch are one MERGE, which writes nothing outside its transaction', () => {
  assert.equal(
    statementsOf(persons).merge(2),
    'MERGE INTO "SHOP"."PUBLIC"."PERSONS" AS t USING (' +
      `${selected}r[3]::VARCHAR AS gone FROM (${rows} UNION ALL ${rows}) WHERE CURRENT_TRANSACTION() = ?) AS s ` +
      'ON t."PERSON_ID" = s.c0 WHEN MATCHED AND s.gone IS NOT NULL THEN DELETE ' +
      'WHEN MATCHED AND s.gone IS NULL THEN UPDATE SET "FIRST" = s.c1, "AGE" = s.c2 ' +
      'WHEN NOT MATCHED AND s.gone IS NULL THEN INSERT ("PERSON_ID", "FIRST", "AGE") VALUES (s.c0, s.c1, s.c2)',
  );
  assert.equal(statementsOf(persons).rememberDeleted, undefined);
});

test('a guarded table changes only under a newer version, and remembers what it deleted', () => {
  const { merge, rememberDeleted } = statementsOf(guarded);
  const guard = 'CAST(r[3]::VARCHAR AS INTEGER) AS v, r[4]::VARCHAR AS record_key, r[5]::VARCHAR AS gone';
  assert.equal(
    merge(1),
    'MERGE INTO "SHOP"."PUBLIC"."PERSONS" AS t USING (SELECT u.* FROM (' +
      `${selected}${guard} FROM (${rows}) WHERE CURRENT_TRANSACTION() = ?) AS u ` +
      'LEFT JOIN "SHOP"."PUBLIC"."AFTERWRITE_DELETED_SHOP_PERSON" AS d ' +
      "ON d.TOPIC = 'shop.person' AND d.RECORD_KEY = u.record_key AND u.gone IS NULL AND d.VERSION >= u.v " +
      'WHERE d.VERSION IS NULL) AS s ON t."PERSON_ID" = s.c0 ' +
      'WHEN MATCHED AND s.gone IS NOT NULL AND COALESCE(t."V", 0) <= s.v THEN DELETE ' +
      'WHEN MATCHED AND s.gone IS NULL AND COALESCE(t."V", 0) < s.v ' +
      'THEN UPDATE SET "FIRST" = s.c1, "AGE" = s.c2, "V" = s.v ' +
      'WHEN NOT MATCHED AND s.gone IS NULL THEN INSERT ("PERSON_ID", "FIRST", "AGE", "V") VALUES (s.c0, s.c1, s.c2, s.v)',
  );
  assert.equal(
    rememberDeleted?.(1),
    'MERGE INTO "SHOP"."PUBLIC"."AFTERWRITE_DELETED_SHOP_PERSON" AS d USING ' +
      `(SELECT * FROM (SELECT ${guard} FROM (${rows}) WHERE CURRENT_TRANSACTION() = ?) WHERE gone IS NOT NULL) AS s ` +
      "ON d.TOPIC = 'shop.person' AND d.RECORD_KEY = s.record_key " +
      'WHEN MATCHED AND d.VERSION < s.v THEN UPDATE SET VERSION = s.v ' +
      "WHEN NOT MATCHED THEN INSERT (TOPIC, RECORD_KEY, VERSION) VALUES ('shop.person', s.record_key, s.v)",
  );
});

test('a table of keys alone has nothing to update, and every part of a key counts', () => {
  const marks = { ...persons, valueColumns: [] };
  assert.doesNotMatch(statementsOf(marks).merge(1), /UPDATE/);
  const visits: TargetTable = {
    ...persons,
    keyColumns: [
      { name: 'region', type: 'string' },
      { name: 'id', type: 'long' },
    ],
  };
  const columns = [column('REGION', 'TEXT'), column('ID', 'NUMBER(19,0)'), ...personColumns];
  const { merge, keys } = tableStatements(names, visits, shape(columns));
  assert.match(merge(1), /CAST\(r\[1\]::VARCHAR AS NUMBER\(19,0\)\) AS c1/);
  assert.match(merge(1), / ON t\."REGION" = s\.c0 AND t\."ID" = s\.c1 WHEN/);
  assert.equal(
    keys,
    'SELECT TO_VARCHAR("REGION"), TO_VARCHAR("ID"), NULL FROM "SHOP"."PUBLIC"."PERSONS" ' +
      'WHERE "REGION" IS NOT NULL AND "ID" IS NOT NULL',
  );
});

test('a batch is JSON whose cells are texts or null, cut into binds by its bytes', () => {
  const { binds } = statementsOf(persons);
  assert.deepEqual(binds({ upserts: [upsert('1', ["O'\n", 5]), upsert('2', [null, null])], deletes: [removal('3')] }), [
    JSON.stringify([
      ['3', null, null, 'gone'],
      ['1', "O'\n", '5', null],
      ['2', null, null, null],
    ]),
  ]);
  assert.deepEqual(statementsOf(guarded).binds({ upserts: [upsert('1', ['x', 5], 7n)], deletes: [] }), [
    '[["1","x","5","7","31",null]]',
  ]);
  assert.deepEqual(binds({ upserts: [], deletes: [] }), []);
  const large = 'x'.repeat(3_000_000);
  const parts = binds({ upserts: ['1', '2', '3'].map((key) => upsert(key, [large, 1])), deletes: [] });
  assert.deepEqual(
    parts.map((part) => part.split('],[').length),
    [2, 1],
  );
  const huge = { upserts: [upsert('1', ['x'.repeat(17_000_000), 1])], deletes: [] };
  assert.throws(() => binds(huge), RowTooLarge);
});

test('bookkeeping tables are named after the topic, and moves of an offset count in the transaction of its rows only', () => {
  assert.equal(offsetsTable('shop.person-1'), 'AFTERWRITE_OFFSETS_SHOP_PERSON_1');
  assert.ok(deletedTable('x'.repeat(249)).length <= 255 && offsetsTable('x'.repeat(249)).length <= 255);
  assert.deepEqual(Object.keys(createBookkeeping(names, 'shop.person')), [
    'AFTERWRITE_OFFSETS_SHOP_PERSON',
    'AFTERWRITE_DELETED_SHOP_PERSON',
    'AFTERWRITE_ACKNOWLEDGEMENTS_SHOP_PERSON',
  ]);
  assert.ok(outboxTable('x'.repeat(249)).length <= 255);
  const move = { topic: 'shop.person', partition: 3, owner: 2n, epoch: 1n, from: 5n, to: 9n, caughtUp: false };
  assert.equal(
    offsetStatements(names, "it's").move(move, '1700'),
    `UPDATE "SHOP"."PUBLIC"."AFTERWRITE_OFFSETS_SHOP_PERSON" SET NEXT_OFFSET = 9 WHERE SINK = 'it''s' ` +
      `AND TOPIC = 'shop.person' AND "PARTITION" = 3 AND OWNER = 2 AND EPOCH = 1 AND NEXT_OFFSET = 5 ` +
      `AND CURRENT_TRANSACTION() = '1700'`,
  );
});

test('rows of one partition that two claims made at once become the one that goes back furthest', () => {
  const row = {
    topic: 't',
    partition: 0,
    clusterId: 'c',
    nextOffset: 7n,
    epoch: 0n,
    owner: 1n,
    caughtUpAt: new Date(1),
  };
  assert.deepEqual(mendedOffset<StoredOffset>([]), undefined);
  assert.equal(mendedOffset([row]), row);
  assert.deepEqual(mendedOffset([row, { ...row, nextOffset: 3n }, { ...row, owner: 4n, epoch: 2n }]), {
    ...row,
    nextOffset: 3n,
    epoch: 2n,
    owner: 4n,
    caughtUpAt: null,
  });
});

test('names are in capitals, or as they are where the sink says so', () => {
  assert.equal(
    createTable(names, guarded),
    'CREATE TABLE IF NOT EXISTS "SHOP"."PUBLIC"."PERSONS" ("PERSON_ID" VARCHAR NOT NULL, "FIRST" VARCHAR, ' +
      '"AGE" INTEGER, "V" INTEGER, PRIMARY KEY ("PERSON_ID"))',
  );
  assert.match(
    createTable(new Names('exact', 'Shop', 'public'), { ...persons, name: 'a"b' }),
    /^CREATE TABLE IF NOT EXISTS "Shop"\."public"\."a""b" \("person_id" /,
  );
});
