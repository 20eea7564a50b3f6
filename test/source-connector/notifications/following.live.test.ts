import assert from 'node:assert/strict';
import { test } from 'node:test';
import { detailsOf, follows, openKeyEvents, rowsBecome } from '../../support/source/key-events.ts';
import { TestPipeline } from '../../support/source/pipeline.ts';
import { until } from '../../support/until.ts';
import { startRedis } from '../../support/redis.ts';

test('auto takes key events where the user may not replicate, and says why in log, status and metrics', async (t) => {
  const pipeline = await openKeyEvents(t);
  const { client } = pipeline.redis;
  await client.hset('person:1', { name: 'Ann', age: 30 });
  await client.set('person:2', 'no hash');
  await client.hset('other:1', { name: 'Bob' });
  const source = pipeline.start();
  await follows(source);
  await client.hset('person:3', { name: 'Cid', age: 7 });
  await rowsBecome(pipeline, { 1: 'Ann,30', 3: 'Cid,7' });
  assert.deepEqual(await pipeline.told(), ['r 1 Ann,30 SNAPSHOT', 'c 3 Cid,7 HSET']);
  const said = source.lines.find(({ msg }) => String(msg).includes('followed by its key events instead'));
  assert.match(JSON.stringify(said), /REDIS_NO_PSYNC.*NOPERM/);
  const details: Readonly<Record<string, unknown>> = detailsOf(source);
  assert.equal(details['mode'], 'notifications');
  assert.match(String(details['reason']), /NOPERM/);
  const shown = (await source.metrics.text()).split('\n').filter((line) => line.startsWith('afterwrite_source_mode'));
  assert.match(shown.join(), /mode="notifications",reason=".*NOPERM.*"\} 1$/);
  assert.equal((await pipeline.position())?.mode, 'notifications');
});

test('auto takes key events where the server knows no PSYNC', async (t) => {
  const redis = await startRedis(t, ['--notify-keyspace-events', 'KA', '--rename-command', 'PSYNC', '']);
  const pipeline = await TestPipeline.open(t, {}, { redis });
  await redis.client.hset('person:1', { name: 'Ann', age: 30 });
  const source = pipeline.start();
  await follows(source);
  await rowsBecome(pipeline, { 1: 'Ann,30' });
  assert.match(String(detailsOf(source)['reason']), /unknown command/);
});

test('mode: replication stops where the server refuses it, mode: notifications does not ask', async (t) => {
  const pipeline = await openKeyEvents(t);
  const refused = await pipeline.start({ source: { mode: 'replication' } }).failed();
  assert.equal(refused.code, 'REDIS_NO_PSYNC');
  const source = pipeline.start({ source: { mode: 'notifications' } });
  await follows(source);
  assert.equal(detailsOf(source)['reason'], 'configured');
  assert.deepEqual(source.codes(), []);
});

test('it says which key events a server does not send, and goes on when it sends them', async (t) => {
  const pipeline = await openKeyEvents(t, {}, ['--notify-keyspace-events', 'Kgx']);
  // Nothing was chosen yet: it is told what to do for either way.
  const neither = await pipeline.start().failed();
  assert.equal(neither.code, 'REDIS_NO_PSYNC');
  assert.match(neither.message, /NOPERM.*lacks he.*ACL SETUSER/);
  const source = pipeline.start({ source: { mode: 'notifications' } });
  const { client } = pipeline.redis;
  await until('a word about the flags', () => JSON.stringify(source.lines).includes('lacks he'));
  await client.config('SET', 'notify-keyspace-events', 'KA');
  await follows(source);
});
