import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import type { Redis } from 'ioredis';
import { Random } from '../support/random.ts';
import { replicasOf, type TestRedis } from '../support/redis.ts';
import { WatchedServers } from '../support/sentinel.ts';
import { person, TestPipeline } from '../support/source/pipeline.ts';
import { PATIENCE, type TestSource } from '../support/source/source.ts';
import { until } from '../support/until.ts';

interface Setting {
  readonly group: WatchedServers;
  readonly pipeline: TestPipeline;
  readonly source: TestSource;
}

/** A source that follows the servers of three Sentinels; `pipeline.redis` is their master, whichever that is. */
async function begin(t: TestContext, more: Readonly<Record<string, unknown>> = {}): Promise<Setting> {
  const group = await WatchedServers.start(t);
  const [first] = group.servers;
  assert.ok(first !== undefined);
  const redis = { ...first, client: group.client };
  const source = { url: undefined, sentinel: group.config, ...more };
  const pipeline = await TestPipeline.open(t, { source, mappings: { person } }, { redis });
  return { group, pipeline, source: pipeline.start() };
}

/** Which server a source follows: the one that has a replica without a port. */
async function followedOf({ servers }: WatchedServers): Promise<TestRedis | undefined> {
  for (const server of servers) {
    if (server.server.pid === undefined) continue;
    const info = await server.client.info('replication');
    if (/slave\d+:ip=127\.0\.0\.1,port=0,/.test(info)) return server;
  }
  return undefined;
}

/** Writes at random until it is stopped; what a failover refuses is lost, as it is for every client. */
class Writer {
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  done = 0;

  constructor(t: TestContext, client: Redis) {
    this.#running = this.#run(client, new Random(Math.trunc(Math.random() * 2 ** 31)));
    t.after(() => this.stop());
  }

