import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOverhead, recordBytes, TransactionalProducer } from '../../../clients/kafka/index.ts';
import { transactionalId } from '../../../config/names.ts';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import { PartitionedBatch } from '../../../source-connector/send/outgoing-batch.ts';
import { createSender } from '../../../source-connector/send/kafkajs-sender.ts';
import type { OutgoingBatch, TransactionalSender } from '../../../source-connector/send/port.ts';
import { committedOf, kafkaAt, openReader } from '../../support/kafka.ts';
import { uniqueName } from '../../support/names.ts';
import { createPipeline, isCode } from '../../support/sender.ts';
import { untilEqual } from '../../support/until.ts';

const synced = Promise.resolve();

/** The state log of a shard, as far as the sender sees it: a promise that the test ends. */
function pendingSync() {
  let end: { resolve: () => void; reject: (error: Error) => void } | undefined;
  const promise = new Promise<void>((resolve, reject) => {
    end = { resolve, reject };
  });
  assert.ok(end);
  return { promise, ...end };
}

function filled(sender: TransactionalSender, topic: string, ...values: string[]): OutgoingBatch {
  const batch = sender.begin();
  for (const value of values) batch.append(topic, 0, Buffer.from('key'), Buffer.from(value));
  return batch;
}

test('finds no position where none was ever committed (rule 2)', async (t) => {
  const { claimed } = await createPipeline(t);
  assert.equal((await claimed()).position, null);
  assert.equal((await claimed()).position, null);
});

test('finds the position that was committed last, and its records with it', async (t) => {
  const { claimed, topic } = await createPipeline(t);
  const { sender } = await claimed();
  await sender.commit(filled(sender, topic, 'a', 'b'), Buffer.from('first'), synced);
  await sender.commit(sender.begin(), Buffer.from('second, of an empty batch'), synced);
  await sender.commit(filled(sender, topic, 'c'), Buffer.from('third'), synced);
  await sender.close();
  assert.equal((await claimed()).position, 'third');
  const found = await committedOf(await openReader(t), topic);
  assert.deepEqual(
    found.get(0)?.map(({ value }) => String(value)),
    ['a', 'b', 'c'],
  );
});

test('keeps shards apart', async (t) => {
  const { claimed } = await createPipeline(t);
  for (const shard of [0, 1, 2]) {
    const { sender, position } = await claimed(shard);
    assert.equal(position, null);
    await sender.commit(sender.begin(), Buffer.from(`of ${shard}`), synced);
  }
  for (const shard of [2, 0, 1]) assert.equal((await claimed(shard)).position, `of ${shard}`);
});

test('aborts the open transaction of the earlier owner, whose commit is then fenced (rule 2)', async (t) => {
  const { claimed, topic, positions } = await createPipeline(t);
  const { sender: old } = await claimed();
  await old.commit(filled(old, topic, 'committed'), Buffer.from('committed'), synced);

  const reader = await openReader(t);
  const { highWatermark } = await reader.fetch(positions, 0, 0, 0);
  const log = pendingSync();
  const commit = old.commit(filled(old, topic, 'never'), Buffer.from('never'), log.promise);
  const outcome = assert.rejects(commit, (error) => {
    isCode('PRODUCER_FENCED')(error);
    return error instanceof AfterwriteError && error.recovery === 'reload';
  });
  await untilEqual(
    'position is sent',
    highWatermark + 1,
    async () => (await reader.fetch(positions, 0, 0, 0)).highWatermark,
  );

  const { sender: next, position } = await claimed();
  assert.equal(position, 'committed');
  log.resolve();
  await outcome;
  await next.commit(filled(next, topic, 'next'), Buffer.from('next'), synced);
  assert.equal((await claimed()).position, 'next');
  const found = await committedOf(reader, topic);
  assert.deepEqual(
    found.get(0)?.map(({ value }) => String(value)),
    ['committed', 'next'],
  );
});

test('fences an earlier owner before it sends anything more', async (t) => {
  const { claimed, topic } = await createPipeline(t);
  const { sender: old } = await claimed();
  const { sender: next } = await claimed();
  await assert.rejects(
    old.commit(filled(old, topic, 'never'), Buffer.from('never'), synced),
    isCode('PRODUCER_FENCED'),
  );
  await next.commit(filled(next, topic, 'next'), Buffer.from('next'), synced);
  assert.deepEqual((await committedOf(await openReader(t), topic)).get(0)?.length, 1);
});

