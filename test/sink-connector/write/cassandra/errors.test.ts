import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errors, types } from 'cassandra-driver';
import { AfterwriteError } from '../../../../ops/errors/index.ts';
import {
  classifyCassandraError,
  NodeError,
  UnstorableValue,
} from '../../../../sink-connector/write/cassandra/errors.ts';

const { responseErrorCodes: codes } = types;

function response(code: number, message = ''): errors.ResponseError {
  return new errors.ResponseError(code, message);
}

function socketError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

const expected: readonly (readonly [string, unknown])[] = [
  ['outage', response(codes.unavailableException)],
  ['outage', response(codes.overloaded)],
  ['outage', response(codes.isBootstrapping)],
  ['outage', response(codes.writeTimeout)],
  ['outage', response(codes.readTimeout)],
  ['outage', response(codes.writeFailure)],
  ['outage', response(0x1700)],
  ['outage', response(codes.serverError, 'java.lang.RuntimeException: No space left on device')],
  ['data', response(codes.serverError, 'Mutation of 20000137 bytes is too large for the maximum size of 16777216')],
  ['data', response(codes.invalid, 'Key may not be empty')],
  ['data', new NodeError(response(codes.invalid, 'Key may not be empty'))],
  ['structure', response(codes.invalid, 'consistency level EACH_QUORUM not compatible with replication strategy')],
  ['structure', response(codes.invalid, 'with ttl of 630720000 seconds exceeds maximum supported expiration date')],
  ['outage', response(codes.invalid, 'Write request failed because disk usage exceeds failure threshold')],
  ['structure', response(codes.invalid, 'unconfigured table texts')],
  ['structure', response(codes.invalid, 'Undefined column name body in table ks.texts')],
  ['structure', response(codes.syntaxError)],
  ['access', response(codes.unauthorized)],
  ['access', response(codes.badCredentials)],
  ['unknown', response(codes.protocolError)],
  ['access', new errors.AuthenticationError('Provided username and/or password are incorrect')],
  ['outage', new errors.OperationTimedOutError('no answer within 12000 ms')],
  ['outage', new errors.NoHostAvailableError({ a: socketError('ECONNREFUSED') })],
  ['outage', new errors.NoHostAvailableError({})],
  ['structure', new errors.NoHostAvailableError({ a: response(codes.unprepared) })],
  [
    'access',
    new errors.NoHostAvailableError({ a: socketError('ECONNREFUSED'), b: new errors.AuthenticationError('') }),
  ],
  ['access', new errors.NoHostAvailableError({ a: socketError('DEPTH_ZERO_SELF_SIGNED_CERT') })],
  ['outage', Object.assign(new Error('Socket was closed'), { isSocketError: true })],
  ['outage', new errors.DriverInternalError('No active connection found')],
  ['data', new UnstorableValue('"x" is no UUID')],
  ['unknown', new TypeError("Cannot read properties of undefined (reading 'length')")],
  ['unknown', Object.assign(new RangeError('The value of "value" is out of range'), { code: 'ERR_OUT_OF_RANGE' })],
  ['outage', socketError('ECONNRESET')],
  ['access', new AfterwriteError('SECRET_UNRESOLVED', 'x')],
  ['unknown', new AfterwriteError('INTERNAL', 'x')],
  ['unknown', 'a text'],
];

for (const [kind, error] of expected) {
  test(`${kind}: ${String(error).slice(0, 80)}`, () => {
    assert.equal(classifyCassandraError(error), kind);
  });
}

test('what a node answers has a code that people can look up', () => {
  assert.equal(new NodeError(response(codes.invalid)).code, '0x2200 INVALID');
  assert.equal(new NodeError(response(codes.serverError)).code, '0x0000 SERVER_ERROR');
  assert.equal(new NodeError(response(0x1700)).code, '0x1700');
});
