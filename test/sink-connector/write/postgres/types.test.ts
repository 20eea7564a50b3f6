import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ColumnType, ColumnValue } from '../../../../schemas/index.ts';
import { ArrayLiteral, dateText, timestampText } from '../../../../sink-connector/write/postgres/types.ts';

function literal(type: ColumnType, ...values: ColumnValue[]): string {
  const array = new ArrayLiteral(type);
  for (const value of values) array.add(value);
  return array.text;
}

test('array literals keep nulls apart from texts and escape what has a meaning in them', () => {
  assert.equal(
    literal('string', '', 'NULL', null, 'a"b\\c', '{x,y}', ' ', 'ü\n'),
    '{"","NULL",NULL,"a\\"b\\\\c","{x,y}"," ","ü\n"}',
  );
  assert.equal(literal('long', 2n ** 63n - 1n, null, -5), '{9223372036854775807,NULL,-5}');
  assert.equal(literal('string'), '{}');
});

test('each type is an element that its SQL type reads', () => {
  assert.equal(literal('decimal(5,2)', '-0.50', null), '{-0.50,NULL}');
  assert.equal(
    literal('float', Math.fround(0.1), 3.4028234663852886e38),
    '{0.10000000149011612,3.4028234663852886e+38}',
  );
  assert.equal(literal('boolean', true, false), '{true,false}');
  assert.equal(literal('date', 0, null, -719_528), '{"1970-01-01",NULL,"0001-01-01 BC"}');
  assert.equal(literal('timestamp-millis', 1000, -1n), '{"1970-01-01T00:00:00.001000Z","1969-12-31T23:59:59.999999Z"}');
  assert.equal(literal('bytes', Buffer.from('{"\\'), Buffer.alloc(0), null), '{"\\\\x7b225c","\\\\x",NULL}');
  assert.equal(literal('json', '{"a":"\\n"}', 'null', null), '{"{\\"a\\":\\"\\\\n\\"}","null",NULL}');
});

test('days become dates that PostgreSQL reads, with a year 1 BC before the year 1', () => {
  assert.equal(dateText(0), '1970-01-01');
  assert.equal(dateText(2_932_896), '9999-12-31');
  assert.equal(dateText(2_932_897), '10000-01-01');
  assert.equal(dateText(-719_162), '0001-01-01');
  assert.equal(dateText(-719_163), '0001-12-31 BC');
  assert.equal(dateText(-2_440_588), '4714-11-24 BC');
  assert.equal(dateText(1e9), '1000000000 days since 1970');
});

test('microseconds become UTC text that PostgreSQL reads, before the epoch and before Christ too', () => {
  assert.equal(timestampText(0n), '1970-01-01T00:00:00.000000Z');
  assert.equal(timestampText(1_700_000_000_000_001n), '2023-11-14T22:13:20.000001Z');
  assert.equal(timestampText(-1n), '1969-12-31T23:59:59.999999Z');
  assert.equal(timestampText(253_402_300_800_000_000n), '10000-01-01T00:00:00.000000Z');
  assert.equal(timestampText(-62_167_219_200_000_000n), '0001-01-01T00:00:00.000000Z BC');
  assert.match(timestampText(2n ** 63n - 1n), /microseconds/);
});
