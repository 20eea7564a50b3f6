import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ColumnType, ColumnValue } from '../../../../schemas/index.ts';
import { createdKeyType, dateText, literalOf, timestampText } from '../../../../sink-connector/write/mysql/types.ts';

test('each type is a literal that its SQL type reads without loss', () => {
  const literals = (type: ColumnType, ...values: ColumnValue[]): string => values.map(literalOf(type)).join();
  assert.equal(literals('string', '', null, "it's \\ \0 ü", 'NULL'), "'',NULL,'it''s \\ \0 ü','NULL'");
  assert.equal(literals('long', 2n ** 63n - 1n, -5), '9223372036854775807,-5');
  assert.equal(
    literals('decimal(38,2)', '123456789012345678901234567890123456.70'),
    '123456789012345678901234567890123456.70',
  );
  assert.equal(literals('double', 0.1, 5e-324, 1e21, -7, Infinity), "0.1e0,5e-324,1e+21,-7e0,'Infinity'");
  assert.equal(literals('boolean', true, false, null), '1,0,NULL');
  assert.equal(literals('date', 0, -719_162), "'1970-01-01','0001-01-01'");
  assert.equal(literals('timestamp', 0, null), "'1970-01-01 00:00:00.000000',NULL");
  assert.equal(literals('bytes', Buffer.from([0, 39, 255]), Buffer.alloc(0)), "X'0027ff',X''");
  assert.equal(literals('json', '{"a":"\\n\'"}'), `'{"a":"\\n''"}'`);
});

test('microseconds and days are UTC text, before the epoch too, and what no date holds is left to be refused', () => {
  assert.equal(timestampText(1_700_000_000_000_001), '2023-11-14 22:13:20.000001');
  assert.equal(timestampText(-1), '1969-12-31 23:59:59.999999');
  assert.equal(timestampText(-1n), '1969-12-31 23:59:59.999999');
  assert.equal(timestampText(253_402_300_799_999_999n), '9999-12-31 23:59:59.999999');
  assert.match(timestampText(253_402_300_800_000_000n), /microseconds/);
  assert.match(timestampText(2n ** 63n - 1n), /microseconds/);
  assert.equal(dateText(2_932_896), '9999-12-31');
  assert.equal(dateText(2_932_897), '2932897 days since 1970');
  assert.equal(dateText(-719_163), '-719163 days since 1970');
  assert.equal(dateText(1e9), '1000000000 days since 1970');
});

test('texts of a key are as long as an index, and a remembered delete, can hold', () => {
  assert.equal(createdKeyType('string', 1, 'c'), 'VARCHAR(255) CHARACTER SET utf8mb4 COLLATE c');
  assert.equal(createdKeyType('string', 4, 'c'), 'VARCHAR(172) CHARACTER SET utf8mb4 COLLATE c');
  assert.equal(createdKeyType('long', 1, 'c'), 'BIGINT');
});
