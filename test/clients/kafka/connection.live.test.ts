import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { fetchClusterId, PartitionReader, TransactionalProducer, withAdmin } from '../../../clients/kafka/index.ts';
import { AfterwriteError, type ErrorCode } from '../../../ops/errors/index.ts';
import { freePort } from '../../../services/ports.ts';
import { kafkaAt } from '../../support/kafka.ts';
import { uniqueName } from '../../support/names.ts';
import { shared } from '../../support/servers.ts';

function isCode(code: ErrorCode) {
  return (error: unknown) => {
    assert.ok(error instanceof AfterwriteError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}

test('calls a port without a broker an outage, whoever asks', async () => {
  const client = kafkaAt(`127.0.0.1:${await freePort()}`);
  await assert.rejects(withAdmin(client, fetchClusterId), isCode('KAFKA_DOWN'));
  await assert.rejects(PartitionReader.open(client), isCode('KAFKA_DOWN'));
});

test('calls a host that no name server knows an outage', async () => {
  await assert.rejects(withAdmin(kafkaAt('kafka.invalid:9092'), fetchClusterId), isCode('KAFKA_DOWN'));
});

test('does not take a server that hangs up for a wrong password', async (t) => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  await assert.rejects(withAdmin(kafkaAt(`127.0.0.1:${address.port}`), fetchClusterId), isCode('KAFKA_DOWN'));
});

test('calls a port that does not speak TLS an outage, and names the setting', async () => {
  const client = { resolve: () => Promise.resolve({ brokers: [shared('kafka')], ssl: true }) };
  await assert.rejects(withAdmin(client, fetchClusterId), (error) => {
    isCode('KAFKA_DOWN')(error);
    assert.match(String(error), /kafka\.ssl/);
    return true;
  });
});

test('resolves the secrets anew for each client', async () => {
  let resolved = 0;
  const resolve = () => {
    resolved += 1;
    return Promise.resolve({ brokers: [shared('kafka')] });
  };
  await withAdmin({ resolve }, fetchClusterId);
  await withAdmin({ resolve }, fetchClusterId);
  assert.equal(resolved, 2);
});

test('passes on that a secret cannot be resolved', async () => {
  const cause = new AfterwriteError('SECRET_UNRESOLVED', 'no such file');
  await assert.rejects(withAdmin({ resolve: () => Promise.reject(cause) }, fetchClusterId), cause);
});

test('stops at a setting that Kafka does not allow', async () => {
  const options = { ...kafkaAt(), transactionalId: uniqueName('id'), transactionTimeoutMs: 2_000_000_000 };
  const producer = await TransactionalProducer.open(options);
  try {
    await assert.rejects(producer.begin(), isCode('KAFKA_REFUSED'));
  } finally {
    await producer.close();
  }
});
