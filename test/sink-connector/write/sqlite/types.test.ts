import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storageOf } from '../../../../sink-connector/write/sqlite/table-shape.ts';
import { dateText, timestampText } from '../../../../sink-connector/write/sql/time-text.ts';
import { encoderOf } from '../../../../sink-connector/write/sqlite/types.ts';

test('days and times are texts that SQLite reads, and exact beyond its years, too', () => {
  assert.equal(dateText(0n), '1970-01-01');
  assert.equal(dateText(-719_528n), '0000-01-01');
  assert.equal(dateText(2_932_896n), '9999-12-31');
  assert.equal(dateText(2_932_897n), '+010000-01-01');
  assert.equal(dateText(-719_529n), '-000001-12-31');
  assert.equal(dateText(2_147_483_647n), '+5881580-07-11');
  assert.equal(timestampText(0n), '1970-01-01 00:00:00.000000');
  assert.equal(timestampText(-1n), '1969-12-31 23:59:59.999999');
  assert.equal(timestampText(1_700_000_000_000_001n), '2023-11-14 22:13:20.000001');
  assert.equal(timestampText(2n ** 63n - 1n), '+294247-01-10 04:00:54.775807');
  assert.equal(timestampText(-(2n ** 63n)), '-290308-12-21 19:59:05.224192');
});

test('declared types have the affinity that SQLite gives them', () => {
  const affinities = {
    BIGINT: 'INTEGER',
    POINT: 'INTEGER',
    'varchar(10)': 'TEXT',
    CLOB: 'TEXT',
    '': 'ANY',
    BLOB: 'ANY',
    DOUBLE: 'REAL',
    'DECIMAL(10,2)': 'NUMERIC',
    DATETIME: 'NUMERIC',
    ANY: 'NUMERIC',
  };
  for (const [declared, affinity] of Object.entries(affinities)) assert.equal(storageOf(declared, false), affinity);
  assert.equal(storageOf('ANY', true), 'ANY');
  assert.equal(storageOf('blob', true), 'BLOB');
});

test('a column takes only what it keeps as it is', () => {
  assert.equal(encoderOf('string', 'INTEGER'), undefined);
  assert.equal(encoderOf('string', 'NUMERIC'), undefined);
  assert.equal(encoderOf('decimal(10,2)', 'NUMERIC'), undefined);
  assert.equal(encoderOf('long', 'REAL'), undefined);
  assert.equal(encoderOf('int', 'TEXT'), undefined);
  assert.equal(encoderOf('long', 'ANY')?.(5), 5n);
  assert.equal(encoderOf('boolean', 'INTEGER')?.(true), 1n);
  assert.equal(encoderOf('date', 'NUMERIC')?.(1), '1970-01-02');
  assert.equal(encoderOf('timestamp', 'INTEGER')?.(1_000_000), 1_000_000n);
  assert.equal(encoderOf('json', 'TEXT')?.(null), null);
  assert.throws(() => encoderOf('double', 'REAL')?.(NaN), /no value for NaN/);
});
