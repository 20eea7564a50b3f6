import assert from 'node:assert/strict';
import { cp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readTopicToEnd, TransactionalProducer } from '../../clients/kafka/index.ts';
import { kafkaAt, openReader } from '../support/kafka.ts';
import { uniqueName } from '../support/names.ts';
import { person, TestPipeline } from '../support/source/pipeline.ts';
import type { Scope } from '../support/scope.ts';

/** Every type whose bytes a rebuilt row must have again. */
const mapping = {
  ...person,
  fields: { ...person.fields, big: { type: 'long' }, score: { type: 'double' }, born: { type: 'timestamp' } },
  removals: { expired: 'delete', flushed: 'keep' },
};

/** Longs beyond what the decoder of these tests reads, but not beyond what a rebuilt state has to hold. */
const far = { key: 'far:{id}', fields: { big: { type: 'long' } } };

const state = (pipeline: TestPipeline): string => join(pipeline.folder, 'state');

/** Rows of every kind: published, deleted, kept by policy, rejected with a row and without one. */
async function published(t: Scope): Promise<TestPipeline> {
  const pipeline = await TestPipeline.open(t, { mappings: { person: mapping, far } });
  const { client } = pipeline.redis;
  await client.hset('person:kept', 'name', 'kept', 'age', 1);
  const source = pipeline.start();
  await source.caughtUp();
  await client.flushall();
  const all = { name: 'Ann', big: '-900719925474099', score: '0.1', born: '2024-01-02T03:04:05.678901Z', age: '1' };
  for (const id of ['same', 'changed', 'gone', 'deleted', 'bad']) await client.hset(`person:${id}`, all);
  await client.hset('far:1', 'big', '9223372036854775807');
  await client.del('person:deleted');
  await client.hset('person:bad', 'age', 'no number');
  await client.hset('person:worse', 'age', 'no number');
  await source.caughtUp();
  await source.stop();
  assert.equal((await pipeline.deadLetters()).length, 2);
  assert.equal((await pipeline.events()).length, 7);
  return pipeline;
}

async function change({ redis: { client } }: TestPipeline): Promise<void> {
  await client.hset('person:changed', 'age', 2);
  await client.del('person:gone');
  await client.hset('person:new', 'name', 'new');
}

const ann = (age: string): string => `Ann,${age},-900719925474099,0.1,1704164645678901`;

async function tellsDifferencesOnly(pipeline: TestPipeline): Promise<void> {
  const source = pipeline.start();
  await source.caughtUp();
  assert.deepEqual(source.codes(), ['STATE_LOST']);
  assert.deepEqual(await source.links(), { continued: 0, full: 1 });
  assert.deepEqual((await pipeline.told('person', 7)).sort(), [
    'd gone vanished',
    'r new new,null,null,null,null SNAPSHOT',
    `u changed ${ann('2')} SNAPSHOT`,
  ]);
  assert.equal(await source.count('events_total', 'mapping="far",op="u"'), 0);
  assert.equal((await pipeline.deadLetters()).length, 2, 'what was rejected is not told again');
  const { client } = pipeline.redis;
  await client.hset('person:kept', 'name', 'kept', 'age', 1);
  await client.hset('person:bad', 'age', 5);
  await client.del('person:worse');
  await source.caughtUp();
  assert.deepEqual(await pipeline.told('person', 10), [`u bad ${ann('5')} HSET`]);
  assert.deepEqual(await pipeline.marks(), {});
  await source.stop();
  const next = pipeline.start();
  await next.caughtUp();
  assert.deepEqual(await next.links(), { continued: 1, full: 0 });
  assert.equal((await pipeline.events()).length, 11);
}

test('rule 1: a lost state folder is rebuilt from topics and marks, and only differences are told', async (t) => {
  const pipeline = await published(t);
  await change(pipeline);
  await rm(state(pipeline), { recursive: true });
  await tellsDifferencesOnly(pipeline);
});

test('rule 16: a rebuilt state holds nothing of two interleaved transactions that were aborted', async (t) => {
  const pipeline = await published(t);
  const { topic } = pipeline.config().mappings['person'] ?? {};
  assert.ok(topic !== undefined);
  // The event that made a row which is gone since: to believe it again would make the row come back.
  const made: { key: Buffer; value: Buffer; partition: number }[] = [];
  await readTopicToEnd(await openReader(t), topic, ({ key, value }, partition) => {
    if (key !== null && value?.includes('person:deleted') === true) made.push({ key, value, partition });
  });
  const [event] = made;
  assert.ok(event !== undefined);
  const { partition } = event;
  const part = { topic, partition, messages: [event] };
  const open = async () => {
    const options = { ...kafkaAt(), transactionalId: uniqueName('id'), transactionTimeoutMs: 60_000 };
    const producer = await TransactionalProducer.open(options);
    t.after(() => producer.close());
    return { producer, transaction: await producer.begin() };
  };
  const one = await open();
  const two = await open();
  for (const { producer, transaction } of [one, two, one, two]) await producer.send(transaction, [part]);
  await two.transaction.abort();
  await one.transaction.abort();
  await change(pipeline);
  await rm(state(pipeline), { recursive: true });
  await tellsDifferencesOnly(pipeline);
});

test('rule 1: an old copy of the state folder is not believed', async (t) => {
  const pipeline = await published(t);
  const copy = join(pipeline.folder, 'copy');
  const { client } = pipeline.redis;
  const source = pipeline.start();
  await source.caughtUp();
  // The lock goes with its process and is no part of the copy.
  const isData = (path: string): boolean => !/lock-\d+$/.test(path);
  await cp(state(pipeline), copy, { recursive: true, filter: isData });
  await client.hset('person:same', 'unmapped', 'x');
  await client.hset('person:deleted', 'age', 1);
  await client.del('person:deleted');
  await source.caughtUp();
  await source.stop();
  await rm(state(pipeline), { recursive: true });
  await cp(copy, state(pipeline), { recursive: true });
  const next = pipeline.start();
  await next.caughtUp();
  assert.deepEqual(next.codes(), ['STATE_LOST']);
  assert.equal((await pipeline.events()).length, 9);
  assert.equal((await pipeline.deadLetters()).length, 2);
  assert.ok(
    (await readdir(state(pipeline))).some((name) => name.startsWith('void-')),
    'the other one is kept aside',
  );
});

test('rule 1: the state folder of another pipeline is refused, and left as it is', async (t) => {
  const pipeline = await published(t);
  const stranger = await TestPipeline.open(t, {}, { redis: pipeline.redis });
  const settings = { source: { state: state(pipeline) } };
  const { code, message } = await stranger.start(settings).failed();
  assert.equal(code, 'STATE_FOREIGN');
  assert.match(message, /state folder/);
  assert.equal(await stranger.position(), undefined);
  const source = pipeline.start();
  await source.caughtUp();
  assert.deepEqual(source.codes(), []);
  assert.deepEqual(await source.links(), { continued: 1, full: 0 });
});
