import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ColumnValue } from '../../../../schemas/index.ts';
import { RowBinder } from '../../../../sink-connector/write/oracle/rows.ts';
import { createdKeyType, createdType, dateText, timestampText } from '../../../../sink-connector/write/oracle/types.ts';
import type { TargetTable } from '../../../../sink-connector/write/port.ts';
import { persons, removal, upsert } from '../../../support/sink/changes.ts';

const asNull = { emptyText: null, emptyTexts: {} };
const texts: TargetTable = {
  ...persons,
  valueColumns: [
    { name: 'first', type: 'string' },
    { name: 'raw', type: 'bytes' },
  ],
};

function changesOf(...rows: (readonly ColumnValue[])[]) {
  return rows.map((values, index) => upsert(`k${index}`, values, BigInt(index)));
}

test('rows become one array, and what is larger than a bind may be stands in another one, as LOBs', () => {
  const letters = 'ü'.repeat(2000);
  const rows = changesOf([letters, Buffer.alloc(2000)], [`${letters}x`, Buffer.alloc(1)], ['', Buffer.alloc(2001)]);
  const [small, large, ...others] = new RowBinder(texts, asNull).upserts(rows);
  assert.deepEqual(others, []);
  assert.deepEqual(
    small?.columns.map(({ kind, size }) => [kind, size]),
    [
      ['text', 6],
      ['text', 4000],
      ['bytes', 2000],
    ],
  );
  assert.deepEqual(small.rows, [['k0', letters, Buffer.alloc(2000)]]);
  assert.deepEqual(
    large?.columns.map(({ kind }) => kind),
    ['text', 'clob', 'blob'],
  );
  assert.deepEqual(
    large.rows.map(([key]) => key),
    ['k1', 'k2'],
  );
});

test('arrays have 5,000 rows at most, and none is lost between two', () => {
  const changes = Array.from({ length: 12_001 }, (_, index) => removal(`k${index}`));
  const arrays = new RowBinder(persons, asNull).deletes(changes);
  assert.deepEqual(
    arrays.map(({ rows }) => rows.length),
    [5000, 5000, 2001],
  );
  const keys = arrays.flatMap(({ rows }) => rows.map(([key]) => key));
  assert.deepEqual(
    keys,
    [...changes.keys()].map((index) => `k${index}`),
  );
  assert.deepEqual(new RowBinder(persons, asNull).upserts([]), []);
});

test('a guard adds the version and the record key, and a delete the version', () => {
  const binder = new RowBinder({ ...persons, versionColumn: 'v' }, asNull);
  const key = Buffer.from('1');
  assert.deepEqual(binder.upserts([upsert('1', ['x', 5], 7n)])[0]?.rows, [['1', 'x', 5, 7n, key]]);
  assert.deepEqual(binder.deletes([removal('1', 8n)])[0]?.rows, [['1', 8n]]);
  assert.deepEqual(binder.deletedKeys([removal('1', 8n)])[0]?.rows, [[key, 8n]]);
});

test('an empty text is NULL, is refused, or is another text, as the sink or the column says', () => {
  const bound = (options: ConstructorParameters<typeof RowBinder>[1]) =>
    new RowBinder(persons, options).upserts([upsert('1', ['', 1])])[0]?.rows;
  assert.deepEqual(bound(asNull), [['1', null, 1]]);
  assert.deepEqual(bound({ emptyText: { replacement: '-' }, emptyTexts: {} }), [['1', '-', 1]]);
  assert.throws(() => bound({ emptyText: 'reject', emptyTexts: {} }), /column first: an empty text/);
  const ofColumn = { person: { first: 'reject' as const }, other: { first: null } };
  assert.throws(() => bound({ emptyText: null, emptyTexts: ofColumn }), /column first: an empty text/);
  assert.deepEqual(bound({ emptyText: 'reject', emptyTexts: { person: { first: null } } }), [['1', null, 1]]);
});

test('a key that no bind can carry is a bad row', () => {
  const binder = new RowBinder({ ...persons, versionColumn: 'v' }, asNull);
  assert.throws(() => binder.upserts([upsert('x'.repeat(4001), ['x', 1])]), /more than a key may have/);
  assert.throws(() => binder.upserts([upsert('x'.repeat(2001), ['x', 1])]), /more than a key may have/);
});

test('microseconds and days are UTC text, before the epoch too, and what no date holds is left to be refused', () => {
  assert.equal(timestampText(1_700_000_000_000_001n), '2023-11-14 22:13:20.000001 +00:00');
  assert.equal(timestampText(-1n), '1969-12-31 23:59:59.999999 +00:00');
  assert.equal(timestampText(253_402_300_799_999_999n), '9999-12-31 23:59:59.999999 +00:00');
  assert.match(timestampText(253_402_300_800_000_000n), /microseconds/);
  assert.equal(dateText(-719_162), '0001-01-01');
  assert.equal(dateText(2_932_897), '2932897 days since 1970');
});

test('columns are made with types that hold every value, and keys with as many characters as an index holds', () => {
  assert.deepEqual(
    (['string', 'long', 'decimal(12,2)', 'timestamp', 'uuid'] as const).map((type) => createdType(type, undefined)),
    ['CLOB', 'NUMBER(19)', 'NUMBER(12,2)', 'TIMESTAMP(6) WITH TIME ZONE', 'VARCHAR2(36)'],
  );
  assert.equal(createdType('string', 200), 'VARCHAR2(200 CHAR)');
  assert.equal(createdType('json', 200), 'CLOB');
  assert.deepEqual(
    [createdKeyType('string', 1), createdKeyType('string', 3), createdKeyType('int', 1)],
    ['VARCHAR2(1000 CHAR)', 'VARCHAR2(500 CHAR)', 'NUMBER(10)'],
  );
});
