import assert from 'node:assert/strict';
import { test } from 'node:test';
import { types } from 'cassandra-driver';
import type { ColumnType } from '../../../../schemas/index.ts';
import { acceptedTypes, createdType, encoderOf } from '../../../../sink-connector/write/cassandra/types.ts';
import type { ColumnValue } from '../../../../sink-connector/decode/change.ts';

function encoded(type: ColumnType, column: string, value: NonNullable<ColumnValue>): unknown {
  const encode = encoderOf(type, column);
  assert.ok(encode !== undefined, `${type} to ${column}`);
  return encode(value);
}

test('a timestamp is cut to whole milliseconds, downwards, and a bigint column keeps its microseconds', () => {
  assert.deepEqual(
    [1_999, -1, -1_000, 4_102_444_800_000_001n].map((micros) => encoded('timestamp', 'timestamp', micros)),
    [1n, -1n, -1n, 4_102_444_800_000n],
  );
  assert.equal(encoded('timestamp', 'bigint', -1), -1n);
  assert.equal(encoded('timestamp-millis', 'bigint', 1_000), 1n);
});

test('a date of any year is bytes that the driver reads as that day', () => {
  const day = (days: number) => {
    const bytes = encoded('date', 'date', days);
    assert.ok(Buffer.isBuffer(bytes));
    return types.LocalDate.fromBuffer(bytes).toString();
  };
  assert.deepEqual([0, -1, 19_000, 2_932_896].map(day), ['1970-01-01', '1969-12-31', '2022-01-08', '9999-12-31']);
  assert.equal(String(encoded('date', 'date', -(2 ** 31))), '\0\0\0\0');
});

test('a decimal is given as its digits, a long as an exact integer', () => {
  assert.equal(
    encoded('decimal(38,2)', 'decimal', '-123456789012345678901234567890123456.78'),
    '-123456789012345678901234567890123456.78',
  );
  assert.equal(encoded('long', 'bigint', -9_223_372_036_854_775_808n), -9_223_372_036_854_775_808n);
  assert.equal(encoded('long', 'varint', 7), 7n);
  assert.equal(types.BigDecimal.fromString('-0.05').toString(), '-0.05');
});

test('a column of another type is not accepted', () => {
  assert.equal(encoderOf('long', 'int'), undefined);
  assert.equal(encoderOf('string', 'blob'), undefined);
  assert.equal(createdType('decimal(10,2)'), 'decimal');
  assert.deepEqual(acceptedTypes('timestamp'), ['timestamp', 'bigint']);
});
