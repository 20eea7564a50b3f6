import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { acknowledge, OneMaster } from '../../../clients/redis/index.ts';
import { person, TestPipeline } from '../../support/source/pipeline.ts';
import { PATIENCE } from '../../support/source/source.ts';
import { until } from '../../support/until.ts';

/** A pipeline whose rows are written through; nobody reads its topics: the test says what the sink would say. */
async function begin(t: TestContext, timeout: string, source: Readonly<Record<string, unknown>> = {}) {
  const mapping = { ...person, writeThrough: { timeout }, acknowledge: ['warehouse'] };
  const sinks = { warehouse: { kind: 'postgres', url: 'postgres://nobody@127.0.0.1:1/none' } };
  const pipeline = await TestPipeline.open(t, { mappings: { person: mapping }, sinks, source });
  const master = new OneMaster(() => Promise.resolve({ host: '127.0.0.1', port: pipeline.redis.port }));
  t.after(() => {
    master.close();
  });
  const { client } = pipeline.redis;
  return {
    pipeline,
    client,
    stage: async (key: string, ...fields: string[]) => await client.hset(`__{${key}}`, ...fields),
    /** All that the client of an id was told, once it was told something. */
    told: async (stream: string): Promise<string> =>
      await until(
        `an entry of ${stream}`,
        async () => {
          const entries = await client.xrange(stream, '-', '+');
          return entries.length > 0 && entries.map(([, fields]) => fields.join(' ')).join('; ');
        },
        PATIENCE,
      ),
    /** Waits until so many writes of a key are committed and undecided; says of each that the sink has written it, or why not. */
    report: async (key: string, writes: number, failure?: string) => {
      const names = await until(
        `${writes} writes of ${key} are committed`,
        async () => {
          const found = Object.keys(await pipeline.marks()).filter((name) => name.startsWith(`0:__{${key}}#`));
          return found.length >= writes && found;
        },
        PATIENCE,
      );
      for (const name of names) {
        const version = Number(name.split('#')[1]);
        const id = Buffer.from(`afterwrite:${version}`);
        const said = { database: 0, key: Buffer.from(key), id, version, place: 2, sink: 'warehouse', failure };
        await acknowledge(master, said);
      }
    },
  };
}

test('rule 23: fields are in the hash when the sink has the row, and each client is told', async (t) => {
  const { pipeline, client, stage, told, report } = await begin(t, '60s');
  const source = pipeline.start();
  await client.hset('person:1', 'name', 'Ann', 'age', '30');
  await client.pexpire('person:1', 500_000);
  await source.caughtUp();
  await stage('person:1', 'name', 'Bea', '#', '=a');
  await stage('person:1', 'age', '31', '#', '=b');
  await report('person:1', 2);
  assert.equal(await told('{person:1}a'), 'status done sink source');
  assert.equal(await told('{person:1}b'), 'status done sink source');
  assert.deepEqual(await client.hgetall('person:1'), { name: 'Bea', age: '31' });
  assert.ok((await client.pttl('person:1')) > 0, 'the TTL is kept');
  assert.equal(await client.exists('__{person:1}'), 0);
  await source.caughtUp();
  assert.deepEqual(await pipeline.marks(), {});

  await stage('person:2', '#', '~c');
  await stage('person:1', '#', '~d');
  await report('person:2', 1);
  await report('person:1', 1);
  assert.equal(await told('{person:2}c'), 'status done sink source', 'without a hash');
  assert.equal(await told('{person:1}d'), 'status done sink source');
  assert.equal(await client.exists('person:1', '__{person:1}', '__{person:2}'), 0);

  await stage('person:3', 'name', 'Bea', '#', '=g');
  await report('person:3', 1, 'too long');
  assert.equal(await told('{person:3}g'), 'status failed sink source error warehouse: too long');

  await stage('person:1', 'name', 'Cid', '#', '?e');
  assert.equal(await told('{person:1}e'), 'status failed sink source error "?" is no operation');
  await stage('person:1', 'name', 'Cid', '#', '');
  await stage('person:1', 'age', 'old', '#', '=f');
  assert.match(await told('{person:1}f'), /^status failed sink source error the field age cannot be age/);
  await until('nothing is staged', async () => (await client.exists('__{person:1}')) === 0);
  assert.equal(await client.exists('person:1'), 0);
  await source.caughtUp();
  const events = ['u', 'd'].map((op) => source.count('events_total', `mapping="person",op="${op}"`));
  assert.deepEqual(
    await Promise.all(events),
    [2, 3],
    'one event a write, one against that which failed, none of what the script does',
  );
});