test('finds the position behind many claims and aborted transactions', async (t) => {
  const { claimed, pipeline, positions } = await createPipeline(t);
  const { sender } = await claimed(1);
  await sender.commit(sender.begin(), Buffer.from('before'), synced);
  await sender.commit(sender.begin(), Buffer.from('the one'), synced);

  const options = { ...kafkaAt(), transactionalId: transactionalId(pipeline, 1), transactionTimeoutMs: 60_000 };
  const producer = await TransactionalProducer.open(options);
  t.after(() => producer.close());
  for (let round = 0; round < 30; round += 1) {
    const transaction = await producer.begin();
    const messages = Array.from({ length: 50 }, () => ({
      partition: 1,
      key: Buffer.from('1'),
      value: Buffer.from('aborted'),
    }));
    await producer.send(transaction, [{ topic: positions, partition: 1, messages }]);
    await transaction.abort();
  }
  for (let round = 0; round < 40; round += 1) {
    const { sender: claim, position } = await claimed(1);
    assert.equal(position, 'the one');
    await claim.close();
  }
});

test('keeps the order of each partition over many requests', async (t) => {
  const { claimed, topic } = await createPipeline(t);
  const { sender } = await claimed();
  const batch = sender.begin();
  const expected = new Map<number, string[]>();
  for (let index = 0; index < 5_000; index += 1) {
    // Partition 3 gets most: its requests are more than those of the others.
    const partition = index % 7 < 4 ? 3 : index % 3;
    batch.append(topic, partition, Buffer.from(`key ${index % 11}`), Buffer.from(String(index)));
    expected.set(partition, [...(expected.get(partition) ?? []), String(index)]);
  }
  await sender.commit(batch, Buffer.from('position'), synced);
  const found = await committedOf(await openReader(t), topic);
  const values = new Map(
    [...found].map(([partition, records]) => [partition, records.map(({ value }) => String(value))]),
  );
  assert.deepEqual(new Map([...values].sort()), new Map([...expected].sort()));
});

test('sends tombstones, headers and the time', async (t) => {
  const { claimed, topic } = await createPipeline(t);
  const { sender } = await claimed();
  const batch = sender.begin();
  const before = Date.now();
  batch.append(topic, 2, Buffer.from('key'), null, { cause: 'deleted', version: Buffer.from([0, 255]) });
  await sender.commit(batch, Buffer.from('position'), synced);
  const [record] = (await committedOf(await openReader(t), topic)).get(2) ?? [];
  assert.ok(record);
  assert.equal(record.value, null);
  assert.deepEqual(record.key, Buffer.from('key'));
  assert.deepEqual(record.headers, { cause: Buffer.from('deleted'), version: Buffer.from([0, 255]) });
  assert.ok(record.timestamp >= before && record.timestamp <= Date.now(), String(record.timestamp));
});

test('commits nothing before the state log is on disk (rule 1)', async (t) => {
  const { claimed, topic, positions } = await createPipeline(t);
  const { sender } = await claimed();
  const reader = await openReader(t);
  const { nextOffset } = await reader.fetch(positions, 0, 0, 0);
  const log = pendingSync();
  const commit = sender.commit(filled(sender, topic, 'a'), Buffer.from('position'), log.promise);
  await untilEqual(
    'position is sent',
    nextOffset + 1,
    async () => (await reader.fetch(positions, 0, 0, 0)).highWatermark,
  );
  assert.equal((await reader.fetch(positions, 0, 0, 0)).lastStableOffset, nextOffset);
  log.resolve();
  await commit;
  assert.equal((await committedOf(reader, topic)).get(0)?.length, 1);
});

test('commits nothing when the state log does not get to disk, and leaves no transaction open', async (t) => {
  const { claimed, sender: create, topic } = await createPipeline(t);
  const { sender } = await claimed();
  await sender.commit(filled(sender, topic, 'a'), Buffer.from('first'), synced);
  const full = new Error('no space left on device');
  await assert.rejects(
    sender.commit(filled(sender, topic, 'b'), Buffer.from('second'), Promise.reject(full)),
    (error) => {
      isCode('KAFKA_TRANSACTION')(error);
      assert.ok(error instanceof Error);
      assert.equal(error.cause, full);
      return true;
    },
  );
  const found = await committedOf(await openReader(t), topic);
  assert.deepEqual(
    found.get(0)?.map(({ value }) => String(value)),
    ['a'],
  );
  assert.equal(String(await create().claim()), 'first');
});

