import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Redis } from 'ioredis';
import { person, TestPipeline } from '../support/source/pipeline.ts';
import { PART } from '../support/source/source.ts';
import type { Scope } from '../support/scope.ts';

/** Four hashes that were published, and a source that was stopped after that. */
async function published(t: Scope, redisArgs: readonly string[] = []): Promise<TestPipeline> {
  const pipeline = await TestPipeline.open(t, {}, { redisArgs });
  await fill(pipeline.redis.client);
  const source = pipeline.start();
  await source.caughtUp();
  await source.stop();
  assert.equal((await pipeline.events()).length, 4);
  return pipeline;
}

async function fill(client: Redis): Promise<void> {
  for (const id of ['same', 'changed', 'gone', 'string']) await client.hset(`person:${id}`, 'name', id, 'age', 1);
}

async function change(client: Redis): Promise<void> {
  await client.hset('person:same', 'unmapped', 'x', 'age', 2);
  await client.hset('person:same', 'age', 1);
  await client.hset('person:changed', 'age', 2);
  await client.del('person:gone');
  await client.set('person:string', 'is no hash any more');
  await client.hset('person:new', 'name', 'new');
  await client.hset('person:short', 'name', 'short-lived');
  await client.del('person:short');
}

/** What a full resync has to tell of that. */
const differences = ['d gone vanished', 'd string vanished', 'r new new,null SNAPSHOT', 'u changed changed,2 SNAPSHOT'];

async function tellsDifferencesOnly(pipeline: TestPipeline): Promise<void> {
  const source = pipeline.start();
  await source.caughtUp();
  assert.deepEqual(await source.links(), { continued: 0, full: 1 });
  assert.deepEqual((await pipeline.told('person', 4)).sort(), differences);
  await source.stop();
  const next = pipeline.start();
  await next.caughtUp();
  assert.deepEqual(await next.links(), { continued: 1, full: 0 });
  await pipeline.redis.client.hincrby('person:same', 'age', 1);
  await next.caughtUp();
  assert.deepEqual(await pipeline.told('person', 8), ['u same same,2 HINCRBY']);
}

test('rule 4: when the backlog does not reach back, a full resync tells exactly the differences', async (t) => {
  const pipeline = await published(t, ['--repl-backlog-size', '16kb']);
  const { client } = pipeline.redis;
  await change(client);
  for (let i = 0; i < 40; i++) await client.set('other', 'x'.repeat(1000));
  await tellsDifferencesOnly(pipeline);
});

test('rule 4: when the stream is another one, a full resync tells exactly the differences', async (t) => {
  const pipeline = await published(t);
  const { client } = pipeline.redis;
  await change(client);
  await client.call('DEBUG', 'CHANGE-REPL-ID');
  await tellsDifferencesOnly(pipeline);
});

test('rule 4: a server that came back with another dataset tells exactly the differences', async (t) => {
  const pipeline = await published(t);
  await pipeline.redis.server.kill();
  await pipeline.redis.server.start();
  await fill(pipeline.redis.client);
  await change(pipeline.redis.client);
  await tellsDifferencesOnly(pipeline);
});

test('rule 4: a link that lost its stream while the source runs is resynced by itself', async (t) => {
  const pipeline = await TestPipeline.open(t);
  const { client } = pipeline.redis;
  await fill(client);
  const source = pipeline.start();
  await source.caughtUp();
  await change(client);
  await source.caughtUp();
  const before = (await pipeline.events()).length;
  // The changed id reaches the source with its next link only.
  await client.call('DEBUG', 'CHANGE-REPL-ID');
  await client.client('KILL', 'TYPE', 'replica');
  await client.hset('person:same', 'age', 9);
  await source.caughtUp();
  assert.deepEqual(await source.links(), { continued: 0, full: 2 });
  const told = await pipeline.told('person', before);
  assert.equal(told.length, 1);
  assert.match(told[0] ?? '', /^u same same,9 /);
});

test('rule 4: an emptied Redis stops the source and deletes nothing, until a person has confirmed', async (t) => {
  const pipeline = await published(t);
  const { client, server } = pipeline.redis;
  await server.kill();
  await server.start();
  const stopped = pipeline.start();
  const { code, message } = await stopped.failed();
  assert.equal(code, 'VANISHED_BREAKER');
  assert.match(message, /no captured hash at all, but 4 rows were published.*--confirm-vanished 4/s);
  const { ok, details } = stopped.worker.health()[PART] ?? {};
  assert.deepEqual([ok, details?.['state']], [false, 'failed']);
  const tooFew = pipeline.start({}, { confirmed: 3 });
  assert.equal((await tooFew.failed()).code, 'VANISHED_BREAKER');
  assert.equal((await pipeline.events()).length, 4);
  const confirmed = pipeline.start({}, { confirmed: 4 });
  await confirmed.caughtUp();
  assert.deepEqual((await pipeline.told('person', 4)).sort(), [
    'd changed vanished',
    'd gone vanished',
    'd same vanished',
    'd string vanished',
  ]);
  await client.hset('person:same', 'name', 'again');
  await confirmed.caughtUp();
  assert.deepEqual(await pipeline.told('person', 8), ['c same again,null HSET']);
});

test('rule 4: a breaker that fired lets a server that has its data back go on', async (t) => {
  const pipeline = await published(t);
  const { client, server } = pipeline.redis;
  await server.kill();
  await server.start();
  assert.equal((await pipeline.start().failed()).code, 'VANISHED_BREAKER');
  await fill(client);
  await change(client);
  await tellsDifferencesOnly(pipeline);
});

test('rule 3: what a policy kept stays kept over a full resync, and its key is told anew only if it differs', async (t) => {
  const kept = { ...person, removals: { deleted: 'keep' } };
  const pipeline = await TestPipeline.open(t, { mappings: { person: kept } });
  const { client } = pipeline.redis;
  await fill(client);
  const source = pipeline.start();
  await source.caughtUp();
  await client.del('person:gone', 'person:changed', 'person:same');
  await source.caughtUp();
  await source.stop();
  assert.deepEqual(Object.keys(await pipeline.marks()).sort(), ['0:person:changed', '0:person:gone', '0:person:same']);
  await client.hset('person:changed', 'name', 'back', 'age', 7);
  await client.hset('person:same', 'name', 'same', 'age', 1);
  await client.call('DEBUG', 'CHANGE-REPL-ID');
  const next = pipeline.start();
  await next.caughtUp();
  assert.deepEqual(await pipeline.told('person', 4), ['u changed back,7 SNAPSHOT']);
  assert.deepEqual(await pipeline.marks(), { '0:person:gone': '{"v":1,"mapping":"person","kept":"deleted"}' });
});
