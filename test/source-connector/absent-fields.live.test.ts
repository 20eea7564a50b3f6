import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { person, TestPipeline, type ConfigParts } from '../support/source/pipeline.ts';
import type { TestSource } from '../support/source/source.ts';
import type { Scope } from '../support/scope.ts';

/** Rows of deleted hashes are kept, since a delete is what a test can do at once. */
const keeping = { ...person, removals: { deleted: 'keep', vanished: 'keep' } };
const withPolicy = (absentFields: string | null): ConfigParts => ({
  mappings: { person: { ...keeping, absentFields } },
});

/** A row whose hash went away, and which was kept. */
async function kept(t: Scope, absentFields: string | null): Promise<{ pipeline: TestPipeline; source: TestSource }> {
  const pipeline = await TestPipeline.open(t, withPolicy(absentFields));
  const { client } = pipeline.redis;
  const source = pipeline.start();
  await source.caughtUp();
  await client.hset('person:1', 'name', 'Ann', 'age', 30, 'unmapped', 'x');
  await client.del('person:1');
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), { 1: 'Ann,30' });
  return { pipeline, source };
}

for (const spelled of ['null', null]) {
  test(`absentFields: ${JSON.stringify(spelled)}: what the hash of a kept row lacks when it is back is null`, async (t) => {
    const { pipeline, source } = await kept(t, spelled);
    assert.deepEqual(await pipeline.marks(), { '0:person:1': '{"v":1,"mapping":"person","kept":"deleted"}' });
    await pipeline.redis.client.hset('person:1', 'age', 31);
    await source.caughtUp();
    assert.deepEqual(await pipeline.told(), ['c 1 Ann,30 HSET', 'u 1 null,31 HSET']);
    assert.deepEqual(await pipeline.marks(), {});
  });
}

test('absentFields: keep: what the hash of a kept row lacks when it is back keeps its value, until it is there again', async (t) => {
  const { pipeline, source } = await kept(t, 'keep');
  const { client } = pipeline.redis;
  await client.hset('person:1', 'age', 31);
  await client.hset('person:1', 'age', 32);
  // Its last field: the hash goes, and comes again as it did before.
  await client.hdel('person:1', 'age');
  await client.hset('person:1', 'age', 33, 'unmapped', 'y');
  await client.hset('person:1', 'name', 'Bob');
  // A field that the hash had again is null when it is removed.
  await client.hdel('person:1', 'name');
  await client.hset('person:new', 'age', 1);
  await source.caughtUp();
  assert.deepEqual(await pipeline.told(), [
    'c 1 Ann,30 HSET',
    'u 1 Ann,31 HSET',
    'u 1 Ann,32 HSET',
    'u 1 Ann,33 HSET',
    'u 1 Bob,33 HSET',
    'u 1 null,33 HDEL',
    'c new null,1 HSET',
  ]);
  assert.deepEqual(await pipeline.marks(), {});
});

test('absentFields: keep: a hash that is rejected when it is back has the values of its row once it is one', async (t) => {
  const { pipeline, source } = await kept(t, 'keep');
  const { client } = pipeline.redis;
  await client.hset('person:1', 'age', 'no number');
  await client.hset('person:1', 'age', 40);
  await client.hset('person:1', 'age', 'no number again');
  await client.del('person:1');
  await client.hset('person:1', 'unmapped', 'x');
  await source.caughtUp();
  assert.deepEqual(await pipeline.told(), ['c 1 Ann,30 HSET', 'u 1 Ann,40 HSET']);
  assert.equal((await pipeline.deadLetters()).length, 2);
  await client.hset('person:1', 'age', 41);
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), { 1: 'Ann,41' });
});

test('absentFields: keep outlives a lost state and a full resync, and nothing is told twice', async (t) => {
  const { pipeline, source } = await kept(t, 'keep');
  const { client } = pipeline.redis;
  await client.hset('person:1', 'age', 31);
  await client.hset('person:2', 'name', 'Cy', 'age', 2);
  await client.del('person:2');
  await source.caughtUp();
  await source.stop();
  const told = await pipeline.told();
  await rm(join(pipeline.folder, 'state'), { recursive: true });
  const next = pipeline.start();
  await next.caughtUp();
  assert.deepEqual(await next.links(), { continued: 0, full: 1 });
  assert.deepEqual(await pipeline.told(), told);
  await client.hset('person:1', 'age', 32);
  await client.hset('person:2', 'age', 3);
  await next.caughtUp();
  assert.deepEqual(await pipeline.rows(), { 1: 'Ann,32', 2: 'Cy,3' });
});

test('absentFields: keep: a row that is deleted has nothing to keep', async (t) => {
  const deleting = { ...person, removals: { deleted: 'delete', flushed: 'keep' }, absentFields: 'keep' };
  const pipeline = await TestPipeline.open(t, { mappings: { person: deleting } });
  const { client } = pipeline.redis;
  const source = pipeline.start();
  await source.caughtUp();
  await client.hset('person:1', 'name', 'Ann', 'age', 30);
  await client.flushall();
  await client.hset('person:1', 'age', 31);
  await client.del('person:1');
  await client.hset('person:1', 'age', 32);
  await source.caughtUp();
  assert.deepEqual(await pipeline.told(), ['c 1 Ann,30 HSET', 'u 1 Ann,31 HSET', 'd 1 deleted', 'c 1 null,32 HSET']);
  assert.deepEqual(await pipeline.marks(), {});
});
