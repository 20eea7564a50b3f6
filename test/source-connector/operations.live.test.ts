import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startRelay } from '../support/relay.ts';
import { startRedis } from '../support/redis.ts';
import type { Scope } from '../support/scope.ts';
import { person, TestPipeline, type ConfigParts } from '../support/source/pipeline.ts';
import { PATIENCE } from '../support/source/source.ts';
import { until } from '../support/until.ts';

const parts: ConfigParts = { mappings: { person: { ...person, operations: true } } };

function openPipeline(t: Scope, more: ConfigParts = {}): Promise<TestPipeline> {
  return TestPipeline.open(t, { ...parts, ...more });
}

/** Waits until nothing of these operations is left in Redis. */
async function done({ redis }: Pick<TestPipeline, 'redis'>, ...keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    await until(`${key} without #`, async () => (await redis.client.hexists(key, '#')) === 0, PATIENCE);
  }
}

/** The entries of a command's stream, once there are any. */
async function acknowledged({ redis }: Pick<TestPipeline, 'redis'>, key: string, id: string): Promise<string[][]> {
  return await until(
    `the acknowledgement of ${id}`,
    async () => {
      const entries = await redis.client.xrange(`{${key}}${id}`, '-', '+');
      return entries.length > 0 && entries.map(([, fields]) => fields);
    },
    PATIENCE,
  );
}

const DONE = [['status', 'done', 'sink', 'source']];

test('rule 22: each operation, with and without an id; a replica is followed, its master is asked', async (t) => {
  const pipeline = await openPipeline(t);
  const { client, port } = pipeline.redis;
  const replica = await startRedis(t, ['--replicaof', '127.0.0.1', String(port)]);
  const source = pipeline.start({ source: { url: replica.url } });
  await source.caughtUp();

  await client.hset('person:1', '#', '=', 'name', 'Ann', 'age', 1);
  await done(pipeline, 'person:1');
  await client.hset('person:1', '#', '=id1', 'name', 'Ann');
  assert.deepEqual(await acknowledged(pipeline, 'person:1', 'id1'), DONE);
  await done(pipeline, 'person:1');
  assert.deepEqual(await client.hgetall('person:1'), { name: 'Ann', age: '1' });

  await client.hset('person:1', '#', '+', 'age', 2);
  await done(pipeline, 'person:1');
  await client.hset('person:1', '#', '+id2', 'age', 3);
  assert.deepEqual(await acknowledged(pipeline, 'person:1', 'id2'), DONE);
  await done(pipeline, 'person:1');
  assert.deepEqual(await client.hgetall('person:1'), { name: 'Ann', age: '3' });

  await client.hset('person:1', '#', '-id3', 'age', 4);
  assert.deepEqual(await acknowledged(pipeline, 'person:1', 'id3'), DONE);
  await done(pipeline, 'person:1');
  assert.equal(await client.exists('person:1'), 0);

  await client.hset('person:2', 'name', 'Bob');
  await client.hset('person:2', '#', '~id4');
  assert.deepEqual(await acknowledged(pipeline, 'person:2', 'id4'), DONE);
  await done(pipeline, 'person:2');
  await client.hset('person:2', 'name', 'Cid');
  await client.hset('person:2', '#', '-');
  await done(pipeline, 'person:2');
  await client.hset('person:3', '#', '~', 'name', 'Dan');
  await done(pipeline, 'person:3');
  assert.equal(await client.exists('person:2', 'person:3'), 0);
  await source.caughtUp();
  const records = await pipeline.history();
  assert.deepEqual(
    records.flatMap(({ event, headers }) => (event === null ? [] : [`${event.op} ${headers.acknowledge}`])).sort(),
    ['c undefined', 'c undefined', 'c undefined', 'd id4', 'u id1'],
  );
  assert.deepEqual(await pipeline.rows(), { 1: 'Ann,1', 2: 'Cid,null' });
  assert.deepEqual(Object.keys(await pipeline.marks()).sort(), ['0:person:1', '0:person:2']);
  assert.equal(await source.count('effects_waiting'), 0);
  await source.stop();
});

test('rule 22: what is published for an id is left to the sinks that acknowledge it', async (t) => {
  const mappings = { person: { ...person, operations: true, acknowledge: ['file'] } };
  const pipeline = await openPipeline(t, { mappings, sinks: { file: { kind: 'sqlite', path: '/nowhere/rows.db' } } });
  const { client } = pipeline.redis;
  const source = pipeline.start();
  await source.caughtUp();
  await client.hset('person:1', '#', '=id1', 'name', 'Ann');
  await client.hset('person:1', '#', '+id2', 'name', 'Bob');
  assert.deepEqual(await acknowledged(pipeline, 'person:1', 'id2'), DONE);
  await client.hset('person:1', '#', '=id3', 'age', 'no number');
  const [failed] = await acknowledged(pipeline, 'person:1', 'id3');
  assert.deepEqual(failed?.slice(0, 5), ['status', 'failed', 'sink', 'source', 'error']);
  assert.match(failed[5] ?? '', /the field age cannot be age/);
  await done(pipeline, 'person:1');
  assert.equal(await client.exists('{person:1}id1'), 0);
  const [record] = await pipeline.history();
  assert.equal(record?.headers.acknowledge, 'id1');
  const [entry] = await client.xrange('{person:1}id2', '-', '+');
  const version = Number(entry?.[0].replace(/-1$/, ''));
  assert.ok(version >= (record.event?.version ?? Infinity), 'its own id is the version, and the source’s place');
});

