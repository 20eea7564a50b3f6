import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { Random, seedOfTest } from '../support/random.ts';
import { startRelay, type Relay } from '../support/relay.ts';
import type { Scope } from '../support/scope.ts';
import { person, TestPipeline } from '../support/source/pipeline.ts';
import type { TestSource } from '../support/source/source.ts';
import { until, untilEqual } from '../support/until.ts';

test('rule 6: RENAME and COPY from a key that is not captured are read beside the stream, without a resync', async (t) => {
  const pipeline = await TestPipeline.open(t);
  const { client } = pipeline.redis;
  await client.hset('person:1', 'name', 'Ann');
  await client.hset('draft:1', 'name', 'from outside', 'age', 7);
  await client.set('draft:text', 'no hash');
  const source = pipeline.start();
  await source.caughtUp();
  await client.call('COPY', 'draft:1', 'person:2');
  await client.hincrby('person:2', 'age', 1);
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), { 1: 'Ann,null', 2: 'from outside,8' });
  await client.rename('draft:1', 'person:1');
  await client.hset('person:1', 'name', 'later');
  await client.call('COPY', 'draft:text', 'person:2', 'REPLACE');
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), { 1: 'later,7' });
  assert.deepEqual(await source.links(), { continued: 0, full: 1 });
});

test('rule 6: what leaves a key while it is read is read as well, and the expiry comes along', async (t) => {
  const pipeline = await TestPipeline.open(t, {
    mappings: { person, late: { key: 'late:{id}', fields: { name: 'name' } } },
  });
  const { client } = pipeline.redis;
  const source = pipeline.start();
  await source.caughtUp();
  await client.hset('draft:1', 'name', 'moved', 'age', 1);
  await client.hset('draft:2', 'name', 'short');
  await client.pexpire('draft:2', 1500);
  // In one transaction, so that the second rename follows before the first key can have been read.
  await client
    .multi()
    .rename('draft:1', 'person:1')
    .rename('person:1', 'person:2')
    .hincrby('person:2', 'age', 1)
    .exec();
  await client.rename('draft:2', 'late:1');
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), { 2: 'moved,2' });
  assert.deepEqual(await pipeline.rows('late'), { 1: 'short' });
  await until('the key to expire', async () => (await client.exists('late:1')) === 0);
  await source.caughtUp();
  // An expired row is kept: the TTL was known, though no command of the stream had said it.
  assert.deepEqual(await pipeline.rows('late'), { 1: 'short' });
  assert.deepEqual(Object.values(await pipeline.marks()).length, 1);
  assert.deepEqual(await source.links(), { continued: 0, full: 1 });
});

test('rule 6: under concurrent writes each row ends as its hash, no event twice, no resync', async (t) => {
  const seed = seedOfTest();
  t.diagnostic(`AFTERWRITE_SEED=${seed}`);
  const random = new Random(seed);
  const pipeline = await TestPipeline.open(t);
  const { client } = pipeline.redis;
  const key = (): string => `person:${random.between(1, 30)}`;
  const clients = [1, 2, 3].map(() => client.duplicate());
  t.after(() => {
    for (const one of clients) one.disconnect();
  });
  const disturbAll = async (steps: number): Promise<void> => {
    const writers = clients.map(async (one, index) => {
      for (let step = 0; step < steps; step += 1) await disturb(one, random, `draft:${index}:${step % 7}`, key);
    });
    await Promise.all(writers);
  };
  const before = pipeline.start();
  await before.caughtUp();
  await before.stop();
  // All of these come before the offset of the first read: what is said of a held key must neither count nor be lost.
  await disturbAll(150);
  const source = pipeline.start();
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), await hashesAsRows(client));
  await disturbAll(500);
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), await hashesAsRows(client));
  assert.deepEqual(await source.links(), { continued: 1, full: 0 });
});

/** One of the commands that a held key may meet. */
async function disturb(client: Redis, random: Random, draft: string, key: () => string): Promise<void> {
  const choice = random.between(1, 20);
  if (choice <= 3) await client.hset(draft, 'name', draft, 'age', random.between(0, 9));
  else if (choice === 4) await client.call('COPY', draft, key(), 'REPLACE');
  else if (choice === 5) await client.rename(draft, key()).catch(() => undefined);
  else if (choice <= 10) await client.hincrby(key(), 'age', 1);
  else if (choice <= 14) await client.rename(key(), key()).catch(() => undefined);
  else if (choice <= 18) await client.call('COPY', key(), key(), 'REPLACE').catch(() => undefined);
  else await client.del(key());
}

async function hashesAsRows(client: Redis): Promise<Record<string, string>> {
  const rows: Record<string, string> = {};
  for (const key of await client.keys('person:*')) {
    const { name = null, age = null } = await client.hgetall(key);
    rows[key.slice('person:'.length)] = `${name},${age}`;
  }
  return rows;
}

/** Holds the stream behind a RENAME from outside until the key is read, which is behind what follows it. */
async function whileHeld(t: Scope): Promise<{ pipeline: TestPipeline; source: TestSource; relay: Relay }> {
  const pipeline = await TestPipeline.open(t);
  const { client, port } = pipeline.redis;
  const relay = await startRelay(t, port);
  await client.hset('draft:1', 'name', 'from outside', 'age', 1);
  const source = pipeline.start({ source: { url: `redis://127.0.0.1:${relay.port}` } });
  await source.caughtUp();
  const held = relay.holdAfter('person:held\r\n');
  await client
    .pipeline()
    .rename('draft:1', 'person:held')
    .hincrby('person:held', 'age', 1)
    .hset('person:other', 'name', 'Ann')
    .exec();
  await held;
  await untilEqual('keys that were read', 1, () => source.count('key_reads_total'));
  return { pipeline, source, relay };
}

