import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  acknowledgementStream,
  ClusterMasters,
  FIRST_SINK_PLACE,
  keySlot,
  OneMaster,
  type Acknowledgement,
} from '../../../clients/redis/index.ts';
import { retryUntilDone } from '../../../ops/retry.ts';
import { AcknowledgementSender } from '../../../sink-connector/acknowledge/sender.ts';
import { startRedis } from '../../support/redis.ts';
import { TestCluster } from '../../support/redis-cluster.ts';
import { until } from '../../support/until.ts';

const version = 1_700_000_000_000_000;

function acknowledgement(key: string): Acknowledgement {
  const names = { key: Buffer.from(key), id: Buffer.from('id') };
  return { ...names, database: 0, version, place: FIRST_SINK_PLACE, sink: 'warehouse' };
}

/** Sends as an outbox does: again and again while it has to wait. @returns the codes of what it waited for */
async function sent(sender: AcknowledgementSender, all: readonly Acknowledgement[]): Promise<string[]> {
  const waits: string[] = [];
  const signal = AbortSignal.timeout(60_000);
  const onWait = ({ error }: { error: { code: string } }): void => void waits.push(error.code);
  const outcomes = await retryUntilDone(() => sender.send(all), { signal, onWait, longestWaitMs: 200 });
  assert.ok(outcomes.every(({ kind }) => kind === 'sent'));
  return waits;
}

test('acknowledgements follow the master when it becomes a replica, and what they cannot be written to is said', async (t) => {
  const [first, second] = await Promise.all([startRedis(t), startRedis(t)]);
  await second.client.replicaof('127.0.0.1', first.port);
  await until('a replica', async () => (await second.client.info('replication')).includes('link_status:up'));
  const masters = new OneMaster(() => Promise.resolve({ host: '127.0.0.1', port: first.port }));
  t.after(() => {
    masters.close();
  });
  const sender = new AcknowledgementSender(masters);
  assert.deepEqual(await sent(sender, [acknowledgement('person:1')]), []);
  assert.equal(await first.client.xlen('{person:1}id'), 1);
  await second.client.replicaof('NO', 'ONE');
  await first.client.replicaof('127.0.0.1', second.port);
  await until('a replica', async () => (await first.client.info('replication')).includes('link_status:up'));
  const waits = await sent(sender, [acknowledgement('person:1'), acknowledgement('person:2')]);
  assert.deepEqual(new Set(waits), new Set(['ACKNOWLEDGEMENTS_WAIT']));
  assert.deepEqual([await second.client.xlen('{person:1}id'), await second.client.xlen('{person:2}id')], [1, 1]);
  await second.client.set('{person:3}id', 'taken');
  const [refused] = await sender.send([acknowledgement('person:3')]);
  assert.match(refused?.kind === 'refused' ? refused.reason : '', /WRONGTYPE/);
});

test('in a cluster each acknowledgement goes to the master of its stream, also when its slot moves', async (t) => {
  const cluster = await TestCluster.start(t);
  const seeds = cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }));
  const masters = new ClusterMasters(() => Promise.resolve(seeds));
  t.after(() => {
    masters.close();
  });
  const sender = new AcknowledgementSender(masters);
  const keys = Array.from({ length: 30 }, (_, index) => (index % 2 === 0 ? `person:${index}` : `user:{${index}}:x`));
  assert.deepEqual(await sent(sender, keys.map(acknowledgement)), []);
  const streamOf = (key: string): Buffer => acknowledgementStream(Buffer.from(key), Buffer.from('id'));
  for (const key of keys) assert.equal(await cluster.client.xlen(streamOf(key)), 1, key);

  const slot = keySlot(streamOf('person:new'));
  const from = await cluster.masterOfSlot(slot);
  const to = cluster.nodes.find((node) => node !== from);
  assert.ok(to !== undefined);
  await cluster.move(slot, from, to, 'begun');
  await assert.rejects(sender.send([acknowledgement('person:new')]), { code: 'ACKNOWLEDGEMENTS_WAIT', message: /ASK/ });
  const waiting = sent(sender, [acknowledgement('person:new')]);
  await cluster.move(slot, from, to);
  await waiting;
  assert.equal(await cluster.client.xlen(streamOf('person:new')), 1);
});
