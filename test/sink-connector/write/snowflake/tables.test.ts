import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TargetTable } from '../../../../sink-connector/write/port.ts';
import { Names } from '../../../../sink-connector/write/snowflake/names.ts';
import {
  impossibleColumns,
  sameTables,
  tableProblems,
} from '../../../../sink-connector/write/snowflake/table-check.ts';
import { persons } from '../../../support/sink/changes.ts';
import { column, names, personColumns, shape } from './shapes.ts';

const [key, first, age] = personColumns;
const problemsOf = (table: TargetTable, found: Parameters<typeof tableProblems>[2]): string =>
  tableProblems(names, table, found).join('\n');

test('a table that fits has no problems', () => {
  assert.equal(problemsOf(persons, shape(personColumns)), '');
  const guarded = { ...persons, versionColumn: 'v' };
  assert.equal(problemsOf(guarded, shape([...personColumns, column('V', 'NUMBER(38,0)')])), '');
});

test('rule 9: a key whose collation holds different keys for equal is refused, and so is one of another type', () => {
  assert.ok(key !== undefined && first !== undefined && age !== undefined);
  const folding = shape([{ ...key, collation: 'en-ci' }, first, age]);
  assert.match(
    problemsOf(persons, folding),
    /^Key column "PERSON_ID" .* is TEXT with the collation en-ci, in which two/,
  );
  const number = shape([column('PERSON_ID', 'NUMBER(38,0)'), first, age]);
  assert.match(problemsOf(persons, number), /^Key column "PERSON_ID" .* is NUMBER, in which two different keys/);
  const collatedValue = shape([key, { ...first, collation: 'en-ci' }, age]);
  assert.equal(problemsOf(persons, collatedValue), '', 'outside the key nothing is compared');
});

test('a primary key that is another one, or none, is told with the statements that mend it', () => {
  assert.match(
    problemsOf(persons, shape(personColumns, { primaryKey: [] })),
    /no primary key on exactly \("PERSON_ID"\): run ALTER TABLE "SHOP"."PUBLIC"."PERSONS" ADD PRIMARY KEY \("PERSON_ID"\);$/,
  );
  assert.match(
    problemsOf(persons, shape(personColumns, { primaryKey: ['PERSON_ID', 'FIRST'] })),
    /run ALTER .* DROP PRIMARY KEY; ALTER/,
  );
});

test('a column that would round is refused', () => {
  assert.ok(key !== undefined && first !== undefined && age !== undefined);
  const priced: TargetTable = { ...persons, valueColumns: [{ name: 'price', type: 'decimal(12,3)' }] };
  assert.match(
    problemsOf(priced, shape([key, column('PRICE', 'NUMBER(12,2)')])),
    /"PRICE" .* 2 digits .* rounds values/,
  );
  assert.equal(problemsOf(priced, shape([key, column('PRICE', 'NUMBER(15,3)')])), '');
  const measured: TargetTable = { ...persons, valueColumns: [{ name: 'price', type: 'double' }] };
  assert.match(problemsOf(measured, shape([key, column('PRICE', 'NUMBER(38,0)')])), /rounds values of type double/);
  assert.equal(problemsOf(measured, shape([key, column('PRICE', 'FLOAT')])), '');
});

test('missing columns, rights and values, views, and versions that do not fit are told', () => {
  assert.ok(key !== undefined && first !== undefined && age !== undefined);
  assert.match(
    problemsOf(persons, shape([key, first])),
    /has no column "AGE": set evolve: true, or run ALTER TABLE .* "AGE" INTEGER;/,
  );
  assert.match(
    problemsOf(persons, shape([...personColumns, column('BORN', 'DATE', { required: true })])),
    /"BORN" .* NOT NULL without a default/,
  );
  assert.match(
    problemsOf(persons, shape(personColumns, { missingRights: ['INSERT', 'DELETE'] })),
    /This role may not INSERT, DELETE on table .*: run GRANT INSERT, DELETE ON TABLE/,
  );
  assert.match(problemsOf(persons, shape(personColumns, { isTable: false })), /is no table/);
  const guarded = { ...persons, versionColumn: 'v' };
  assert.match(
    problemsOf(guarded, shape([...personColumns, column('V', 'TEXT')])),
    /version column "V" .* cannot hold/,
  );
  assert.match(problemsOf(guarded, shape([...personColumns, column('V', 'NUMBER(9,0)')])), /cannot hold/);
});

test('names that become one, and digits that no number has, are told before anything is made', () => {
  const both: TargetTable = { ...persons, valueColumns: ['Age', 'age'].map((name) => ({ name, type: 'int' })) };
  assert.match(
    impossibleColumns(names, both).join('\n'),
    /^Columns Age and age of mapping person are one column here, AGE/,
  );
  assert.deepEqual(impossibleColumns(new Names('exact', 'shop', 'public'), both), []);
  assert.match(impossibleColumns(names, { ...persons, versionColumn: 'First' }).join('\n'), /^Columns first and First/);
  const tiny: TargetTable = { ...persons, valueColumns: [{ name: 'x', type: 'decimal(38,38)' }] };
  assert.match(
    impossibleColumns(names, tiny).join('\n'),
    /decimal\(38,38\), and no number of Snowflake has more than 37/,
  );
  const others: TargetTable = { ...persons, topic: 'shop.other', mapping: 'other', name: 'Persons' };
  assert.match(sameTables(names, [persons, others]).join('\n'), /^Mappings person and other write one table/);
  assert.deepEqual(sameTables(new Names('exact', 'shop', 'public'), [persons, others]), []);
});
