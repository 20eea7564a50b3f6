import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Partitioners } from 'kafkajs';
import { until } from '../support/until.ts';
import { car, person, TestPipeline } from '../support/source/pipeline.ts';
import { PART } from '../support/source/source.ts';

test('a snapshot, then the stream: every kind of event, and the position behind it', async (t) => {
  const pipeline = await TestPipeline.open(t, { mappings: { person: { ...person, before: true } } });
  const { client } = pipeline.redis;
  await client.hset('person:1', 'name', 'Ann', 'age', 30, 'unmapped', 'x');
  await client.hset('person:2', 'name', 'Bob');
  await client.set('person:string', 'is no hash');
  await client.hset('other:1', 'name', 'nobody');
  const source = pipeline.start();
  await source.caughtUp();
  await until('ready', () => source.worker.ready()[PART]?.ok);
  assert.deepEqual((await pipeline.told()).sort(), ['r 1 Ann,30 SNAPSHOT', 'r 2 Bob,null SNAPSHOT']);
  await client.hset('person:1', 'age', 31);
  await client.hset('person:1', 'age', 31, 'unmapped', 'y');
  await client.hincrby('person:1', 'age', 2);
  await client.hdel('person:1', 'age');
  await client.hset('person:3', 'name', 'Cleo');
  await client.rename('person:3', 'person:4');
  await client.del('person:1');
  await client.set('person:2', 'is no hash');
  await client.hset('person:1', 'name', 'Ann again');
  const position = await source.caughtUp();
  assert.deepEqual(await pipeline.told('person', 2), [
    'u 1 Ann,31 HSET',
    'u 1 Ann,33 HINCRBY',
    'u 1 Ann,null HDEL',
    'c 3 Cleo,null HSET',
    'd 3 deleted',
    'c 4 Cleo,null RENAME',
    'd 1 deleted',
    'd 2 deleted',
    'c 1 Ann again,null HSET',
  ]);
  const events = await pipeline.events();
  const { replid } = position;
  for (const { source: block, snapshot, before, op, transaction, version } of events) {
    assert.equal(transaction, null);
    assert.equal(before !== null, 'ud'.includes(op));
    const { connector, name, shard, db, replid: of, offset } = block ?? {};
    assert.deepEqual(
      { connector, name, shard, db, of },
      { connector: 'afterwrite', name: pipeline.config().pipeline, shard: 0, db: 0, of: replid },
    );
    assert.equal(snapshot, op === 'r');
    assert.ok(typeof offset === 'number' && offset <= position.offset);
    assert.ok(version <= position.version);
  }
  assert.equal(String(events.at(-1)?.source?.['key']), 'person:1');
  assert.equal(events.at(-1)?.version, position.version);
  const tombstones = (await pipeline.history()).filter(({ event }) => event === null);
  assert.deepEqual(
    tombstones.map(({ headers }) => headers.cause),
    ['deleted', 'deleted', 'deleted'],
  );
  assert.equal(position.snapshot, false);
  assert.deepEqual(Object.keys(position.mappings), ['person']);
});

test('keys go to the partitions that the Java client would choose', async (t) => {
  const pipeline = await TestPipeline.open(t, { kafka: { topics: { partitions: 7 } } });
  const writes = pipeline.redis.client.pipeline();
  for (let i = 0; i < 60; i++) writes.hset(`person:${'ä'.repeat(i % 7)}${i}`, 'name', i);
  await writes.exec();
  const source = pipeline.start();
  await source.caughtUp();
  const records = await pipeline.history();
  const { topic } = pipeline.config().mappings['person'] ?? { topic: '' };
  const choose = Partitioners.DefaultPartitioner();
  const partitionMetadata = Array.from({ length: 7 }, (_, partitionId) => {
    return { partitionId, partitionErrorCode: 0, leader: 1, replicas: [1], isr: [1] };
  });
  for (const { key, partition } of records) {
    const message = { key: Buffer.from(key, 'hex'), value: null };
    assert.equal(partition, choose({ topic, partitionMetadata, message }));
  }
  assert.equal(new Set(records.map(({ partition }) => partition)).size, 7);
});

test('rule 9: one prefix in two databases is two mappings, and MOVE goes from one topic to the other', async (t) => {
  const guest = { ...person, database: 1, topic: 'guests' };
  const open = await TestPipeline.open(t);
  const { pipeline: name } = open.config();
  const pipeline = await TestPipeline.open(
    t,
    { pipeline: name, mappings: { person, guest: { ...guest, topic: `${name}.guests` } } },
    { redis: open.redis },
  );
  const { client } = pipeline.redis;
  await client.hset('person:1', 'name', 'Ann');
  await client.select(1);
  await client.hset('person:1', 'name', 'Guest');
  await client.select(2);
  await client.hset('person:2', 'name', 'of no mapping');
  await client.select(0);
  const source = pipeline.start();
  await source.caughtUp();
  assert.deepEqual(await pipeline.told('person'), ['r 1 Ann,null SNAPSHOT']);
  assert.deepEqual(await pipeline.told('guest'), ['r 1 Guest,null SNAPSHOT']);
  await client.hset('person:3', 'name', 'Mover');
  await client.move('person:3', 1);
  await client.select(2);
  await client.move('person:2', 0);
  await client.select(0);
  await client.call('COPY', 'person:1', 'person:9', 'DB', '1');
  await source.caughtUp();
  assert.deepEqual(await pipeline.told('person', 1), [
    'c 3 Mover,null HSET',
    'd 3 deleted',
    'c 2 of no mapping,null MOVE',
  ]);
  assert.deepEqual(await pipeline.told('guest', 1), ['c 3 Mover,null MOVE', 'c 9 Ann,null COPY']);
  assert.deepEqual(
    (await pipeline.events('guest')).map(({ source: block }) => block?.['db']),
    [1, 1, 1],
  );
});

test('a mapping with a constant suffix and typed keys has typed key columns', async (t) => {
  const mappings = {
    car: { ...car, key: 'car:{region}:{id}:data', keyTypes: { id: 'long' } },
  };
  const pipeline = await TestPipeline.open(t, { mappings });
  await pipeline.redis.client.hset('car:eu:900719925474099:data', 'color', 'red');
  await pipeline.start().caughtUp();
  const [event] = await pipeline.events('car');
  assert.deepEqual(event?.keyRow, { region: 'eu', id: 900719925474099 });
  assert.deepEqual(event.after, { region: 'eu', id: 900719925474099, color: 'red' });
});
