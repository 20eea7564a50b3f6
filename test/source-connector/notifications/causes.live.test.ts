import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../support/until.ts';
import { follows, openKeyEvents, rowsBecome } from '../../support/source/key-events.ts';
import type { TestPipeline } from '../../support/source/pipeline.ts';
import type { TestSource } from '../../support/source/source.ts';
import { allDelete } from '../../support/removals.ts';

const KEEP_ALL = Object.fromEntries(Object.keys(allDelete).map((cause) => [cause, 'keep']));

/** What a test does to a hash `person:<id>`, and what has to come of it: the cause of its end, or its row. */
type Deed = readonly [command: readonly (string | number | Buffer)[], outcome: { cause: string } | { row: string }];

async function deeds({ redis: { client } }: TestPipeline): Promise<Deed[]> {
  await client.set('text', 'no hash');
  await client.sadd('set', 'a');
  await client.zadd('sorted', 1, 'a');
  await client.rpush('list', 3, 1);
  await client.geoadd('places', 13, 38, 'a');
  for (const name of ['spare:1', 'spare:2', 'spare:3']) await client.hset(name, { name: 'Zoe', age: 99 });
  const hash = await client.dumpBuffer('spare:1');
  const text = await client.dumpBuffer('text');
  const deleted = { cause: 'deleted' };
  const expired = { cause: 'expired' };
  const zoe = { row: 'Zoe,99' };
  const script =
    "redis.call('HSET', KEYS[1], 'age', 1) redis.call('DEL', KEYS[1]) redis.call('HSET', KEYS[1], 'name', 'Lua')";
  return [
    [['DEL', 'person:1'], deleted],
    [['UNLINK', 'person:2'], deleted],
    [['PEXPIRE', 'person:3', 30], expired],
    [['EXPIRE', 'person:4', -1], deleted],
    [['RENAME', 'person:5', 'elsewhere:5'], deleted],
    [['MOVE', 'person:6', 1], deleted],
    [['SET', 'person:7', 'x'], deleted],
    [['SETEX', 'person:8', 100, 'x'], deleted],
    [['MSET', 'person:9', 'x'], deleted],
    [['SUNIONSTORE', 'person:10', 'set'], deleted],
    [['SINTERSTORE', 'person:11', 'set', 'nothing'], deleted],
    [['ZUNIONSTORE', 'person:12', 1, 'sorted'], deleted],
    [['SORT', 'list', 'STORE', 'person:13'], deleted],
    [['GEOSEARCHSTORE', 'person:14', 'places', 'FROMLONLAT', 13, 38, 'BYRADIUS', 9, 'km'], deleted],
    [['BITOP', 'NOT', 'person:15', 'text'], deleted],
    [['COPY', 'text', 'person:16', 'REPLACE'], deleted],
    [['RESTORE', 'person:17', 0, text, 'REPLACE'], deleted],
    [['RESTORE', 'person:18', 1, text, 'REPLACE', 'ABSTTL'], deleted],
    [['HDEL', 'person:19', 'name', 'age'], deleted],
    [['RESTORE', 'person:20', 0, hash, 'REPLACE'], zoe],
    [['RENAME', 'spare:2', 'person:21'], zoe],
    [['COPY', 'spare:1', 'person:22', 'REPLACE'], zoe],
    [['RESTORE', 'person:23', 60, hash, 'REPLACE'], expired],
    [['HSET', 'person:24', 'age', 31], { row: 'Ann,31' }],
    [['HINCRBY', 'person:25', 'age', 5], { row: 'Ann,35' }],
    [['HDEL', 'person:26', 'age'], { row: 'Ann,null' }],
    [['HSETNX', 'person:27', 'name', 'Bob'], { row: 'Ann,30' }],
    [['EVAL', script, 1, 'person:28'], { row: 'Lua,null' }],
    [['HINCRBYFLOAT', 'person:29', 'age', '2'], { row: 'Ann,32' }],
    [['PEXPIRE', 'person:30', 100_000], { row: 'Ann,30' }],
    [['GETEX', 'text'], { row: 'Ann,30' }],
  ];
}

