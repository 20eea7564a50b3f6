import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acknowledge, acknowledgementStream, OneMaster, type Acknowledgement } from '../../../clients/redis/index.ts';
import { startRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

test('rule 22: a command is acknowledged once by each, on the master, in the database of its hash', async (t) => {
  const redis = await startRedis(t);
  const replica = await startRedis(t, ['--replicaof', '127.0.0.1', String(redis.port)]);
  await until('the replica is linked', async () => (await replica.client.info('replication')).includes('status:up'));
  const master = new OneMaster(() => Promise.resolve({ host: '127.0.0.1', port: replica.port }));
  t.after(() => {
    master.close();
  });
  assert.equal((await master.of()).endpoint.port, redis.port);

  const key = Buffer.from('person:5');
  const id = Buffer.from('6ce0c902');
  const sink = (place: number, more: Partial<Acknowledgement> = {}): Acknowledgement => ({
    database: 3,
    key,
    id,
    version: 1_700_000_000_000_000,
    place,
    sink: `sink${place}`,
    ...more,
  });
  // The second sink is faster than the first, and both say it again.
  const said = [sink(3), sink(2), sink(3), sink(2)].map((one) => acknowledge(master, one));
  assert.deepEqual(await Promise.all(said), [true, true, false, false]);
  await redis.client.select(3);
  const stream = acknowledgementStream(key, id).toString();
  assert.equal(stream, '{person:5}6ce0c902');
  assert.deepEqual(await redis.client.xrange(stream, '-', '+'), [
    ['1700000000000000-3', ['status', 'done', 'sink', 'sink3']],
    ['1700000000000000-4', ['status', 'done', 'sink', 'sink2']],
  ]);
  const left = await redis.client.ttl(stream);
  assert.ok(left > 3500 && left <= 3600, String(left));

  // The id of a later command: the earlier one has been told of with it.
  const later = sink(1, { version: 1_700_000_000_000_001, sink: 'source', failure: 'it is unknown' });
  assert.equal(await acknowledge(master, later), true);
  assert.equal(await acknowledge(master, sink(5)), false);
  assert.deepEqual((await redis.client.xrevrange(stream, '+', '-', 'COUNT', 1))[0], [
    '1700000000000001-1',
    ['status', 'failed', 'sink', 'source', 'error', 'it is unknown'],
  ]);
  await redis.client.set('{person:5}text', 'no stream');
  await assert.rejects(acknowledge(master, sink(1, { id: Buffer.from('text') })), /WRONGTYPE/);
});