  async more(count: number): Promise<void> {
    const goal = this.done + count;
    await until(`${count} more writes`, () => this.done >= goal, PATIENCE);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(client: Redis, random: Random): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await write(client, random);
        this.done += 1;
      } catch {
        await wait(50, undefined, { signal }).catch(() => undefined);
      }
      await wait(1, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function write(client: Redis, random: Random): Promise<void> {
  const key = `person:${random.between(1, 40)}`;
  const choice = random.between(1, 20);
  if (choice <= 8) await client.hset(key, 'name', `n${random.between(1, 99)}`, 'age', random.between(1, 99));
  else if (choice <= 14) await client.hincrby(key, 'age', 1);
  else if (choice <= 16) await client.del(key);
  else if (choice <= 18) await client.multi().hset('draft', 'name', 'from outside').rename('draft', key).exec();
  else await client.multi().hset(key, 'name', 'one').hset('person:0', 'name', 'other').exec();
}

/** Every row equals its hash; the topic is audited meanwhile: nothing twice, nothing out of order. */
async function checkRows({ pipeline, source, group }: Setting): Promise<void> {
  await source.caughtUp();
  const hashes: Record<string, string> = {};
  for (const key of await group.client.keys('person:*')) {
    const { name = null, age = null } = await group.client.hgetall(key);
    hashes[key.slice('person:'.length)] = `${name},${age}`;
  }
  assert.deepEqual(await pipeline.rows(), hashes);
}

function warned(source: TestSource, text: RegExp): boolean {
  return source.lines.some(({ msg }) => text.test(String(msg)));
}

test('a replica is followed, a replica that dies is replaced, and a master only while no replica can be', async (t) => {
  const setting = await begin(t);
  const { group, pipeline, source } = setting;
  const writer = new Writer(t, group.client);
  await source.caughtUp();
  const master = await group.master();
  const first = await followedOf(group);
  assert.ok(first !== undefined && first !== master, 'a replica is followed');
  await first.server.kill();
  const second = await until('another server', () => followedOf(group), PATIENCE);
  assert.ok(second !== master, 'the other replica is followed');
  await writer.more(50);
  await second.server.kill();
  await until('the master is followed', async () => (await followedOf(group)) === master, PATIENCE);
  assert.ok(warned(source, /No replica can be followed now, so the master .* is/));
  await writer.more(50);
  await second.server.start();
  await until('a replica is followed again', async () => (await followedOf(group)) === second, PATIENCE);
  await writer.more(50);
  await writer.stop();
  await checkRows(setting);
  assert.equal((await source.links()).full, 1, 'no link needed a full resync but the first one');
  assert.ok((await pipeline.events()).length > 50);
});

for (const prefer of ['replica', 'master'] as const) {
  test(`a failover under load, by SENTINEL FAILOVER and by kill -9 of the master: a ${prefer} is followed`, async (t) => {
    const setting = await begin(t, { prefer });
    const { group, source } = setting;
    const writer = new Writer(t, group.client);
    await source.caughtUp();
    await writer.more(200);
    const first = await group.master();
    await group.failOver();
    const second = await group.promoted(first);
    await writer.more(200);
    await until('the demoted server follows', async () =>
      (await first.client.info('replication')).includes('master_link_status:up'),
    );
    await writer.stop();
    await checkRows(setting);
    const again = new Writer(t, group.client);
    await again.more(100);
    await second.server.kill();
    await group.promoted(second);
    await again.more(200);
    await again.stop();
    await checkRows(setting);
    const isPreferred = async (): Promise<boolean> => {
      const followed = await followedOf(group);
      return followed !== undefined && (followed === (await group.master())) === (prefer === 'master');
    };
    await until(`a ${prefer} is followed in the end`, isPreferred, PATIENCE);
  });
}

test('a demoted server whose link stays open is left', async (t) => {
  const setting = await begin(t, { prefer: 'master' });
  const { group, source } = setting;
  await source.caughtUp();
  const master = await group.master();
  // It will not come to terms with the new master, and so has no reason to drop those who follow it.
  await master.client.config('SET', 'masterauth', 'wrong');
  await group.failOver();
  await group.promoted(master);
  await until('the new master is followed', async () => (await followedOf(group)) === (await group.master()), PATIENCE);
  assert.ok(source.lines.some(({ reason }) => /left: it is not the master any more/.test(String(reason))));
  await group.client.hset('person:1', 'name', 'Ann');
  await checkRows(setting);
});

test('a replica that has lost its master for long is left', async (t) => {
  const setting = await begin(t);
  const { group, source } = setting;
  await source.caughtUp();
  const replica = await followedOf(group);
  assert.ok(replica !== undefined);
  await replica.client.config('SET', 'masterauth', 'wrong');
  await replica.client.call('CLIENT', 'KILL', 'TYPE', 'master');
  await until('another server', async () => ![replica, undefined].includes(await followedOf(group)), PATIENCE);
  assert.ok(
    source.lines.some(({ reason }) => /left: for long it is not in touch with its master/.test(String(reason))),
  );
  await group.client.hset('person:1', 'name', 'Ann');
  await checkRows(setting);
});

test('a failover that loses writes takes back the changes that only the old master had', async (t) => {
  const setting = await begin(t, { prefer: 'master' });
  const { group, pipeline, source } = setting;
  await group.client.hset('person:1', 'name', 'kept');
  await group.client.hset('person:2', 'name', 'kept');
  await source.caughtUp();
  const master = await group.master();
  assert.equal(await followedOf(group), master);
  const replicas = group.servers.filter((server) => server !== master);
  await until('replicas that have all', async () => (await master.client.wait(2, 1000)) >= 2);
  // A password that the master does not ask for keeps them away from it.
  for (const { client } of replicas) {
    await client.config('SET', 'masterauth', 'wrong');
    await client.call('CLIENT', 'KILL', 'TYPE', 'master');
  }
  await until('a master without other replicas', async () => (await replicasOf(master)).length === 1);
  await master.client.hset('person:1', 'name', 'phantom');
  await master.client.del('person:2');
  await master.client.hset('person:3', 'name', 'phantom');
  await until(
    'the phantoms are published',
    async () => JSON.stringify(await pipeline.rows()) === JSON.stringify({ 1: 'phantom,null', 3: 'phantom,null' }),
    PATIENCE,
  );
  await master.server.kill();
  for (const { client } of replicas) await client.config('SET', 'masterauth', '');
  await group.promoted(master);
  await until(
    'the master takes writes',
    () => group.client.hset('person:4', 'name', 'later').then(() => true),
    PATIENCE,
  );
  await checkRows(setting);
  assert.deepEqual(await pipeline.rows(), { 1: 'kept,null', 2: 'kept,null', 4: 'later,null' });
  assert.equal((await source.links()).full, 2, 'a full resync told the difference');
});

test('Sentinels that are down, and one that is left, do not keep a source from its servers', async (t) => {
  const setting = await begin(t);
  const { group, source } = setting;
  await group.client.hset('person:1', 'name', 'Ann');
  await source.caughtUp();
  const [one, two] = group.sentinels;
  await one?.kill();
  await two?.kill();
  const followed = await followedOf(group);
  await followed?.server.kill();
  await until('another server', async () => ![followed, undefined].includes(await followedOf(group)), PATIENCE);
  await group.client.hset('person:2', 'name', 'Bob');
  await checkRows(setting);
  for (const sentinel of group.sentinels) await sentinel.kill();
  await group.servers[0]?.client.hset('person:3', 'name', 'Cid');
  await until('a row without any Sentinel', async () => 3 in (await setting.pipeline.rows()), PATIENCE);
  const left = await followedOf(group);
  await left?.server.kill();
  await until('that is said', () => source.codes().includes('REDIS_NO_SENTINEL'), PATIENCE);
});
