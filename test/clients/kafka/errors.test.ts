import assert from 'node:assert/strict';
import { test } from 'node:test';
import kafkajs from 'kafkajs';
import { kafkaError, transactionError } from '../../../clients/kafka/index.ts';
import { AfterwriteError } from '../../../ops/errors/index.ts';

/** As kafkajs makes it from an answer of a broker. */
function answered(type: string, retriable = false): Error {
  const code = 0;
  return new kafkajs.KafkaJSProtocolError(
    Object.assign(new Error(`the broker said ${type}`), { type, code, retriable }),
  );
}

/** As kafkajs wraps errors: those that it does not try again, and those that it tried too often. */
function wrapped(cause: Error): Error {
  return Object.assign(new kafkajs.KafkaJSError(cause), { name: 'KafkaJSNonRetriableError', retriable: false, cause });
}

function refusedLogin(): Error {
  return Object.assign(new kafkajs.KafkaJSError('no', { retriable: false }), {
    name: 'KafkaJSSASLAuthenticationError',
  });
}

const general: [string, Error, string][] = [
  [
    'a refused connection',
    new kafkajs.KafkaJSConnectionError('connect ECONNREFUSED', { code: 'ECONNREFUSED' }),
    'KAFKA_DOWN',
  ],
  ['a request without answer', new kafkajs.KafkaJSRequestTimeoutError('timed out'), 'KAFKA_DOWN'],
  ['an election', answered('LEADER_NOT_AVAILABLE', true), 'KAFKA_DOWN'],
  ['a refused login', refusedLogin(), 'KAFKA_AUTH'],
  ['a mechanism that is off', answered('UNSUPPORTED_SASL_MECHANISM'), 'KAFKA_AUTH'],
  ['a missing ACL', answered('TOPIC_AUTHORIZATION_FAILED'), 'KAFKA_FORBIDDEN'],
  [
    'an untrusted certificate',
    new kafkajs.KafkaJSConnectionError('self-signed', { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
    'KAFKA_TLS',
  ],
  ['a missing topic', answered('UNKNOWN_TOPIC_OR_PARTITION', true), 'TOPIC_MISSING'],
  ['a lost offset', answered('OFFSET_OUT_OF_RANGE'), 'OFFSET_OUT_OF_RANGE'],
  ['a record that is too large', answered('MESSAGE_TOO_LARGE'), 'RECORD_TOO_LARGE'],
  ['a newer owner', answered('INVALID_PRODUCER_EPOCH'), 'PRODUCER_FENCED'],
  ['a setting that Kafka does not allow', answered('INVALID_TRANSACTION_TIMEOUT'), 'KAFKA_REFUSED'],
  ['a bug', new TypeError('x is not a function'), 'INTERNAL'],
];

for (const [what, error, code] of general) {
  test(`calls ${what} ${code}, however deep it is wrapped`, () => {
    assert.equal(kafkaError(error, 'It went wrong').code, code);
    assert.equal(kafkaError(wrapped(wrapped(error)), 'It went wrong').code, code);
  });
}

test('finds the reason among the errors that one error sums up', () => {
  const sum = Object.assign(new Error('Topic errors'), {
    errors: [answered('POLICY_VIOLATION'), answered('CLUSTER_AUTHORIZATION_FAILED')],
  });
  assert.equal(kafkaError(sum, 'It went wrong').code, 'KAFKA_FORBIDDEN');
});

test('says what, where and why, and keeps the cause', () => {
  const cause = wrapped(answered('TOPIC_AUTHORIZATION_FAILED'));
  const error = kafkaError(cause, 'Records could not be read', { topic: 't' });
  assert.match(
    error.message,
    /^KAFKA_FORBIDDEN: Records could not be read: the broker said TOPIC_AUTHORIZATION_FAILED \(topic t\)\. /,
  );
  assert.equal(error.cause, cause);
});

test('leaves an error of this project as it is', () => {
  const own = new AfterwriteError('SECRET_UNRESOLVED', 'no such file');
  assert.equal(kafkaError(own, 'It went wrong'), own);
  assert.equal(kafkaError(wrapped(own), 'It went wrong'), own);
  assert.equal(transactionError(own, 'It went wrong'), own);
});

const inTransactions: [string, Error, string][] = [
  ['an outage', new kafkajs.KafkaJSConnectionError('gone', { code: 'ECONNRESET' }), 'KAFKA_TRANSACTION'],
  ['a login that is refused after a rotation', refusedLogin(), 'KAFKA_TRANSACTION'],
  ['a sequence number out of order', answered('OUT_OF_ORDER_SEQUENCE_NUMBER'), 'KAFKA_TRANSACTION'],
  ['a newer owner', answered('INVALID_PRODUCER_EPOCH'), 'PRODUCER_FENCED'],
  ['a newer owner by its new code', new Error('Unknown error code 90'), 'PRODUCER_FENCED'],
];

for (const [what, error, code] of inTransactions) {
  test(`calls ${what} within a transaction ${code}, and has the position read again`, () => {
    const described = transactionError(wrapped(error), 'A transaction did not end');
    assert.equal(described.code, code);
    assert.equal(described.recovery, 'reload');
  });
}

test('stops at a record that Kafka never takes, within a transaction too', () => {
  const described = transactionError(wrapped(answered('MESSAGE_TOO_LARGE')), 'Records could not be sent');
  assert.equal(described.code, 'RECORD_TOO_LARGE');
  assert.equal(described.recovery, 'stop');
});
