import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AfterwriteError } from '../../../../ops/errors/index.ts';
import {
  classifyOracleError,
  isAlreadyThere,
  isDuplicate,
  OracleError,
  told,
  ValueRefused,
} from '../../../../sink-connector/write/oracle/errors.ts';

const ora = (number: number): Error => new Error(`ORA-${String(number).padStart(5, '0')}: words of the server`);
const driver = (number: number): Error => new Error(`NJS-${number}: words of the driver`);

test('outages are told from refused logins, changed tables, bad rows and missing parents by their number', () => {
  const expected = {
    outage: [18, 20, 28, 54, 60, 257, 1012, 1013, 1033, 1034, 1089, 1536, 1555, 1652, 1653, 1654, 1691, 2396, 3113],
    access: [1017, 1045, 1435, 28_000, 28_001, 28_040, 12_154],
    structure: [904, 942, 955, 1031, 1430, 1747, 1950, 4043, 32_795],
    data: [1, 1400, 1407, 1438, 1461, 1722, 1843, 2290, 12_899, 14_400, 20_001, 22_835],
    dependency: [2291, 2292],
    unknown: [600, 7445],
  };
  for (const [kind, numbers] of Object.entries(expected)) {
    for (const number of numbers) assert.equal(classifyOracleError(ora(number)), kind, String(number));
  }
  for (const number of [3114, 3135, 12_514, 12_516, 12_528, 12_537, 12_541, 12_571, 16_000, 25_408, 30_006, 30_036]) {
    assert.equal(classifyOracleError(ora(number)), 'outage', String(number));
  }
});

test('errors of the driver and of sockets are told, and those of this program by their class', () => {
  for (const number of [123, 500, 501, 503, 510, 511, 518]) assert.equal(classifyOracleError(driver(number)), 'outage');
  for (const number of [116, 138, 505, 506, 508, 514, 517]) assert.equal(classifyOracleError(driver(number)), 'access');
  assert.equal(classifyOracleError(driver(11)), 'unknown');
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  assert.equal(classifyOracleError(refused), 'outage');
  assert.equal(classifyOracleError(new AggregateError([refused])), 'outage');
  assert.equal(classifyOracleError(new ValueRefused('empty')), 'data');
  assert.equal(classifyOracleError(new AfterwriteError('SECRET_UNRESOLVED', 'x')), 'access');
  assert.equal(classifyOracleError(new AfterwriteError('DRIVER_MISSING', 'x')), 'unknown');
  assert.equal(classifyOracleError(new TypeError('x is not a function')), 'unknown');
});

test('the first error of a stack counts, by its code, without the hints where to read more', () => {
  const stack =
    'ORA-20001: no such city\nORA-06512: at "APP.CHECKED", line 3\nORA-04088: error during execution of trigger\n' +
    'Help: https://docs.oracle.com/error-help/db/ora-20001/';
  const error = told(new Error(stack));
  assert.ok(error instanceof OracleError);
  assert.deepEqual([error.code, error.number], ['ORA-20001', 20_001]);
  assert.match(error.message, /^no such city; ORA-06512: at "APP.CHECKED", line 3; ORA-04088: [a-z ]+$/);
  assert.equal(classifyOracleError(error), 'data');
  const other = new Error('something else');
  assert.equal(told(other), other);
});

test('what another worker was faster with is known', () => {
  for (const number of [955, 1430]) assert.equal(isAlreadyThere(told(ora(number))), true);
  assert.equal(isAlreadyThere(told(ora(942))), false);
  assert.equal(isDuplicate(told(ora(1))), true);
  assert.equal(isDuplicate(told(ora(60))), false);
});