test('rule 6: a key that was read outlives the link; the next one goes on, and the key is neither lost nor told twice', async (t) => {
  const { pipeline, source, relay } = await whileHeld(t);
  relay.cut();
  await source.caughtUp();
  assert.deepEqual(await pipeline.told(), ['c other Ann,null HSET', 'c held from outside,2 RENAME']);
  assert.deepEqual(await source.links(), { continued: 1, full: 1 });
  await pipeline.redis.client.hincrby('person:held', 'age', 1);
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), { held: 'from outside,3', other: 'Ann,null' });
});

test('rule 6: a key that was read on the stream before a promotion is read again after it', async (t) => {
  const { pipeline, source, relay } = await whileHeld(t);
  const { client } = pipeline.redis;
  // The server takes a new replid, and goes on in the stream of the old one.
  await client.replicaof('127.0.0.1', 1);
  await client.replicaof('NO', 'ONE');
  relay.cut();
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), { held: 'from outside,2', other: 'Ann,null' });
  assert.equal((await pipeline.events()).length, 2, 'no event twice');
  assert.equal(await source.count('key_reads_total'), 2);
  assert.deepEqual(await source.links(), { continued: 1, full: 1 });
});

test('rule 6: while keys come from outside without end positions are committed, and a kill -9 loses and doubles nothing', async (t) => {
  // What comes while no source runs.
  const pipeline = await TestPipeline.open(t, {}, { redisArgs: ['--repl-backlog-size', '64mb'] });
  const { client } = pipeline.redis;
  const source = await pipeline.process();
  source.start();
  await pipeline.caughtUp();
  const clients = [1, 2].map(() => client.duplicate());
  let renamed = 0;
  let ends = false;
  const renames = clients.map(async (one, index) => {
    while (!ends) {
      renamed++;
      await one
        .pipeline()
        .hset(`draft:${index}`, 'name', `n${renamed}`, 'age', renamed)
        .rename(`draft:${index}`, `person:${renamed % 50}`)
        .hincrby(`person:${(renamed * 7) % 50}`, 'age', 1)
        .exec();
      await pause(1);
    }
  });
  const stop = async (): Promise<void> => {
    ends = true;
    await Promise.all(renames);
    for (const one of clients) one.disconnect();
  };
  // How far a position is that names held keys: of the next one, once it is behind `from`.
  const holding = (from: number): Promise<number> =>
    until(`a position behind ${from} while keys are held back`, async () => {
      const { offset = 0, held = [] } = (await pipeline.position()) ?? {};
      return offset > from && held.length > 0 ? offset : undefined;
    });
  try {
    const first = await holding(0);
    await holding(first);
    await source.kill();
    const last = (await pipeline.position())?.offset ?? 0;
    source.start();
    await holding(last);
  } finally {
    // Before their server ends.
    await stop();
  }
  await pipeline.caughtUp();
  assert.deepEqual(await pipeline.rows(), await hashesAsRows(client));
  assert.deepEqual(source.printed().match(/"msg":"(full resync|the stream goes on)"/g), [
    '"msg":"full resync"',
    '"msg":"the stream goes on"',
  ]);
});

test('rule 6: a key that the user may not read leads to a full resync, whose reason names the right', async (t) => {
  const pipeline = await TestPipeline.open(t);
  const { client, url } = pipeline.redis;
  await client.call('ACL', 'SETUSER', 'follower', 'on', '>secret', '+psync', '+replconf', '+ping');
  const source = pipeline.start({ source: { url: url.replace('redis://', 'redis://follower:secret@') } });
  await source.caughtUp();
  await client.hset('draft:1', 'name', 'from outside');
  await client.rename('draft:1', 'person:1');
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), { 1: 'from outside,null' });
  assert.deepEqual(await source.links(), { continued: 0, full: 2 });
  const reasons = source.lines.map(({ reason }) => String(reason));
  assert.ok(
    reasons.some((reason) =>
      /RENAME from a key that is not captured, and it cannot be read: .*REDIS_NO_PERMISSION/.test(reason),
    ),
    reasons.join('\n'),
  );
});

test('rule 6: a MULTI with a RENAME from outside loses nothing of what stands before and behind it', async (t) => {
  const pipeline = await TestPipeline.open(t);
  const { client } = pipeline.redis;
  const source = pipeline.start();
  await source.caughtUp();
  await client.hset('draft:1', 'name', 'from outside');
  await client
    .multi()
    .hset('person:a', 'name', 'before')
    .rename('draft:1', 'person:b')
    .hset('person:c', 'name', 'behind')
    .exec();
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), { a: 'before,null', b: 'from outside,null', c: 'behind,null' });
  await client.hincrby('person:b', 'age', 1);
  await source.caughtUp();
  assert.equal((await pipeline.rows())['b'], 'from outside,1');
});

test('rule 6: what goes out of the captured keys, or stays outside, needs no resync', async (t) => {
  const pipeline = await TestPipeline.open(t);
  const { client } = pipeline.redis;
  await client.hset('person:1', 'name', 'Ann');
  const source = pipeline.start();
  await source.caughtUp();
  await client.rename('person:1', 'draft:1');
  await client.rename('draft:1', 'draft:2');
  await client.call('COPY', 'draft:2', 'draft:3');
  await source.caughtUp();
  assert.deepEqual(await source.links(), { continued: 0, full: 1 });
  assert.deepEqual(await pipeline.told(), ['r 1 Ann,null SNAPSHOT', 'd 1 deleted']);
});
