import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CompressionTypes } from 'kafkajs';
import {
  connectKafka,
  readToEnd,
  readTopicToEnd,
  TransactionalProducer,
  type PartitionReader,
  type ReadRange,
} from '../../../clients/kafka/index.ts';
import { AfterwriteError, type ErrorCode } from '../../../ops/errors/index.ts';
import { createTopic, kafkaAt, openReader } from '../../support/kafka.ts';
import { uniqueName } from '../../support/names.ts';
import type { Scope } from '../../support/scope.ts';
import { until } from '../../support/until.ts';

/** A producer of one's own, with a transaction to end as the test likes. */
async function openProducer(scope: Scope) {
  const options = { ...kafkaAt(), transactionalId: uniqueName('id'), transactionTimeoutMs: 60_000 };
  const producer = await TransactionalProducer.open(options);
  scope.after(() => producer.close());
  return {
    begin: async () => {
      const transaction = await producer.begin();
      const send = (topic: string, values: readonly (string | null)[], partition = 0) => {
        const messages = values.map((value) => ({
          partition,
          key: Buffer.from(value ?? 'none'),
          value: value === null ? null : Buffer.from(value),
        }));
        return producer.send(transaction, [{ topic, partition, messages }]);
      };
      return { send, commit: () => transaction.commit(), abort: () => transaction.abort() };
    },
  };
}

async function valuesOf(reader: PartitionReader, range: ReadRange): Promise<{ values: string[]; end: number }> {
  const values: string[] = [];
  const end = await readToEnd(reader, range, ({ value }) => {
    values.push(String(value));
  });
  return { values, end };
}

