import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random, seedOfTest } from '../support/random.ts';
import type { Position } from '../../source-connector/position.ts';
import { startRedis } from '../support/redis.ts';
import { startRelay } from '../support/relay.ts';
import type { Scope } from '../support/scope.ts';
import { car, person, TestPipeline, type ConfigParts } from '../support/source/pipeline.ts';
import type { TestSource } from '../support/source/source.ts';
import { until } from '../support/until.ts';

const both = { mappings: { person, car } };

interface Cars {
  readonly pipeline: TestPipeline;
  /** The same pipeline with both mappings. */
  readonly cars: TestPipeline;
}

/** A pipeline of `person` that has caught up and stopped; its Redis has so many hashes of `car` that nobody has read. */
async function unreadCars(t: Scope, count: number, parts: ConfigParts = {}): Promise<Cars> {
  const pipeline = await TestPipeline.open(t, { mappings: { person }, ...parts });
  const { client } = pipeline.redis;
  await client.hset('person:1', 'name', 'Ann', 'age', 1);
  const writes = client.pipeline();
  for (let n = 1; n <= count; n += 1) writes.hset(`car:${n}`, 'color', `red${n}`);
  await writes.exec();
  await oneLife(pipeline);
  const name = pipeline.config().pipeline;
  return {
    pipeline,
    cars: await TestPipeline.open(t, { ...parts, ...both, pipeline: name }, { redis: pipeline.redis }),
  };
}

async function oneLife(pipeline: TestPipeline, changes: ConfigParts = {}): Promise<void> {
  const source = pipeline.start(changes);
  await source.caughtUp();
  await source.stop();
}

async function hashesAsRows({ redis: { client } }: TestPipeline): Promise<Record<string, string>> {
  const rows: Record<string, string> = {};
  for (const key of await client.keys('car:*')) rows[key.slice(4)] = (await client.hget(key, 'color')) ?? 'null';
  return rows;
}

const states = (source: TestSource): string[] =>
  source.lines.flatMap(({ msg }) => (typeof msg === 'string' && msg.startsWith('replication:') ? [msg] : []));

/** Waits until all that Redis has done so far is committed, whatever has yet to be filled. */
async function committed(pipeline: TestPipeline): Promise<Position> {
  const [, offset] = /^master_repl_offset:(\d+)/m.exec(await pipeline.redis.client.info('replication')) ?? [];
  return await until(
    'a position that has come so far',
    async () => {
      const position = await pipeline.position();
      return position !== undefined && position.offset >= Number(offset) ? position : undefined;
    },
    { timeoutMs: 60_000 },
  );
}

interface HeldFill extends Cars {
  readonly source: TestSource;
  /** Lets the page come. */
  readonly release: () => void;
}

/** A fill that stands still: some page of its 2000 hashes, car:1000 among them, is read, but has not come yet. */
async function heldFill(t: Scope, parts: ConfigParts = {}): Promise<HeldFill> {
  const found = await unreadCars(t, 2000, parts);
  const relay = await startRelay(t, found.pipeline.redis.port);
  const held = relay.holdAfter('red1000\r\n');
  const url = `redis://127.0.0.1:${relay.port}`;
  const source = found.pipeline.start({ ...both, source: { ...parts.source, url } });
  await held;
  return {
    ...found,
    source,
    release: () => {
      relay.release();
    },
  };
}

test('rule 8: a mapping that is added is filled beside the stream, without a resync', async (t) => {
  const { pipeline, cars } = await unreadCars(t, 3);
  const { client } = pipeline.redis;
  await client.hset('person:1', 'age', 2);
  const source = pipeline.start(both);
  await source.caughtUp();
  assert.deepEqual((await cars.told('car')).sort(), ['r 1 red1 SNAPSHOT', 'r 2 red2 SNAPSHOT', 'r 3 red3 SNAPSHOT']);
  assert.deepEqual(await pipeline.told('person', 1), ['u 1 Ann,2 HSET']);
  await client.hset('car:1', 'color', 'blue');
  await client.del('car:2');
  await client.rename('car:3', 'car:4');
  await source.caughtUp();
  assert.deepEqual((await cars.told('car', 3)).sort(), [
    'c 4 red3 RENAME',
    'd 2 deleted',
    'd 3 deleted',
    'u 1 blue HSET',
  ]);
  assert.deepEqual(await source.links(), { continued: 1, full: 0 });
  assert.deepEqual((await pipeline.position())?.fills, {});
});

