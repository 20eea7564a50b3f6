import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namingOf } from '../../../../sink-connector/write/oracle/names.ts';
import { createTable, keysAfter, tableStatements } from '../../../../sink-connector/write/oracle/statements.ts';
import { tableProblems } from '../../../../sink-connector/write/oracle/table-check.ts';
import type { TableShape } from '../../../../sink-connector/write/oracle/table-shape.ts';
import type { TargetTable } from '../../../../sink-connector/write/port.ts';
import { persons } from '../../../support/sink/changes.ts';

const upper = namingOf('upper');
const guarded = { ...persons, versionColumn: 'v' };
const visits: TargetTable = {
  ...persons,
  keyColumns: [
    { name: 'region', type: 'string' },
    { name: 'id', type: 'long' },
  ],
};

test('rows are merged and deleted by their keys', () => {
  const statements = tableStatements({ ...persons, valueColumns: [{ name: 'price', type: 'decimal(12,2)' }] }, upper);
  assert.equal(
    statements.upsert,
    'MERGE INTO "PERSONS" t USING (SELECT :1 AS "PERSON_ID", CAST(:2 AS NUMBER) AS "PRICE" FROM dual) s ' +
      'ON (t."PERSON_ID" = s."PERSON_ID") WHEN MATCHED THEN UPDATE SET t."PRICE" = s."PRICE" ' +
      'WHEN NOT MATCHED THEN INSERT ("PERSON_ID", "PRICE") VALUES (s."PERSON_ID", s."PRICE")',
  );
  assert.equal(statements.delete, 'DELETE FROM "PERSONS" t WHERE t."PERSON_ID" = :1');
  assert.equal(statements.rememberDeleted, undefined);
  assert.equal(
    tableStatements({ ...visits, valueColumns: [] }, namingOf('exact')).upsert,
    'MERGE INTO "persons" t USING (SELECT :1 AS "region", :2 AS "id" FROM dual) s ' +
      'ON (t."region" = s."region" AND t."id" = s."id") ' +
      'WHEN NOT MATCHED THEN INSERT ("region", "id") VALUES (s."region", s."id")',
  );
});

test('a guarded table writes only newer versions, and none that its key was deleted at', () => {
  const statements = tableStatements({ ...guarded, valueColumns: [] }, upper);
  assert.equal(
    statements.upsert,
    'MERGE INTO "PERSONS" t USING (SELECT r.* FROM (SELECT :1 AS "PERSON_ID", :2 AS "V", :3 AS "RECORD KEY" FROM dual) r ' +
      `WHERE NOT EXISTS (SELECT 1 FROM "AFTERWRITE_DELETED" d WHERE d."TOPIC" = 'shop.person' ` +
      'AND d."KEY" = r."RECORD KEY" AND d."VERSION" >= r."V")) s ON (t."PERSON_ID" = s."PERSON_ID") ' +
      'WHEN MATCHED THEN UPDATE SET t."V" = s."V" WHERE COALESCE(t."V", 0) < s."V" ' +
      'WHEN NOT MATCHED THEN INSERT ("PERSON_ID", "V") VALUES (s."PERSON_ID", s."V")',
  );
  assert.equal(statements.delete, 'DELETE FROM "PERSONS" t WHERE t."PERSON_ID" = :1 AND COALESCE(t."V", 0) <= :2');
});

test('pages of keys go on behind the last key, within the range of the index', () => {
  assert.equal(
    tableStatements({ ...visits, versionColumn: 'v' }, upper).nextKeys,
    'SELECT "REGION", "ID", "V" FROM "PERSONS" WHERE "REGION" IS NOT NULL AND "ID" IS NOT NULL AND ' +
      '("REGION" > :1 OR ("REGION" = :2 AND ("ID" > CAST(:3 AS NUMBER)))) ' +
      'ORDER BY "REGION", "ID" FETCH FIRST 10000 ROWS ONLY',
  );
  assert.deepEqual(keysAfter(['eu', '7']), ['eu', 'eu', '7']);
  assert.deepEqual(keysAfter(['7']), ['7']);
});

test('tables are made with their keys', () => {
  assert.equal(
    createTable(guarded, upper, 200),
    'CREATE TABLE "PERSONS" ("PERSON_ID" VARCHAR2(1000 CHAR) NOT NULL, "FIRST" VARCHAR2(200 CHAR), "AGE" NUMBER(10), ' +
      '"V" NUMBER(19), PRIMARY KEY ("PERSON_ID"))',
  );
});

test('tables that do not fit are told: kind, keys, collations, columns, rights, and names that are one to Oracle', () => {
  const column = { required: false, generated: false, collation: undefined };
  const fit: TableShape = {
    kind: 'TABLE',
    temporary: false,
    columns: new Map([
      ['PERSON_ID', { ...column, type: 'VARCHAR2' }],
      ['FIRST', { ...column, type: 'CLOB' }],
      ['AGE', { ...column, type: 'NUMBER' }],
    ]),
    uniqueKeys: [['PERSON_ID']],
    missingRights: [],
    user: 'APP',
  };
  const making = { naming: upper, textLength: undefined };
  const told = (shape: Partial<TableShape>, table: TargetTable = persons): string =>
    tableProblems(table, { ...fit, ...shape }, making).join('\n');
  const key = (change: object) => ({
    columns: new Map([...fit.columns, ['PERSON_ID', { ...column, type: 'VARCHAR2', ...change }]]),
  });
  assert.equal(told({}), '');
  assert.match(told({ kind: 'VIEW' }), /is a view/);
  assert.match(told({ temporary: true }), /is temporary/);
  assert.match(
    told({ uniqueKeys: [['PERSON_ID', 'AGE']] }),
    /run ALTER TABLE "PERSONS" ADD PRIMARY KEY \("PERSON_ID"\);/,
  );
  assert.match(told(key({ type: 'CHAR' })), /is CHAR, in which two different keys/);
  assert.match(told(key({ collation: 'BINARY_CI' })), /with the collation BINARY_CI/);
  assert.match(told(key({ generated: true })), /is computed/);
  assert.match(told({ missingRights: ['DELETE'] }), /may not DELETE .*GRANT DELETE ON "PERSONS" TO "APP";/);
  const more = new Map([...fit.columns, ['MORE', { ...column, type: 'NUMBER', required: true }]]);
  assert.match(told({ columns: more }), /"MORE" .* NOT NULL .* MODIFY \("MORE" NULL\);/);
  const folded = { ...persons, valueColumns: [...persons.valueColumns, { name: 'First', type: 'string' } as const] };
  assert.match(told({}, folded), /called FIRST in upper case/);
  assert.match(told({}, { ...persons, versionColumn: 'first' }), /called FIRST|version column/);
});
