import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cast, dateText, encoderOf, timestampText } from '../../../../sink-connector/write/snowflake/types.ts';
import { column } from './shapes.ts';

test('values are texts of ISO 8601, of all their digits, and of hexadecimal', () => {
  assert.equal(encoderOf('long')(9_007_199_254_740_993n), '9007199254740993');
  assert.equal(encoderOf('double')(-Infinity), '-inf');
  assert.equal(encoderOf('boolean')(false), 'false');
  assert.equal(encoderOf('bytes')(Buffer.from('é')), 'c3a9');
  assert.equal(encoderOf('json')('null'), 'null');
  assert.equal(encoderOf('string')(null), null);
  assert.equal(encoderOf('timestamp')(-1n), '1969-12-31T23:59:59.999999+00:00');
  assert.equal(encoderOf('timestamp-millis')(1_774_744_200_123_000), '2026-03-29T00:30:00.123000+00:00');
  assert.equal(encoderOf('date')(-1), '1969-12-31');
});

test('times beyond the years 1 to 9999 stay what they are, to be refused', () => {
  assert.equal(timestampText(-62_135_596_800_000_000n), '0001-01-01T00:00:00.000000+00:00');
  assert.match(timestampText(-62_135_596_800_000_001n), /^-62135596800000001 microseconds/);
  assert.match(timestampText(253_402_300_800_000_000n), /microseconds since 1970$/);
  assert.equal(dateText(2_932_896), '9999-12-31');
  assert.match(dateText(2_932_897), /^2932897 days/);
});

test('a text is turned into what the column is, by a function that refuses what is none', () => {
  const cases = [
    ['string', 'TEXT', 'x'],
    ['int', 'NUMBER(38,0)', 'CAST(x AS NUMBER(38,0))'],
    ['string', 'NUMBER(12,2)', 'CAST(x AS NUMBER(12,2))'],
    ['timestamp', 'TIMESTAMP_NTZ', 'CAST(x AS TIMESTAMP_NTZ)'],
    ['bytes', 'BINARY', "TO_BINARY(x, 'HEX')"],
    ['string', 'BINARY', "TO_BINARY(x, 'UTF-8')"],
    ['json', 'VARIANT', 'PARSE_JSON(x)'],
    ['json', 'OBJECT', 'TO_OBJECT(PARSE_JSON(x))'],
    ['string', 'VARIANT', 'TO_VARIANT(x)'],
  ] as const;
  for (const [type, held, sql] of cases) assert.equal(cast('x', type, column('C', held)), sql);
});
