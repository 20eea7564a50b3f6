import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { test } from 'node:test';
import { AfterwriteError } from '../../../../ops/errors/index.ts';
import { classifySnowflakeError, NoAnswer, RowTooLarge } from '../../../../sink-connector/write/snowflake/errors.ts';
import { ServerLost } from '../../../../sink-connector/write/snowflake/reachability.ts';

/** As the driver hands on what the server answers: its numbers are texts, filled up with zeros. */
const ofServer = (number: number, sqlState = ''): Error =>
  Object.assign(new Error('message'), { code: String(number).padStart(6, '0'), sqlState });
const ofDriver = (code: number | string, more: object = {}): Error =>
  Object.assign(new Error('message'), { code, ...more });

test('outages are told from refused logins, changed tables and bad rows by their number', () => {
  const expected = {
    outage: [603, 604, 606, 625, 630, 390104, 390111, 390112, 390114],
    access: [390100, 390144, 390189, 390201, 390422],
    structure: [904, 1003, 2003, 3001],
    data: [100035, 100038, 100072, 100078, 100090, 100132, 100999],
    unknown: [1234],
  };
  for (const [kind, numbers] of Object.entries(expected)) {
    for (const number of numbers) assert.equal(classifySnowflakeError(ofServer(number)), kind, String(number));
  }
});

test('numbers that nobody lists are told by the class of their SQLSTATE', () => {
  const expected = { '22000': 'data', '23505': 'data', '42601': 'structure', '57P03': 'outage', XX000: 'outage' };
  for (const [state, kind] of Object.entries(expected))
    assert.equal(classifySnowflakeError(ofServer(9999, state)), kind);
});

test("errors of the driver are told by its own numbers, and an answer that is none of Snowflake's by its status", () => {
  for (const code of [401001, 401003, 401004, 407002, 405503, 'ECONNREFUSED', 'ENOTFOUND']) {
    assert.equal(classifySnowflakeError(ofDriver(code)), 'outage', String(code));
  }
  for (const code of [404026, 404057, 412001, 'ERR_OSSL_BAD_DECRYPT', 'DEPTH_ZERO_SELF_SIGNED_CERT']) {
    assert.equal(classifySnowflakeError(ofDriver(code)), 'access', String(code));
  }
  const answered = (statusCode: number): Error => ofDriver(401002, { response: { statusCode } });
  for (const status of [429, 500, 502, 503, 504]) assert.equal(classifySnowflakeError(answered(status)), 'outage');
  assert.equal(classifySnowflakeError(answered(403)), 'access');
});

test("this program's own errors are told by their class, and a key that is none is no outage", () => {
  assert.equal(classifySnowflakeError(new RowTooLarge(2, 1)), 'data');
  assert.equal(classifySnowflakeError(new ServerLost('x')), 'outage');
  assert.equal(classifySnowflakeError(new NoAnswer('x')), 'outage');
  assert.equal(classifySnowflakeError(new AfterwriteError('SECRET_UNRESOLVED', 'x')), 'access');
  assert.equal(classifySnowflakeError(new TypeError('x is not a function')), 'unknown');
  assert.equal(classifySnowflakeError('text'), 'unknown');
  assert.throws(
    () => createPrivateKey('no key'),
    (error) => classifySnowflakeError(error) === 'access',
  );
});