test('passes on the state log’s own error', async (t) => {
  const { claimed } = await createPipeline(t);
  const { sender } = await claimed();
  const own = new AfterwriteError('INTERNAL', 'the log has a gap');
  await assert.rejects(sender.commit(sender.begin(), Buffer.from('position'), Promise.reject(own)), own);
});

test('is dead after a failed commit: it does nothing more', async (t) => {
  const { claimed, topic } = await createPipeline(t);
  const { sender } = await claimed();
  const batch = filled(sender, topic, 'a');
  await assert.rejects(sender.commit(batch, Buffer.from('position'), Promise.reject(new Error('disk'))));
  assert.throws(() => sender.begin(), isCode('KAFKA_TRANSACTION'));
  await assert.rejects(sender.commit(batch, Buffer.from('position'), synced), isCode('KAFKA_TRANSACTION'));
  await assert.rejects(sender.claim(), isCode('KAFKA_TRANSACTION'));
  await sender.close();
  await sender.close();
});

test('takes one commit at a time, of its own batches, after its claim', async (t) => {
  const { claimed, sender: create, topic } = await createPipeline(t);
  assert.throws(() => create().begin(), isCode('INTERNAL'));
  const { sender } = await claimed();
  const log = pendingSync();
  const first = sender.commit(filled(sender, topic, 'a'), Buffer.from('first'), log.promise);
  const meanwhile = filled(sender, topic, 'b');
  const second = sender.commit(new PartitionedBatch(100), Buffer.from('second'), Promise.reject(new Error('disk')));
  await assert.rejects(second, isCode('INTERNAL'));
  log.resolve();
  await first;
  const foreign: OutgoingBatch = { records: 0, bytes: 0, append: () => undefined };
  await assert.rejects(sender.commit(foreign, Buffer.from('third'), synced), isCode('INTERNAL'));
  await sender.commit(meanwhile, Buffer.from('fourth'), synced);
  const values = (await committedOf(await openReader(t), topic)).get(0)?.map(({ value }) => String(value));
  assert.deepEqual(values, ['a', 'b']);
});

test('gives up well within the timeout of the transaction', async (t) => {
  const { claimed } = await createPipeline(t);
  const { sender } = await claimed(0, { transactionTimeoutMs: 1_000 });
  const never = new Promise<void>(() => undefined);
  await assert.rejects(sender.commit(sender.begin(), Buffer.from('never'), never), isCode('KAFKA_TRANSACTION'));
  assert.equal((await claimed()).position, null);
});

test('stops at a record that the topic does not take', async (t) => {
  const { claimed, topic } = await createPipeline(t, { settings: { 'max.message.bytes': '2000' } });
  const { sender } = await claimed();
  const batch = sender.begin();
  batch.append(topic, 0, Buffer.from('key'), Buffer.alloc(3_000));
  await assert.rejects(sender.commit(batch, Buffer.from('position'), synced), isCode('RECORD_TOO_LARGE'));
  assert.equal((await claimed()).position, null);
});

test('takes the largest record that the limit allows, and many of them', async (t) => {
  const limit = 20_000;
  const { claimed, topic } = await createPipeline(t, { settings: { 'max.message.bytes': String(limit) } });
  const { sender } = await claimed(0, { maxRecordBytes: limit });
  const batch = sender.begin();
  const key = Buffer.from('key');
  const size = limit - batchOverhead - recordBytes(key, null);
  batch.append(topic, 0, key, Buffer.alloc(size));
  for (let index = 0; index < 500; index += 1) batch.append(topic, 0, key, Buffer.alloc(size - ((index * 37) % size)));
  await sender.commit(batch, Buffer.from('position'), synced);
  assert.equal((await committedOf(await openReader(t), topic)).get(0)?.length, 501);
});

test('loses no record for a partition or a topic that does not exist: it commits nothing', async (t) => {
  const { claimed, topic } = await createPipeline(t);
  const { sender } = await claimed();
  const batch = filled(sender, topic, 'a');
  batch.append(topic, 99, Buffer.from('key'), Buffer.from('b'));
  await assert.rejects(sender.commit(batch, Buffer.from('position'), synced), isCode('TOPIC_MISSING'));
  assert.equal((await claimed()).position, null);
  assert.equal((await committedOf(await openReader(t), topic)).size, 0);
});

test('says that the positions topic is missing', async (t) => {
  const sender = createSender({ ...kafkaAt(), pipeline: uniqueName('pipeline'), shard: 0, maxRecordBytes: 1_000 });
  t.after(() => sender.close());
  await assert.rejects(sender.claim(), isCode('TOPIC_MISSING'));
});
