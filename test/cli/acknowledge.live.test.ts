import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createDatabase } from '../support/sink/database.ts';
import { createWorker } from '../support/sink/worker.ts';
import { person, TestPipeline } from '../support/source/pipeline.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

/** Waits as a client does, until so many have told it of its command. @returns who said what */
async function told({ client }: TestRedis, stream: string, count: number): Promise<string[]> {
  const found: string[] = [];
  const deadline = performance.now() + 60_000;
  const waiting = client.duplicate();
  try {
    for (let last = '0-0'; found.length < count && performance.now() < deadline;) {
      const read = await waiting.xread('BLOCK', 1000, 'STREAMS', stream, last);
      for (const [id, [, status, , sink]] of read?.[0]?.[1] ?? []) {
        found.push(`${String(sink)} ${String(status)}`);
        last = id;
      }
    }
    return found.sort();
  } finally {
    waiting.disconnect();
  }
}

test('rule 22: a client that waits for its id is told by each sink, when the rows are there', async (t) => {
  const database = await createDatabase(t);
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-trial-'));
  t.after(() => rm(folder, { recursive: true }));
  const pipeline = await TestPipeline.open(t, {
    mappings: { person: { ...person, operations: true, acknowledge: ['warehouse', 'trial'] } },
    sinks: {
      warehouse: { ...database.sinkOptions, create: true },
      trial: { kind: 'sqlite', path: join(folder, 'trial.db'), create: true },
    },
  });
  const { redis } = pipeline;
  await pipeline.start().caughtUp();
  for (const sink of ['warehouse', 'trial']) await createWorker(t, pipeline.config(), { sink }).worker.start();
  const both = ['trial done', 'warehouse done'];
  const rows = () => database.rows('SELECT id, name, age FROM $schema.person ORDER BY id');

  await redis.client.hset('person:5', '#', '=one', 'name', 'Ann', 'age', '1');
  assert.deepEqual(await told(redis, '{person:5}one', 2), both);
  assert.deepEqual(await rows(), [{ id: '5', name: 'Ann', age: 1 }]);

  const transaction = redis.client.multi();
  for (const [id, age] of [
    ['two', '2'],
    ['three', '3'],
    ['four', '3'],
  ] as const) {
    transaction.hset('person:5', '#', `=${id}`, 'age', age);
  }
  await transaction.exec();
  for (const id of ['two', 'three', 'four']) assert.deepEqual(await told(redis, `{person:5}${id}`, 2), both, id);
  assert.deepEqual(await rows(), [{ id: '5', name: 'Ann', age: 3 }]);

  // The database does not take it; the other one does.
  await redis.client.hset('person:6', '#', '=five', 'name', 'a\0b');
  assert.deepEqual(await told(redis, '{person:6}five', 2), ['trial done', 'warehouse failed']);
  await redis.client.hset('person:5', '#', '~six');
  assert.deepEqual(await told(redis, '{person:5}six', 2), both);
  assert.deepEqual(await rows(), []);
});

test('rule 22: a sink that keeps every event in a Redis stream tells of each, when the entry is there', async (t) => {
  const feed = await startRedis(t);
  const pipeline = await TestPipeline.open(t, {
    mappings: { person: { ...person, operations: true, acknowledge: ['feed'] } },
    sinks: { feed: { kind: 'redis-stream', url: feed.url, create: true } },
  });
  const { redis } = pipeline;
  await pipeline.start().caughtUp();
  await createWorker(t, pipeline.config(), { sink: 'feed' }).worker.start();
  const entries = (): Promise<number> => feed.client.xlen('person');

  await redis.client.hset('person:5', '#', '=one', 'name', 'Ann', 'age', '1');
  assert.deepEqual(await told(redis, '{person:5}one', 1), ['feed done']);
  assert.equal(await entries(), 1, 'the entry is there when the client is told');

  const transaction = redis.client.multi();
  for (const id of ['two', 'three']) transaction.hset('person:5', '#', `=${id}`, 'age', '2');
  await transaction.exec();
  for (const id of ['two', 'three']) assert.deepEqual(await told(redis, `{person:5}${id}`, 1), ['feed done'], id);
  assert.equal(await entries(), 3, 'one for each id, also where the row is the same');
  await redis.client.hset('person:5', '#', '~four');
  assert.deepEqual(await told(redis, '{person:5}four', 1), ['feed done']);
  assert.equal(await entries(), 4);
  for (const id of ['one', 'two', 'three', 'four']) {
    assert.equal(await redis.client.xlen(`{person:5}${id}`), 1, `${id} is told once`);
  }
});
