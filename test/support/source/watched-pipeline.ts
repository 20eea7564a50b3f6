import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { Random } from '../random.ts';
import type { TestRedis } from '../redis.ts';
import type { Scope } from '../scope.ts';
import { WatchedServers, type WatchedOptions } from '../sentinel.ts';
import { until } from '../until.ts';
import { person, TestPipeline } from './pipeline.ts';
import { PATIENCE, type TestSource } from './source.ts';

export interface Watched {
  readonly group: WatchedServers;
  readonly pipeline: TestPipeline;
  readonly source: TestSource;
}

/** A source that follows the servers of three Sentinels; `pipeline.redis` is their master, whichever that is. */
export async function followWatched(
  t: Scope,
  { sentinel, ...more }: { readonly sentinel?: object; readonly [option: string]: unknown } = {},
  options: WatchedOptions = {},
): Promise<Watched> {
  const group = await WatchedServers.start(t, options);
  const [first] = group.servers;
  assert.ok(first !== undefined);
  const redis = { ...first, client: group.client };
  const source = { url: undefined, ...more, sentinel: { ...group.config, ...sentinel } };
  const pipeline = await TestPipeline.open(t, { source, mappings: { person } }, { redis });
  return { group, pipeline, source: pipeline.start() };
}

/** Which server a source follows: the one that has a replica without a port. */
export async function followedOf({ servers }: WatchedServers): Promise<TestRedis | undefined> {
  for (const server of servers) {
    if (server.server.pid === undefined) continue;
    const info = await server.client.info('replication');
    if (/slave\d+:ip=[^,]+,port=0,/.test(info)) return server;
  }
  return undefined;
}

/** Writes at random until it is stopped; what a failover refuses is lost, as it is for every client. */
export class Writer {
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  done = 0;

  constructor(t: Scope, client: Redis) {
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
export async function checkRows({ pipeline, source, group }: Watched): Promise<void> {
  await source.caughtUp();
  const hashes: Record<string, string> = {};
  for (const key of await group.client.keys('person:*')) {
    const { name = null, age = null } = await group.client.hgetall(key);
    hashes[key.slice('person:'.length)] = `${name},${age}`;
  }
  assert.deepEqual(await pipeline.rows(), hashes);
}
