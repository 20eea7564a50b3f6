import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keySlot } from '../../source-connector/decode/key-slot.ts';
import { TestCluster } from './redis-cluster.ts';

test('a cluster for tests serves all slots, and moves one with its keys', async (t) => {
  const cluster = await TestCluster.start(t, { masters: 3, replicas: 1 });
  for (let i = 0; i < 30; i++) await cluster.client.hset(`person:{tag}:${i}`, 'name', `n${i}`);
  const from = await cluster.masterOf('person:{tag}:1');
  const to = (await cluster.masters()).map(({ node }) => node).find((node) => node !== from);
  assert.ok(to !== undefined);
  await cluster.move(keySlot(Buffer.from('tag')), from, to);
  assert.equal((await cluster.masterOf('{tag}')).id, to.id);
  assert.equal((await cluster.hashes('person:')).size, 30);
  assert.equal(await from.client.dbsize(), 0);
});