function isCode(code: ErrorCode) {
  return (error: unknown) => {
    assert.ok(error instanceof AfterwriteError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}

test('ends at once in an empty partition', async (t) => {
  const topic = await createTopic(t);
  assert.deepEqual(await valuesOf(await openReader(t), { topic, partition: 0 }), { values: [], end: 0 });
});

test('ends behind the commit marker, and reads tombstones', async (t) => {
  const topic = await createTopic(t);
  const transaction = await (await openProducer(t)).begin();
  await transaction.send(topic, ['a', null, 'b']);
  await transaction.commit();
  const found = await valuesOf(await openReader(t), { topic, partition: 0 });
  assert.deepEqual(found, { values: ['a', 'null', 'b'], end: 4 });
});

test('ends in a partition whose last records are all aborted', async (t) => {
  const topic = await createTopic(t);
  const producer = await openProducer(t);
  const committed = await producer.begin();
  await committed.send(topic, ['a']);
  await committed.commit();
  for (let count = 0; count < 5; count += 1) {
    const aborted = await producer.begin();
    await aborted.send(topic, ['x', 'y', 'z']);
    await aborted.abort();
  }
  const reader = await openReader(t);
  assert.deepEqual(await valuesOf(reader, { topic, partition: 0 }), { values: ['a'], end: 22 });
  assert.deepEqual(await valuesOf(reader, { topic, partition: 0, from: 2 }), { values: [], end: 22 });
});

test('ends in a partition with nothing but aborted records', async (t) => {
  const topic = await createTopic(t);
  const aborted = await (await openProducer(t)).begin();
  await aborted.send(topic, ['x']);
  await aborted.abort();
  assert.deepEqual(await valuesOf(await openReader(t), { topic, partition: 0 }), { values: [], end: 2 });
});

test('reads exactly the range that is asked for', async (t) => {
  const topic = await createTopic(t);
  const producer = await openProducer(t);
  const transaction = await producer.begin();
  await transaction.send(topic, ['0', '1', '2', '3', '4']);
  await transaction.commit();
  const reader = await openReader(t);
  assert.deepEqual((await valuesOf(reader, { topic, partition: 0, from: 1, to: 3 })).values, ['1', '2']);
  assert.deepEqual((await valuesOf(reader, { topic, partition: 0, from: 3, to: 3 })).values, []);
  assert.deepEqual((await valuesOf(reader, { topic, partition: 0, from: 4 })).values, ['4']);
});

test('hands out nothing of two interleaved aborted transactions (rule 16)', async (t) => {
  const topic = await createTopic(t);
  const [one, two] = await Promise.all([openProducer(t), openProducer(t)]);
  const first = await one.begin();
  const second = await two.begin();
  for (let round = 0; round < 3; round += 1) {
    await first.send(topic, [`first ${round}`]);
    await second.send(topic, [`second ${round}`]);
  }
  await second.abort();
  await first.abort();
  const last = await one.begin();
  await last.send(topic, ['committed']);
  await last.commit();
  const found = await valuesOf(await openReader(t), { topic, partition: 0 });
  assert.deepEqual(found.values, ['committed']);
});

test('reads what another producer has compressed with gzip', async (t) => {
  const topic = await createTopic(t);
  const producer = (await connectKafka(kafkaAt())).producer();
  t.after(() => producer.disconnect());
  await producer.connect();
  const values = Array.from({ length: 100 }, (_, index) => `value ${index}`);
  const messages = values.map((value) => ({ value, headers: { a: 'b' } }));
  await producer.send({ topic, messages, compression: CompressionTypes.GZIP });
  assert.deepEqual((await valuesOf(await openReader(t), { topic, partition: 0 })).values, values);
});

test('waits for the end of an open transaction before the end', async (t) => {
  const topic = await createTopic(t);
  const [one, two] = await Promise.all([openProducer(t), openProducer(t)]);
  const open = await one.begin();
  await open.send(topic, ['slow']);
  const done = await two.begin();
  await done.send(topic, ['fast']);
  await done.commit();
  const reader = await openReader(t);
  const seen: string[] = [];
  const reading = readToEnd(reader, { topic, partition: 0, to: 2 }, ({ value }) => {
    seen.push(String(value));
  });
  await until('the last stable offset stays', async () => (await reader.fetch(topic, 0, 0, 0)).lastStableOffset === 0);
  assert.deepEqual(seen, []);
  await open.commit();
  await reading;
  assert.deepEqual(seen, ['slow', 'fast']);
});

test('does not wait for ever for a transaction that stays open', async (t) => {
  const topic = await createTopic(t);
  const open = await (await openProducer(t)).begin();
  await open.send(topic, ['slow']);
  const range = { topic, partition: 0, patienceMs: 300 };
  await assert.rejects(valuesOf(await openReader(t), range), isCode('TRANSACTION_OPEN'));
  await open.abort();
});

test('reads all partitions of a topic, each in order', async (t) => {
  const topic = await createTopic(t, { partitions: 9 });
  const producer = await openProducer(t);
  const expected = Array.from({ length: 9 }, (_, partition) =>
    Array.from({ length: partition * 100 }, (__, index) => `${partition}:${index}`),
  );
  const transaction = await producer.begin();
  for (const [partition, values] of expected.entries()) {
    if (values.length > 0) await transaction.send(topic, values, partition);
  }
  await transaction.commit();
  const found = expected.map((): string[] => []);
  await readTopicToEnd(await openReader(t), topic, async ({ value }, partition) => {
    await Promise.resolve();
    found[partition]?.push(String(value));
  });
  assert.deepEqual(found, expected);
});

test('passes on what the callback throws', async (t) => {
  const topic = await createTopic(t);
  const transaction = await (await openProducer(t)).begin();
  await transaction.send(topic, ['a']);
  await transaction.commit();
  const reader = await openReader(t);
  const refuse = () => {
    throw new RangeError('no more');
  };
  await assert.rejects(readToEnd(reader, { topic, partition: 0 }, refuse), RangeError);
});

test('says that an offset is not there, instead of jumping (rule 15)', async (t) => {
  const topic = await createTopic(t);
  const reader = await openReader(t);
  await assert.rejects(valuesOf(reader, { topic, partition: 0, from: 5, to: 9 }), isCode('OFFSET_OUT_OF_RANGE'));
});

test('says that a topic or a partition is missing', async (t) => {
  const topic = await createTopic(t);
  const reader = await openReader(t);
  await assert.rejects(valuesOf(reader, { topic, partition: 1 }), isCode('TOPIC_MISSING'));
  await assert.rejects(reader.partitions(uniqueName('missing')), isCode('TOPIC_MISSING'));
});
