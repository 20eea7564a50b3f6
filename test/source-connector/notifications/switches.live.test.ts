import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../support/until.ts';
import { startRedis } from '../../support/redis.ts';
import { follows, rowsBecome } from '../../support/source/key-events.ts';
import { TestPipeline } from '../../support/source/pipeline.ts';

test('from replication to key events and back, each start publishes what changed meanwhile, and nothing else', async (t) => {
  const redis = await startRedis(t, ['--notify-keyspace-events', 'KA']);
  const pipeline = await TestPipeline.open(t, {}, { redis });
  const { client } = redis;
  for (let id = 1; id <= 5; id++) await client.hset(`person:${id}`, { name: 'Ann', age: id });
  const replicated = pipeline.start({ source: { mode: 'replication' } });
  await replicated.caughtUp();
  await replicated.stop();
  await client.hset('person:1', { age: 11 });
  await client.del('person:2');
  const before = (await pipeline.told()).length;

  const notified = pipeline.start({ source: { mode: 'notifications' } });
  await follows(notified);
  await client.hset('person:3', { age: 33 });
  await rowsBecome(pipeline, { 1: 'Ann,11', 3: 'Ann,33', 4: 'Ann,4', 5: 'Ann,5' });
  await notified.stop();
  assert.deepEqual(await pipeline.told('person', before), ['u 1 Ann,11 SNAPSHOT', 'd 2 vanished', 'u 3 Ann,33 HSET']);
  const position = await pipeline.position();
  assert.deepEqual([position?.mode, position?.replid, position?.offset], ['notifications', '', 0]);
  await client.hset('person:4', { age: 44 });
  await client.del('person:5');
  const then = (await pipeline.told()).length;

  // The place of the stream that was left is not gone on from, although the server holds it.
  const again = pipeline.start();
  await again.caughtUp();
  await client.hincrby('person:1', 'age', 1);
  await again.caughtUp();
  assert.deepEqual(await again.links(), { continued: 0, full: 1 });
  assert.deepEqual(await pipeline.told('person', then), ['u 4 Ann,44 SNAPSHOT', 'd 5 vanished', 'u 1 Ann,12 HINCRBY']);
  assert.equal((await pipeline.position())?.mode, 'replication');
  await again.stop();

  const last = pipeline.start();
  await last.caughtUp();
  assert.deepEqual(await last.links(), { continued: 1, full: 0 });
});

test('an expiry column is exact, and a server that tells only what is left of it publishes no change at each look', async (t) => {
  const redis = await startRedis(t, ['--notify-keyspace-events', 'KA']);
  const rights = 'on >secret ~person:* &* -@all +psubscribe +ping +scan +hgetall +pttl +time +config|get';
  await redis.client.call('ACL', 'SETUSER', 'old', ...rights.split(' '));
  const mappings = { person: { key: 'person:{id}', fields: { name: 'name' }, expiryColumn: 'until' } };
  const source = { mode: 'notifications', notifications: { compareEvery: '300ms' } };
  const pipeline = await TestPipeline.open(t, { mappings, source }, { redis });
  const { client } = redis;
  const at = Date.now() + 3_600_000;
  await client.hset('person:1', { name: 'Ann' });
  await client.pexpireat('person:1', at);
  await client.hset('person:2', { name: 'Bob' });
  const exact = pipeline.start();
  await follows(exact);
  await rowsBecome(pipeline, { 1: `Ann,${at}`, 2: 'Bob,null' });
  await exact.stop();

  const about = pipeline.start({ source: { username: 'old', password: 'secret' } });
  await follows(about);
  await until('looks', async () => (await about.count('comparisons_total', 'reason="regular"')) > 5);
  assert.equal((await pipeline.told()).length, 2);
  await client.persist('person:1');
  await client.pexpireat('person:2', at);
  await until('another expiry', async () => {
    const rows = await pipeline.rows();
    const [, moment] = String(rows['2']).split(',');
    return rows['1'] === 'Ann,null' && Math.abs(Number(moment) - at) < 1000;
  });
});