test('rule 22: killed between the commit and the effects, a source does them once; what was written since stays', async (t) => {
  const pipeline = await openPipeline(t);
  const { client } = pipeline.redis;
  for (const id of [1, 2, 3, 4, 5, 6]) await client.hset(`person:${id}`, 'name', 'Ann');
  const source = await pipeline.process();
  source.start('source.effects');
  await pipeline.caughtUp();
  const commands = client.multi();
  for (const [id, operation] of ['=i', '+i', '~i', '-i', '=i', '~i'].entries()) {
    commands.hset(`person:${id + 1}`, '#', operation, 'name', 'Bob');
  }
  await commands.exec();
  await source.diedAtFault();
  const told = await pipeline.told();
  assert.deepEqual((await pipeline.marks())['0:person:4'], '{"v":1,"mapping":"person","kept":"deleted"}');
  assert.equal(await client.exists('{person:1}i', '{person:2}i'), 0);
  for (const id of [1, 2, 3, 4, 5, 6]) assert.equal(await client.hexists(`person:${id}`, '#'), 1);
  // A newer operation, and a newer hash.
  await client.hset('person:5', '#', '+newer', 'name', 'Cid');
  await client.hset('person:6', 'name', 'Cid');

  source.start();
  for (const id of [1, 2, 3, 4]) {
    assert.deepEqual(await acknowledged(pipeline, `person:${id}`, 'i'), DONE, `person:${id}`);
  }
  assert.deepEqual(await acknowledged(pipeline, 'person:5', 'newer'), DONE);
  await done(pipeline, ...[1, 2, 3, 4, 5, 6].map((id) => `person:${id}`));
  await pipeline.caughtUp();
  assert.deepEqual((await pipeline.told()).slice(told.length), ['c 6 Cid,null HSET']);
  assert.deepEqual(await pipeline.rows(), {
    1: 'Bob,null',
    2: 'Ann,null',
    4: 'Ann,null',
    5: 'Bob,null',
    6: 'Cid,null',
  });
  assert.equal(await client.exists('person:3', 'person:4'), 0);
  assert.deepEqual(await client.hgetall('person:5'), { name: 'Cid' });
  assert.deepEqual(await client.hgetall('person:6'), { name: 'Cid' });
});

test('rule 22: what a failover takes back of operations is done again, at the new master', async (t) => {
  const pipeline = await openPipeline(t);
  const { client, port, server } = pipeline.redis;
  const relay = await startRelay(t, port);
  const replica = await startRedis(t, ['--replicaof', '127.0.0.1', String(relay.port)]);
  const source = pipeline.start({ source: { url: replica.url } });
  for (const id of [1, 2, 3, 4]) await client.hset(`person:${id}`, 'name', 'Ann');
  await source.caughtUp();
  // The replica has the commands, and nothing of what follows them.
  const held = relay.holdAfter('Zed\r\n');
  const commands = client.pipeline();
  for (const [id, operation] of ['=id', '+id', '~id', '-id'].entries()) {
    commands.hset(`person:${id + 1}`, '#', operation, 'name', id === 3 ? 'Zed' : 'Bob');
  }
  await commands.exec();
  await held;
  await done(pipeline, 'person:1', 'person:2', 'person:3', 'person:4');
  assert.deepEqual(await replica.client.hgetall('person:3'), { name: 'Bob', '#': '~id' });
  await server.kill();
  await replica.client.replicaof('NO', 'ONE');

  const of = { redis: replica };
  await done(of, 'person:1', 'person:2', 'person:3', 'person:4');
  for (const id of [1, 2, 3, 4]) assert.deepEqual(await acknowledged(of, `person:${id}`, 'id'), DONE, `person:${id}`);
  assert.deepEqual(await replica.client.hgetall('person:2'), { name: 'Bob' });
  assert.equal(await replica.client.exists('person:3', 'person:4'), 0);
  const told = (await pipeline.told()).slice(4).sort();
  assert.deepEqual(told, ['d 3 deleted', 'u 1 Bob,null HSET'], 'nothing is told twice');
  await source.stop();
});