/** Does all of them to hashes that are published. */
async function doAll(pipeline: TestPipeline, source: TestSource): Promise<Deed[]> {
  const { client } = pipeline.redis;
  const all = await deeds(pipeline);
  for (const index of all.keys()) await client.hset(`person:${index + 1}`, { name: 'Ann', age: 30 });
  await follows(source);
  await rowsBecome(pipeline, Object.fromEntries(all.map((_, index) => [index + 1, 'Ann,30'])));
  for (const [[name = '', ...args]] of all) await client.call(String(name), ...args);
  return all;
}

test('each way that a hash ends or changes gives its row and its cause', async (t) => {
  const pipeline = await openKeyEvents(t, { source: { removals: allDelete } });
  const source = pipeline.start();
  const all = await doAll(pipeline, source);
  const rows = all.flatMap(([, outcome], index) => ('row' in outcome ? [[index + 1, outcome.row] as const] : []));
  await rowsBecome(pipeline, Object.fromEntries(rows));
  const ends = (await pipeline.told()).filter((line) => line.startsWith('d '));
  const expected = all.flatMap(([, outcome], index) => ('cause' in outcome ? [`d ${index + 1} ${outcome.cause}`] : []));
  assert.deepEqual(new Set(ends), new Set(expected));
  const command = (id: number): Promise<string | undefined> =>
    pipeline.told().then((lines) => lines.filter((line) => line.startsWith(`u ${id} `)).at(-1));
  assert.equal(await command(22), 'u 22 Zoe,99 COPY_TO');
  assert.equal(await command(25), 'u 25 Ann,35 HINCRBY');
});

test('each cause follows its own policy: what is kept stays, with the cause in its mark', async (t) => {
  const pipeline = await openKeyEvents(t, { source: { removals: { ...KEEP_ALL, deleted: 'delete' } } });
  const source = pipeline.start();
  const all = await doAll(pipeline, source);
  const rows = all.flatMap(([, outcome], index) => {
    if ('row' in outcome) return [[index + 1, outcome.row] as const];
    return outcome.cause === 'expired' ? [[index + 1, 'Ann,30'] as const] : [];
  });
  // The RESTORE with an expiry may be seen before it expires, or not.
  await until('the rows', async () => {
    const found = await pipeline.rows();
    found['23'] = 'Ann,30';
    assert.deepEqual(found, Object.fromEntries(rows));
    return true;
  });
  const count = (cause: string, policy: string): Promise<number> =>
    source.count('removals_total', `mapping="person",cause="${cause}",policy="${policy}"`);
  assert.equal(await count('expired', 'keep'), 2);
  assert.equal(await count('deleted', 'delete'), all.filter(([, outcome]) => 'cause' in outcome).length - 2);
});

test('an eviction is one', async (t) => {
  const pipeline = await openKeyEvents(t, { source: { removals: { evicted: 'delete', deleted: 'keep' } } });
  const { client } = pipeline.redis;
  await client.hset('person:1', { name: 'Ann', age: 30 });
  const source = pipeline.start();
  await follows(source);
  await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
  await client.config('SET', 'maxmemory', '1');
  await rowsBecome(pipeline, {});
  assert.equal((await pipeline.told()).at(-1), 'd 1 evicted');
});

test('removals of several kinds between two reads are ambiguous', async (t) => {
  const pipeline = await openKeyEvents(t, { source: { notifications: { linger: '1s' }, removals: allDelete } });
  const { client } = pipeline.redis;
  await client.hset('person:1', { name: 'Ann', age: 30 });
  const source = pipeline.start();
  await follows(source);
  await client.del('person:1');
  await client.hset('person:1', { name: 'Bob', age: 31 });
  await client.pexpire('person:1', 20);
  await until('it to expire', async () => (await client.exists('person:1')) === 0);
  await rowsBecome(pipeline, {});
  assert.equal((await pipeline.told()).at(-1), 'd 1 ambiguous');
});