test('rule 8: what the stream does to keys before they are read is neither null nor lost', async (t) => {
  const { pipeline, cars } = await unreadCars(t, 9);
  const { client } = pipeline.redis;
  await client.hset('draft:1', 'color', 'from outside');
  // All of these come before the first page.
  await client.hset('car:1', 'wheels', 4);
  await client.hset('car:new', 'color', 'new');
  await client.del('car:2');
  await client.rename('car:3', 'car:moved');
  await client.rename('car:4', 'person:4');
  await client.rename('draft:1', 'car:5');
  await client.call('COPY', 'car:6', 'car:copy');
  await client.hdel('car:7', 'color');
  await client.pexpire('car:8', 1);
  await client.multi().del('car:9').hset('car:9', 'wheels', 3).exec();
  await until('the key to expire', async () => (await client.exists('car:8')) === 0);
  const source = pipeline.start(both);
  await source.caughtUp();
  assert.deepEqual(await cars.rows('car'), await hashesAsRows(cars));
  assert.deepEqual(await pipeline.rows(), { 1: 'Ann,1', 4: 'null,null' });
  assert.ok(
    (await cars.events('car')).every(({ op }) => op === 'r'),
    'each row is told once',
  );
  assert.deepEqual(await source.links(), { continued: 1, full: 0 });
});

test('rule 8: the stream of the other mappings goes on while one is filled, which is a named state', async (t) => {
  const { pipeline, cars, source, release } = await heldFill(t);
  const { client } = pipeline.redis;
  await client.hset('person:1', 'age', 2);
  assert.deepEqual(Object.keys((await committed(pipeline)).fills), ['car']);
  assert.deepEqual(await pipeline.told('person', 1), ['u 1 Ann,2 HSET']);
  assert.ok(source.worker.ready()['source']?.ok, 'it is ready: the stream is followed');
  release();
  await source.caughtUp();
  assert.deepEqual(await cars.rows('car'), await hashesAsRows(cars));
  assert.ok(states(source).some((one) => /filling mapping car: \d+ keys/.test(one)));
  assert.match(String(states(source).at(-1)), /streaming/);
  assert.deepEqual(await source.links(), { continued: 1, full: 0 });
});

test('rules 6, 8: what changes behind the offset of a page that is still under way is not taken from the page', async (t) => {
  const { pipeline, cars, source, release } = await heldFill(t);
  const { client } = pipeline.redis;
  const changes = client.pipeline();
  for (let n = 1; n <= 2000; n += 1) {
    const key = `car:${n}`;
    if (n % 7 === 1) changes.hset(key, 'color', 'blue');
    else if (n % 7 === 2) changes.del(key);
    else if (n % 7 === 3) changes.rename(key, `car:moved${n}`);
    else if (n % 7 === 4) changes.call('COPY', key, `car:copy${n}`);
    else if (n % 7 === 5) changes.hset(key, 'wheels', n).hdel(key, 'wheels');
    else if (n % 7 === 6) changes.del(key).hset(key, 'wheels', n);
  }
  await changes.exec();
  await committed(pipeline);
  release();
  await source.caughtUp();
  assert.deepEqual(await cars.rows('car'), await hashesAsRows(cars));
  assert.deepEqual(await source.links(), { continued: 1, full: 0 });
});

test('rule 8: FLUSHALL in the middle of a fill leaves no row of what it removed', async (t) => {
  const removals = { flushed: 'delete' };
  const { pipeline, cars, source, release } = await heldFill(t, { source: { removals } });
  const { client } = pipeline.redis;
  await client.flushall();
  await client.hset('car:7', 'color', 'after');
  await committed(pipeline);
  release();
  await source.caughtUp();
  assert.deepEqual(await cars.rows('car'), { 7: 'after' });
  assert.deepEqual(await pipeline.rows(), {});
  assert.deepEqual(await source.links(), { continued: 1, full: 0 });
});

