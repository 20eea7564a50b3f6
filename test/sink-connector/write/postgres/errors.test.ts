import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AfterwriteError } from '../../../../ops/errors/index.ts';
import { classifyPostgresError } from '../../../../sink-connector/write/postgres/errors.ts';

const withCode = (code: string): Error => Object.assign(new Error('message'), { code });

test('outages are told from refused logins, changed tables and bad rows by their code', () => {
  const expected = {
    outage: [
      '08006',
      '25006',
      '25P03',
      '40001',
      '40P01',
      '53100',
      '53300',
      '55P03',
      '57014',
      '57P01',
      '57P03',
      '58030',
    ],
    access: ['28000', '28P01', '3D000', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    structure: ['42P01', '42703', '42501', '42804', '3F000', '0A000'],
    data: ['22001', '22003', '22P02', '22021', '23502', '23505', '23514', '54000', '21000', 'P0001'],
    dependency: ['23503'],
    unknown: ['F0000', 'XX000'],
  };
  for (const [kind, codes] of Object.entries(expected)) {
    for (const code of codes) assert.equal(classifyPostgresError(withCode(code)), kind, code);
  }
  for (const code of ['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EPIPE', 'EHOSTUNREACH', 'ENOTFOUND', 'EAI_AGAIN']) {
    assert.equal(classifyPostgresError(withCode(code)), 'outage', code);
  }
});

test("the driver's own errors are told by their words, and errors of this program stay what they are", () => {
  assert.equal(classifyPostgresError(new Error('Connection terminated unexpectedly')), 'outage');
  assert.equal(classifyPostgresError(new Error('Connection terminated due to connection timeout')), 'outage');
  assert.equal(classifyPostgresError(new Error('Query read timeout')), 'outage');
  assert.equal(
    classifyPostgresError(new Error('Client has encountered a connection error and is not queryable')),
    'outage',
  );
  assert.equal(
    classifyPostgresError(new Error('SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string')),
    'access',
  );
  assert.equal(classifyPostgresError(new Error('The server does not support SSL connections')), 'access');
  assert.equal(classifyPostgresError(new AggregateError([withCode('ECONNREFUSED')])), 'outage');
  assert.equal(classifyPostgresError(new AfterwriteError('SECRET_UNRESOLVED', 'x')), 'access');
  assert.equal(classifyPostgresError(new TypeError('x is not a function')), 'unknown');
});
