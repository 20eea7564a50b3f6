import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Redis } from 'ioredis';
import { person, TestPipeline } from '../support/source/pipeline.ts';
import type { TestSource } from '../support/source/source.ts';
import type { Scope } from '../support/scope.ts';
import { until } from '../support/until.ts';

const COUNT = 60;
/** Written to have the source commit; it may be evicted as well. */
const tick = { key: 'tick:{id}', fields: { n: 'n' } };

/** Hashes of a captured prefix on a server that may evict any key, and names those that it evicts, or does not. */
async function following(
  t: Scope,
  removals: Readonly<Record<string, string>>,
  names = 'Ee',
): Promise<{ pipeline: TestPipeline; client: Redis; source: TestSource }> {
  const redisArgs = ['--maxmemory-policy', 'allkeys-random', '--notify-keyspace-events', names, '--maxmemory', '1gb'];
  const pipeline = await TestPipeline.open(t, { mappings: { person: { ...person, removals }, tick } }, { redisArgs });
  const { client } = pipeline.redis;
  for (let id = 0; id < COUNT; id += 1) await client.hset(`person:${id}`, 'name', 'x'.repeat(20_000));
  const source = pipeline.start();
  await source.caughtUp();
  await sampled(source, client);
  return { pipeline, client, source };
}

/** Waits until the source has looked at the server some times more. */
async function sampled(source: TestSource, client: Redis): Promise<void> {
  const begun = Date.now();
  await until('some looks at the server', async () => {
    await client.hincrby('tick:1', 'n', 1);
    return (await source.caughtUp()).clock > begun + 300;
  });
}

/** Has the server evict some of the hashes, but not all; returns the ids of those that are left. */
async function evict(client: Redis): Promise<Set<string>> {
  const used = Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1]);
  await client.config('SET', 'maxmemory', used - 200_000);
  await until('some evictions', async () => (await evicted(client)) > 0);
  await client.config('SET', 'maxmemory', '1gb');
  const keys = await client.keys('person:*');
  assert.ok(keys.length > 0 && keys.length < COUNT, `${keys.length} of ${COUNT} are left`);
  return new Set(keys.map((key) => key.slice('person:'.length)));
}

async function evicted(client: Redis): Promise<number> {
  return Number(/^evicted_keys:(\d+)/m.exec(await client.info('stats'))?.[1]);
}

/** The marks of `person`, by key. */
async function marksOf(pipeline: TestPipeline): Promise<Record<string, string>> {
  return Object.fromEntries(Object.entries(await pipeline.marks()).filter(([key]) => key.startsWith('0:person:')));
}

test('rule 5: rows of keys that maxmemory evicts go as `evicted`, where the policy says so, and deletes as `deleted`', async (t) => {
  const { pipeline, client, source } = await following(t, { evicted: 'delete', deleted: 'delete', ambiguous: 'keep' });
  const left = await evict(client);
  const [first = ''] = left;
  await client.del(`person:${first}`);
  left.delete(first);
  await source.caughtUp();
  assert.deepEqual(new Set(Object.keys(await pipeline.rows())), left);
  const gone = COUNT - left.size - 1;
  assert.equal(await source.count('removals_total', 'mapping="person",cause="evicted",policy="delete"'), gone);
  assert.equal(await source.count('removals_total', 'mapping="person",cause="deleted",policy="delete"'), 1);
  assert.equal(await source.count('removals_total', 'mapping="person",cause="ambiguous",policy="keep"'), 0);
  const causes = (await pipeline.history()).flatMap(({ event, headers }) => (event === null ? [headers.cause] : []));
  assert.equal(causes.filter((cause) => cause === 'evicted').length, gone);
});

test('rule 5: the row of an evicted key is kept by default, is marked, and goes on when the key is back', async (t) => {
  const { pipeline, client, source } = await following(t, {});
  const left = await evict(client);
  await source.caughtUp();
  assert.equal(Object.keys(await pipeline.rows()).length, COUNT);
  const marks = await marksOf(pipeline);
  assert.equal(Object.keys(marks).length, COUNT - left.size);
  assert.deepEqual([...new Set(Object.values(marks))], ['{"v":1,"mapping":"person","kept":"evicted"}']);
  const [back = ''] = Object.keys(marks);
  await client.hset(back.slice('0:'.length), 'name', 'back');
  await source.caughtUp();
  assert.equal((await pipeline.rows())[back.slice('0:person:'.length)], 'back,null');
  assert.equal(Object.keys(await marksOf(pipeline)).length, COUNT - left.size - 1);
});

test('rule 5: where the server does not name what it evicts, removals of that time are `ambiguous`, and others are not', async (t) => {
  const { pipeline, client, source } = await following(t, { evicted: 'delete', ambiguous: 'keep' }, '');
  const left = await evict(client);
  await source.caughtUp();
  assert.equal(Object.keys(await pipeline.rows()).length, COUNT);
  const marks = Object.values(await marksOf(pipeline));
  assert.equal(marks.length, COUNT - left.size);
  assert.deepEqual([...new Set(marks)], ['{"v":1,"mapping":"person","kept":"ambiguous"}']);
  await until('a warning', () => source.lines.some(({ msg }) => String(msg).includes('notify-keyspace-events')));
  const [first = ''] = left;
  // A look between the evictions and the delete proves it.
  await sampled(source, client);
  await client.del(`person:${first}`);
  await source.caughtUp();
  assert.equal((await pipeline.rows())[first], undefined);
});