test('SWAPDB in the middle of a fill leads to a full resync, which fills the mapping', async (t) => {
  const { pipeline, cars, source, release } = await heldFill(t, {
    // Rows of pages before are in the other database then.
    source: { breaker: { rows: 10_000, percent: 100 } },
  });
  const { client } = pipeline.redis;
  await client.call('SWAPDB', 0, 1);
  await client.hset('car:7', 'color', 'after');
  await source.caughtUp();
  release();
  assert.deepEqual(await cars.rows('car'), { 7: 'after' });
  assert.equal((await source.links()).full, 1);
});

test('rules 4, 8: a mapping that is back is compared with its topic; rows without a hash vanish behind the breaker', async (t) => {
  const breaker = { breaker: { rows: 2, percent: 100 } };
  const { pipeline, cars } = await unreadCars(t, 6, { source: breaker });
  const { client } = pipeline.redis;
  await oneLife(pipeline, both);
  await client.hset('car:6', 'color', 'blue');
  await oneLife(pipeline);
  assert.deepEqual(Object.keys((await pipeline.position())?.left ?? {}).length, 1);
  await client.del('car:1', 'car:2', 'car:3');
  await client.hset('car:5', 'color', 'green');
  await client.hset('car:7', 'color', 'new');
  await oneLife(pipeline);
  assert.equal((await cars.events('car')).length, 6, 'nothing is told of a mapping that is gone');
  const error = await pipeline.start(both).failed();
  assert.equal(error.code, 'VANISHED_BREAKER');
  assert.match(error.message, /3 of 8 published rows have no hash any more/);
  const told = await cars.told('car', 6);
  assert.deepEqual(
    told.filter((one) => one.startsWith('d')),
    [],
  );
  const source = pipeline.start(both, { confirmed: 3 });
  await source.caughtUp();
  assert.deepEqual((await cars.told('car', 6)).sort(), [
    'd 1 vanished',
    'd 2 vanished',
    'd 3 vanished',
    'r 7 new SNAPSHOT',
    'u 5 green SNAPSHOT',
    'u 6 blue SNAPSHOT',
  ]);
  assert.deepEqual(await source.links(), { continued: 1, full: 0 });
});

test('a mapping that is back after the state was rebuilt without it is compared with its topic all the same', async (t) => {
  const { pipeline, cars } = await unreadCars(t, 3);
  const { client } = pipeline.redis;
  await oneLife(pipeline, both);
  await oneLife(pipeline, { source: { state: `${pipeline.folder}/another` } });
  assert.deepEqual((await pipeline.position())?.left, {});
  await client.del('car:1');
  await client.hset('car:2', 'color', 'blue');
  const source = pipeline.start({ ...both, source: { state: `${pipeline.folder}/another` } });
  await source.caughtUp();
  assert.deepEqual((await cars.told('car', 3)).sort(), ['d 1 vanished', 'u 2 blue SNAPSHOT']);
  assert.deepEqual(await source.links(), { continued: 1, full: 0 });
});

test('a mapping that takes over the keys of another topic tells all of them there', async (t) => {
  const { pipeline, cars } = await unreadCars(t, 2);
  await oneLife(pipeline, both);
  const moved = { mappings: { person, wagon: car } };
  const wagons = await TestPipeline.open(
    t,
    { ...moved, pipeline: pipeline.config().pipeline },
    { redis: pipeline.redis },
  );
  await pipeline.redis.client.del('car:1');
  await oneLife(pipeline, moved);
  assert.deepEqual(await wagons.told('wagon'), ['r 2 red2 SNAPSHOT']);
  assert.equal((await cars.events('car')).length, 2);
});

test('a fill that the user may not read for is done by a full resync', async (t) => {
  const { pipeline, cars } = await unreadCars(t, 2);
  const { client, url } = pipeline.redis;
  await client.call('ACL', 'SETUSER', 'follower', 'on', '>secret', '+psync', '+replconf', '+ping');
  const source = pipeline.start({ ...both, source: { url: url.replace('redis://', 'redis://follower:secret@') } });
  await source.caughtUp();
  assert.deepEqual(await cars.rows('car'), { 1: 'red1', 2: 'red2' });
  assert.deepEqual(await source.links(), { continued: 1, full: 1 });
  assert.ok(source.lines.some(({ reason }) => /car cannot be filled beside the stream.*INFO/.test(String(reason))));
});

/** Passed only while a mapping is filled; test/crash/steps.live.test.ts knows them. */
const steps = ['source.fill-page', 'source.fill-vanished', 'source.sealing', 'send.committed'];