test('rule 22: what + left is published by no full resync, not even with a lost state; a field # that is found is an operation', async (t) => {
  const pipeline = await openPipeline(t);
  const { client } = pipeline.redis;
  await client.hset('person:1', 'name', 'Ann');
  const source = pipeline.start();
  await source.caughtUp();
  await client.hset('person:1', '#', '+', 'name', 'Bob');
  await client.hset('person:2', '#', '+', 'name', 'Cid');
  await done(pipeline, 'person:1', 'person:2');
  await source.caughtUp();
  await source.stop();
  await client.hset('person:3', '#', '+id', 'name', 'Dan');
  await client.hset('person:4', '#', '=id', 'name', 'Eve');
  await client.hset('person:1', 'age', 5);
  await client.hdel('person:1', 'age');
  const next = pipeline.start({}, { resync: true });
  await next.caughtUp();
  assert.deepEqual(await acknowledged(pipeline, 'person:3', 'id'), DONE);
  await done(pipeline, 'person:3', 'person:4');
  const told = ['r 1 Ann,null SNAPSHOT', 'r 4 Eve,null SNAPSHOT'];
  assert.deepEqual(await pipeline.told(), told);
  await next.caughtUp();
  await next.stop();

  await rm(join(pipeline.folder, 'state'), { recursive: true });
  const third = pipeline.start();
  await third.caughtUp();
  assert.deepEqual(await third.links(), { continued: 0, full: 1 });
  assert.deepEqual(await pipeline.told(), told);
  await client.hset('person:1', 'age', 6);
  await third.caughtUp();
  assert.deepEqual(await pipeline.rows(), { 1: 'Bob,6', 4: 'Eve,null' });
  assert.deepEqual(Object.keys(await pipeline.marks()).sort(), ['0:person:2', '0:person:3']);
});

test('rule 22: what is no operation is a dead letter that names it, fails its client, and leaves no field', async (t) => {
  const pipeline = await openPipeline(t);
  const { client } = pipeline.redis;
  const source = pipeline.start();
  await source.caughtUp();
  await client.hset('person:1', '#', '?id', 'name', 'Ann');
  const [failed] = await acknowledged(pipeline, 'person:1', 'id');
  assert.match(String(failed), /^status,failed,sink,source,error,the field # is "\?id", which is no operation/);
  await client.hset('person:2', '#', '', 'name', 'Bob');
  await done(pipeline, 'person:1', 'person:2');
  await source.caughtUp();
  assert.deepEqual(
    (await pipeline.deadLetters()).map(({ reason, key, hash }) => ({ reason, key, hash })),
    [
      { reason: 'unknown-operation', key: 'person:1', hash: { '#': '?id', name: 'Ann' } },
      { reason: 'unknown-operation', key: 'person:2', hash: { '#': '', name: 'Bob' } },
    ],
  );
  assert.deepEqual(await pipeline.told(), []);
  assert.deepEqual(await client.hgetall('person:2'), { name: 'Bob' });
  await client.hset('person:2', 'name', 'Bea');
  await source.caughtUp();
  assert.deepEqual(await pipeline.told(), ['c 2 Bea,null HSET']);
});

test('rule 22: rgsync’s own course of operations on one hash: + with an id, =, - , + and ~', async (t) => {
  const pipeline = await openPipeline(t);
  const { client } = pipeline.redis;
  const source = pipeline.start();
  await source.caughtUp();
  const key = 'person:1';
  await client.hset(key, '#', '+a', 'name', 'Ann', 'age', 20);
  assert.deepEqual(await acknowledged(pipeline, key, 'a'), DONE);
  await done(pipeline, key);
  assert.deepEqual(await pipeline.rows(), {});
  await client.hset(key, '#', '=b', 'name', 'Ann', 'age', 20);
  assert.deepEqual(await acknowledged(pipeline, key, 'b'), DONE);
  assert.deepEqual(await pipeline.rows(), { 1: 'Ann,20' });
  await client.hset(key, '#', '-c');
  assert.deepEqual(await acknowledged(pipeline, key, 'c'), DONE);
  await done(pipeline, key);
  assert.equal(await client.exists(key), 0);
  await client.hset(key, '#', '+', 'name', 'Bob');
  await done(pipeline, key);
  assert.deepEqual(await pipeline.rows(), { 1: 'Ann,20' });
  await client.hset(key, '#', '~d');
  assert.deepEqual(await acknowledged(pipeline, key, 'd'), DONE);
  await done(pipeline, key);
  assert.equal(await client.exists(key), 0);
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), {});
  assert.deepEqual(await pipeline.marks(), {});
});

test('a server that does not replicate is not followed by its key events where a mapping has operations', async (t) => {
  const pipeline = await openPipeline(t, { source: { username: 'afterwrite', password: 'xyzzy' } });
  await pipeline.redis.client.call('ACL', 'SETUSER', 'afterwrite', 'on', '>xyzzy', '~*', '&*', '+@all', '-psync');
  const error = await pipeline.start().failed();
  assert.equal(error.code, 'REDIS_NO_PSYNC');
  assert.match(error.message, /A mapping with operations: true needs replication/);
});