test('rule 23: a write that fails leaves the hash as it was, and its row, too', async (t) => {
  const { pipeline, client, stage, told } = await begin(t, '700ms');
  const source = pipeline.start();
  await client.hset('person:1', 'name', 'Ann', 'age', '30');
  await source.caughtUp();
  await stage('person:1', 'name', 'Bea', '#', '=a');
  const late = 'status failed sink source error not written within 700 ms by warehouse';
  assert.equal(await told('{person:1}a'), late);
  assert.deepEqual(await client.hgetall('person:1'), { name: 'Ann', age: '30' });
  assert.equal(await client.exists('__{person:1}'), 0);
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), { 1: 'Ann,30' });
  assert.deepEqual(await pipeline.marks(), {});
  assert.equal(await told('{person:1}a'), late, 'told once');
});

test('rules 22, 23: what + left in Redis is published with the row of a write, and stays so when that fails; one that is refused at once leaves it', async (t) => {
  const { pipeline, client, stage, told } = await begin(t, '700ms');
  const source = pipeline.start();
  await source.caughtUp();
  for (const key of ['person:1', 'person:2']) {
    await client.hset(key, 'name', 'Ann');
    await source.caughtUp();
    await client.hset(key, '#', '+', 'name', 'Bob');
    await until('# is taken off', async () => (await client.hexists(key, '#')) === 0, PATIENCE);
    await source.caughtUp();
  }
  assert.deepEqual(await pipeline.rows(), { 1: 'Ann,null', 2: 'Ann,null' });
  await stage('person:1', 'age', '31', '#', '=a');
  await stage('person:2', 'age', 'x', '#', '=a');
  assert.match(await told('{person:1}a'), /^status failed .* not written within 700 ms/);
  assert.match(await told('{person:2}a'), /^status failed .* age/);
  await source.caughtUp();
  assert.deepEqual(await client.hgetall('person:1'), { name: 'Bob' });
  assert.deepEqual(await pipeline.told(), [
    'c 1 Ann,null HSET',
    'c 2 Ann,null HSET',
    'u 1 Bob,31 HSET',
    'u 1 Bob,null HSET',
  ]);
  assert.deepEqual(Object.keys(await pipeline.marks()), ['0:person:2'], 'only the second is left unpublished');
});

test('rule 23: a crash before or behind the script, and a lost state, come to one verdict', async (t) => {
  const { pipeline, client, stage, told, report } = await begin(t, '60s');
  const source = await pipeline.process();
  await client.hset('person:1', 'name', 'Ann', 'age', '30');
  source.start('source.verdict-due');
  await stage('person:1', 'name', 'Bea', '#', '=a');
  await report('person:1', 1);
  await source.diedAtFault();
  assert.equal(await client.exists('{person:1}a'), 0);
  // Nobody but the topics and the server know of the write.
  await rm(pipeline.config().source.state, { recursive: true });
  source.start('source.verdict-written');
  await source.diedAtFault();
  source.start();
  await source.ready();
  await pipeline.caughtUp();
  assert.equal(await told('{person:1}a'), 'status done sink source', 'once');
  assert.deepEqual(await client.hgetall('person:1'), { name: 'Bea', age: '30' });
  assert.equal(await client.exists('__{person:1}'), 0);
  assert.deepEqual(await pipeline.marks(), {});
  assert.deepEqual(await pipeline.rows(), { 1: 'Bea,30' });
});