test('kill -9 in the middle of a fill, again and again: the next life goes on, and nothing is told twice', async (t) => {
  const seed = seedOfTest();
  t.diagnostic(`AFTERWRITE_SEED=${seed}`);
  const random = new Random(seed);
  const { pipeline, cars } = await unreadCars(t, 2000);
  const { client } = pipeline.redis;
  await oneLife(pipeline, both);
  await oneLife(pipeline);
  for (let n = 1; n <= 2000; n += 3) await client.del(`car:${n}`);
  for (let n = 2; n <= 2000; n += 3) await client.hset(`car:${n}`, 'color', 'blue');
  const died: string[] = [];
  for (const step of [...steps, ...steps]) {
    const connector = await pipeline.process({ ...both, source: { batch: { records: 100 } } });
    const last = step === 'source.fill-vanished';
    const faults = `${step}:${last ? 1 : random.between(2, 8)}`;
    if (last && died.includes(step)) continue;
    connector.start(faults);
    for (let n = 0; n < 200; n += 1) {
      const id = random.between(1, 2100);
      if (random.chance(0.3)) await client.del(`car:${id}`);
      else await client.hset(`car:${id}`, 'color', `at ${n}`);
    }
    await connector.diedAtFault(150_000);
    died.push(step);
    t.diagnostic(`died at ${faults}: ${JSON.stringify((await pipeline.position())?.fills)}`);
    if (last) break;
  }
  const source = pipeline.start(both);
  await source.caughtUp();
  assert.deepEqual(await cars.rows('car'), await hashesAsRows(cars));
  assert.equal((await source.links()).full, 0);
});

test('kill -9 while the rows of a grown mapping are folded anew', async (t) => {
  const { pipeline } = await unreadCars(t, 0);
  const { client } = pipeline.redis;
  const writes = client.pipeline();
  for (let n = 1; n <= 2000; n += 1) writes.hset(`person:${n}`, 'name', `n${n}`, 'age', n, 'city', `c${n}`);
  await writes.exec();
  await oneLife(pipeline);
  const grown = { mappings: { person: { ...person, fields: { ...person.fields, city: 'city' } } } };
  const told = (await pipeline.events()).length;
  const connector = await pipeline.process({ ...grown, source: { batch: { records: 300 } } });
  connector.start('source.fill-refolded:5');
  await connector.diedAtFault();
  assert.equal((await pipeline.position())?.fills['person']?.stage, 'refold');
  const source = pipeline.start(grown);
  await client.hset('person:7', 'age', 8);
  await source.caughtUp();
  const rows = await pipeline.rows();
  assert.equal(Object.keys(rows).length, 2000);
  for (const [id, row] of Object.entries(rows)) assert.equal(row, `n${id},${id === '7' ? 8 : id},c${id}`);
  assert.ok(
    (await pipeline.events()).slice(told).every(({ after }) => after?.['city'] != null),
    'none is told as null',
  );
});

test('rule 6: after a failover in the middle of a fill the keys are gone over again, on the new server', async (t) => {
  const { pipeline, cars } = await unreadCars(t, 1500);
  const { client, port } = pipeline.redis;
  const replica = await startRedis(t);
  await replica.client.replicaof('127.0.0.1', port);
  const connector = await pipeline.process(both);
  connector.start('source.fill-page:5');
  await connector.diedAtFault();
  const before = await pipeline.position();
  t.diagnostic(JSON.stringify(before?.fills));
  await client.hset('car:1', 'color', 'on both');
  await until('the replica to have it', async () => (await replica.client.hget('car:1', 'color')) === 'on both');
  await pipeline.redis.server.kill();
  await replica.client.replicaof('NO', 'ONE');
  await replica.client.hset('car:2', 'color', 'on the new one');
  await replica.client.del('car:3');
  const source = pipeline.start({ ...both, source: { url: replica.url } });
  await until(
    'the mapping is filled',
    async () =>
      (await pipeline.position())?.replid !== before?.replid && (await pipeline.position())?.fills['car'] === undefined,
    { timeoutMs: 60_000 },
  );
  const rows = await cars.rows('car');
  assert.equal(Object.keys(rows).length, 1499);
  assert.deepEqual([rows['1'], rows['2'], rows['3']], ['on both', 'on the new one', undefined]);
  assert.deepEqual(await source.links(), { continued: 1, full: 0 });
});
