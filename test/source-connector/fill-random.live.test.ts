import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChainableCommander, Redis } from 'ioredis';
import { Random, seedOfTest } from '../support/random.ts';
import type { Scope } from '../support/scope.ts';
import { TestPipeline } from '../support/source/pipeline.ts';
import type { TestSource } from '../support/source/source.ts';
import { until } from '../support/until.ts';
import { allDelete } from '../support/removals.ts';

const fields = { name: 'name', age: { type: 'int' } };
const person = { key: 'person:{id}', fields, removals: allDelete };
const car = { key: 'car:{id}', fields, removals: allDelete };
const grown = { ...car, fields: { ...fields, city: 'city' } };

const CARS = 600;
/** Few keys take most of the commands, so that they change while they are read. */
const HOT = 40;

/** Commands on keys that are captured, that are filled, and that are neither, and between all of them. */
class Disturbance {
  readonly #clients: Redis[];
  readonly #random: Random;
  #running: Promise<void>[] = [];
  #stopped = true;
  done = 0;

  constructor(scope: Scope, client: Redis, random: Random) {
    this.#random = random;
    this.#clients = [1, 2, 3].map(() => client.duplicate());
    scope.after(async () => {
      await this.stop();
      for (const one of this.#clients) one.disconnect();
    });
  }

  start(): void {
    this.#stopped = false;
    this.#running = this.#clients.map(async (client) => {
      while (!this.#stopped) await this.#one(client).catch(() => undefined);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  #key(): string {
    const random = this.#random;
    const prefix = random.pick(['person', 'car', 'car', 'car', 'draft']);
    return `${prefix}:${random.chance(0.6) ? random.below(HOT) : random.below(CARS + 200)}`;
  }

  async #one(client: Redis): Promise<void> {
    const random = this.#random;
    this.done++;
    if (random.chance(0.05)) {
      const multi = client.multi();
      for (let n = random.between(2, 6); n > 0; n--) void this.#command(multi);
      await multi.exec();
    } else await this.#command(client);
  }

  #command(client: Redis | ChainableCommander): Promise<unknown> {
    const random = this.#random;
    const value = String(random.below(1000));
    const key = this.#key();
    const choice = random.below(20);
    if (choice < 4) return settled(client.hset(key, 'name', value, 'age', random.below(99)));
    if (choice < 6) return settled(client.hset(key, 'city', value));
    if (choice < 9) return settled(client.hincrby(key, 'age', 1));
    if (choice < 10) return settled(client.hdel(key, random.pick(['name', 'age', 'city'])));
    if (choice < 12) return settled(client.del(key));
    if (choice < 14) return settled(client.rename(key, this.#key()));
    if (choice < 17) return settled(client.call('COPY', key, this.#key(), 'REPLACE'));
    if (choice < 18) return settled(client.pexpire(key, random.between(1, 400)));
    if (choice < 19) return settled(client.persist(key));
    return settled(client.call('SET', key, 'no hash'));
  }
}

/** Chainable commands of a MULTI give no promise. */
function settled(answer: unknown): Promise<unknown> {
  return Promise.resolve(answer);
}

async function hashesAsRows(client: Redis, prefix: string, names: readonly string[]): Promise<Record<string, string>> {
  const rows: Record<string, string> = {};
  for (const key of await client.keys(`${prefix}:*`)) {
    if ((await client.type(key)) !== 'hash') continue;
    const hash = await client.hgetall(key);
    rows[key.slice(prefix.length + 1)] = names.map((name) => hash[name] ?? 'null').join(',');
  }
  return rows;
}

async function rowsEqualHashes(pipeline: TestPipeline, mapping: string, names: readonly string[]): Promise<void> {
  const { client } = pipeline.redis;
  const [rows, hashes] = [await pipeline.rows(mapping), await hashesAsRows(client, mapping, names)];
  const different = [...new Set([...Object.keys(rows), ...Object.keys(hashes)])].filter(
    (id) => rows[id] !== hashes[id],
  );
  const told = different.map((id) => `${mapping}:${id} is ${hashes[id] ?? 'gone'}, its row ${rows[id] ?? 'gone'}`);
  assert.deepEqual(told, []);
}

/** Nothing expires any more. */
async function calm(client: Redis): Promise<void> {
  const keys = await client.keys('*');
  for (const key of keys) await client.persist(key);
}

async function filled(source: TestSource): Promise<void> {
  await until('the mapping is filled', () => source.lines.some(({ msg }) => msg === 'the mapping is filled'), {
    timeoutMs: 60_000,
  });
}

test('rule 8: under random commands, mappings that are added, go, come back and grow end as their hashes, no event twice', async (t) => {
  const seed = seedOfTest();
  t.diagnostic(`AFTERWRITE_SEED=${seed}`);
  const random = new Random(seed);
  const pipeline = await TestPipeline.open(t, { mappings: { person, car: grown } });
  const { client } = pipeline.redis;
  const fill = client.pipeline();
  for (let n = 0; n < CARS; n += 1) fill.hset(`car:${n}`, 'name', `n${n}`, 'age', n % 90, 'city', `c${n % 7}`);
  for (let n = 0; n < HOT; n += 1) fill.hset(`draft:${n}`, 'name', 'draft');
  await fill.exec();
  const disturbance = new Disturbance(t, client, random);
  const life = async (
    mappings: Record<string, object>,
    fills: boolean,
    check: readonly [string, readonly string[]][],
  ): Promise<void> => {
    disturbance.start();
    const source = pipeline.start({ mappings });
    if (fills) await filled(source);
    await until(
      'some commands more',
      (
        (from) => () =>
          disturbance.done > from + 300
      )(disturbance.done),
    );
    await disturbance.stop();
    await calm(client);
    await source.caughtUp();
    for (const [name, names] of check) await rowsEqualHashes(pipeline, name, names);
    t.diagnostic(
      `${JSON.stringify(Object.keys(mappings))}: ${disturbance.done} commands, ${JSON.stringify(await source.links())}`,
    );
    if (fills) assert.deepEqual(await source.links(), { continued: 1, full: 0 });
    disturbance.start();
    await source.stop();
  };
  try {
    const two = ['name', 'age'];
    await life({ person }, false, [['person', two]]);
    await life({ person, car }, true, [
      ['person', two],
      ['car', two],
    ]);
    await life({ person }, false, [['person', two]]);
    await life({ person, car }, true, [
      ['person', two],
      ['car', two],
    ]);
    await life({ person, car: grown }, true, [
      ['person', two],
      ['car', [...two, 'city']],
    ]);
  } finally {
    // Before its server ends.
    await disturbance.stop();
  }
});
