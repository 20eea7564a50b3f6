import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AfterwriteError } from '../../../../ops/errors/index.ts';
import {
  classifyMysqlError,
  RowTooLarge,
  ServerError,
  SetupIsLocked,
  told,
} from '../../../../sink-connector/write/mysql/errors.ts';

const ofServer = (errno: number, sqlState = 'HY000'): Error => Object.assign(new Error('message'), { errno, sqlState });
const ofDriver = (code: string): Error => Object.assign(new Error('message'), { code });

test('outages are told from refused logins, changed tables, bad rows and missing parents by their number', () => {
  const expected = {
    outage: [1021, 1040, 1053, 1114, 1205, 1213, 1290, 1317, 1792, 1836, 1927, 28],
    access: [1044, 1045, 1046, 1049, 1227, 1698, 1862],
    structure: [1054, 1142, 1143, 1146, 1364, 1071],
    data: [1048, 1062, 1153, 1264, 1265, 1292, 1366, 1406, 1644, 3140, 3819, 4025],
    dependency: [1216, 1217, 1451, 1452],
    unknown: [1105],
  };
  for (const [kind, numbers] of Object.entries(expected)) {
    for (const number of numbers) assert.equal(classifyMysqlError(ofServer(number)), kind, String(number));
  }
});

test('numbers that nobody lists are told by the class of their SQLSTATE', () => {
  const expected = { '22032': 'data', '23000': 'data', '45000': 'data', '42000': 'structure', '40001': 'outage' };
  for (const [state, kind] of Object.entries(expected)) assert.equal(classifyMysqlError(ofServer(9999, state)), kind);
});

test("errors of sockets and of the driver are told by their code or words, and this program's own by their class", () => {
  for (const code of ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'PROTOCOL_CONNECTION_LOST']) {
    assert.equal(classifyMysqlError(Object.assign(ofDriver(code), { errno: -111 })), 'outage', code);
  }
  for (const code of ['HANDSHAKE_NO_SSL_SUPPORT', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'AUTH_SWITCH_PLUGIN_ERROR']) {
    assert.equal(classifyMysqlError(ofDriver(code)), 'access', code);
  }
  const closed = new Error("Can't add new command when connection is in closed state");
  assert.equal(classifyMysqlError(closed), 'outage');
  assert.equal(classifyMysqlError(new AggregateError([ofDriver('ECONNREFUSED')])), 'outage');
  assert.equal(classifyMysqlError(new RowTooLarge(2, 1)), 'data');
  assert.equal(classifyMysqlError(new SetupIsLocked('x')), 'outage');
  assert.equal(classifyMysqlError(new AfterwriteError('SECRET_UNRESOLVED', 'x')), 'access');
  assert.equal(classifyMysqlError(new TypeError('x is not a function')), 'unknown');
});

test('an answer of the server is told under its number, and what is none stays what it is', () => {
  const answer = Object.assign(new Error('CONSTRAINT failed'), { errno: 4025, sqlState: '23000', code: 'ER_OF_MYSQL' });
  const error = told(answer);
  assert.ok(error instanceof ServerError);
  assert.deepEqual([error.code, error.message], ['4025 (23000)', 'CONSTRAINT failed']);
  assert.equal(classifyMysqlError(error), 'data');
  const ofSocket = Object.assign(ofDriver('ECONNRESET'), { errno: -104 });
  for (const other of [ofSocket, ofDriver('PROTOCOL_CONNECTION_LOST'), 'text']) assert.equal(told(other), other);
});
