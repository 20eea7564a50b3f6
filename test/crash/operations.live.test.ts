import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import pg from 'pg';
import { freePort } from '../../services/ports.ts';
import { Connector } from '../support/processes.ts';
import { Random, seedOfTest } from '../support/random.ts';
import { createDatabase, type TestDatabase } from '../support/sink/database.ts';
import { person, TestPipeline } from '../support/source/pipeline.ts';
import { PATIENCE } from '../support/source/source.ts';
import { until, untilEqual } from '../support/until.ts';

const KILLS = 12;
const TIMEOUT = '3s';
/** Longer than that: what is written through meanwhile fails. */
const LOCKED_MS = 5000;

/** Fields of a hash, and whether it is there at all. */
type Hash = Readonly<Record<string, string>>;

test('rules 22, 23: random kill -9 of source and sink, and a locked table, amid operations and writes through: rows equal hashes, and each client is told once', async (t) => {
  const seed = seedOfTest();
  t.diagnostic(`AFTERWRITE_SEED=${seed}`);
  const random = new Random(seed);
  const database = await createDatabase(t);
  const httpPort = await freePort();
  const pipeline = await TestPipeline.open(t, {
    mappings: { person: { ...person, table: 'persons', writeThrough: { timeout: TIMEOUT }, acknowledge: ['pg'] } },
    sinks: { pg: { ...database.sinkOptions, create: true, batch: { linger: '1ms' }, http: { port: httpPort } } },
  });
  const source = await pipeline.process();
  const args = ['sink', 'pg', '-c', join(pipeline.folder, 'afterwrite.yaml')];
  const sink = new Connector(t, { name: 'sink', args, folder: pipeline.folder, httpPort });
  t.after(() => sink.kill());
  source.start();
  sink.start();
  await Promise.all([source.ready(), sink.ready()]);

  const clients = new Clients(pipeline.redis.client, database);
  const fresh = (): Random => new Random(random.below(2 ** 31));
  const running = Promise.all([
    ...['t1', 't2', 't3', 't4'].map((name) => clients.writeThrough(fresh(), name)),
    clients.hold(fresh(), 'h1'),
    clients.operate(fresh(), ['o1', 'o2', 'o3', 'o4', 'o5']),
    ...['m1', 'm2'].map((name) => clients.mix(fresh(), name)),
  ]);
  // What they find is told when they are asked to end.
  running.catch(() => undefined);
  for (let kill = 1; kill <= KILLS; kill++) {
    await wait(random.between(300, 3000));
    const victims = random.pick([[source], [sink], [source, sink]]);
    await Promise.all(victims.map((victim) => victim.kill()));
    for (const victim of victims) victim.start();
    if (kill % 4 === 0) await lockRows(database);
  }
  clients.stop();
  await running;

  await Promise.all([source.ready(), sink.ready()]);
  await pipeline.caughtUp();
  await clients.checkAllTold();
  const rows = await clients.expectedRows();
  await untilEqual('rows equal hashes', rows, () => rowsOf(database), PATIENCE);
  const { client } = pipeline.redis;
  assert.deepEqual(await client.keys('__{*}'), [], 'nothing is staged');
  for (const key of await client.keys('person:*'))
    assert.equal(await client.hexists(key, '#'), 0, `${key} is rid of #`);
  await pipeline.history();
  t.diagnostic(`${JSON.stringify(clients.counts)}; ${rows.length} rows`);
  for (const [what, count] of Object.entries(clients.counts)) assert.ok(count > 0, `no ${what}`);
  await Promise.all([source.stop(), sink.stop()]);
});

/** Clients of one mapping, each with keys of its own, that write until they are stopped. */
class Clients {
  /** What happened, so that a test that showed nothing fails. */
  readonly counts = { done: 0, failed: 0, held: 0, operations: 0 };
  readonly #redis: Redis;
  readonly #database: TestDatabase;
  readonly #stop = new AbortController();
  /** Streams of which nobody waits for an entry. */
  readonly #unread: string[] = [];
  #ids = 0;

  constructor(redis: Redis, database: TestDatabase) {
    this.#redis = redis;
    this.#database = database;
  }

  stop(): void {
    this.#stop.abort();
  }

  /** Writes through a key that nobody else writes: after each verdict the hash, and after each success the row, is right. */
  async writeThrough(random: Random, name: string): Promise<void> {
    const key = `person:${name}`;
    let hash: Hash = {};
    while (!this.#stop.signal.aborted) {
      const isDelete = random.chance(0.2);
      const fields = isDelete ? {} : someFields(random);
      const status = await this.#through(key, isDelete ? '~' : '=', fields);
      if (status === 'done') hash = isDelete ? {} : { ...hash, ...fields };
      this.counts[status]++;
      assert.deepEqual(await this.#redis.hgetall(key), hash, `${key} after ${status}`);
      if (status === 'done') {
        const row = await this.#database.rows(`SELECT * FROM $schema.persons WHERE id = '${name}'`);
        assert.deepEqual(row.map(textOf), rowOf(name, hash), `the row of ${key} when its client is told`);
      }
    }
  }

  /** Writes a hash that the databases never see, and is told so by the source. */
  async hold(random: Random, name: string): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const id = this.#nextId();
      await this.#redis.hset(`person:${name}`, { ...someFields(random), '#': `+${id}` });
      assert.deepEqual(await this.#told(`person:${name}`, id), ['status done sink source']);
      this.counts.held++;
    }
  }

  /** Writes and removes hashes, with and without an operation, and waits for nothing. */
  async operate(random: Random, names: readonly [string, ...string[]]): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#plain(random, `person:${random.pick(names)}`);
      await this.#operation(random, `person:${random.pick(names)}`);
      await wait(random.between(1, 15));
    }
  }

  /** Does all of it to one key at once. */
  async mix(random: Random, name: string): Promise<void> {
    const key = `person:${name}`;
    while (!this.#stop.signal.aborted) {
      const through = this.#through(key, random.chance(0.2) ? '~' : '=', someFields(random));
      for (let step = random.between(0, 3); step > 0; step--) {
        await wait(random.between(0, 20));
        await (random.chance(0.5) ? this.#plain(random, key) : this.#operation(random, key));
      }
      await through;
    }
  }

  /** Waits until each id that nobody waited for was told of, once. */
  async checkAllTold(): Promise<void> {
    for (const stream of this.#unread) {
      const entries = await until(`an entry of ${stream}`, () => this.#entries(stream), PATIENCE);
      assert.deepEqual(entries, ['status done sink pg'], stream);
    }
  }

  /** The rows that belong to the hashes that there are; held ones have none. */
  async expectedRows(): Promise<string[]> {
    const rows: string[] = [];
    for (const key of (await this.#redis.keys('person:[^h]*')).sort())
      rows.push(...rowOf(key.replace('person:', ''), await this.#redis.hgetall(key)));
    return rows;
  }

  async #plain(random: Random, key: string): Promise<void> {
    const dice = random.next();
    if (dice < 0.1) await this.#redis.del(key);
    else if (dice < 0.2) await this.#redis.hdel(key, random.pick(['name', 'age']));
    else await this.#redis.hset(key, someFields(random));
  }

  async #operation(random: Random, key: string): Promise<void> {
    const id = this.#nextId();
    const isDelete = random.chance(0.2);
    await this.#redis.hset(key, { ...(isDelete ? {} : someFields(random)), '#': `${isDelete ? '~' : '='}${id}` });
    this.#unread.push(`{${key}}${id}`);
    this.counts.operations++;
  }

  async #through(key: string, operation: string, fields: Hash): Promise<'done' | 'failed'> {
    const id = this.#nextId();
    await this.#redis.hset(`__{${key}}`, { ...fields, '#': `${operation}${id}` });
    const [entry = '', ...others] = await this.#told(key, id);
    assert.deepEqual(others, [], `${key} ${id} was told more than once`);
    return entry.startsWith('status done') ? 'done' : 'failed';
  }

  async #told(key: string, id: string): Promise<string[]> {
    return await until(`an entry of {${key}}${id}`, () => this.#entries(`{${key}}${id}`), PATIENCE);
  }

  async #entries(stream: string): Promise<string[] | undefined> {
    const entries = await this.#redis.xrange(stream, '-', '+');
    return entries.length > 0 ? entries.map(([, fields]) => fields.join(' ')) : undefined;
  }

  #nextId(): string {
    return `id${++this.#ids}`;
  }
}

function someFields(random: Random): Hash {
  const name = { name: `name ${random.below(1000)}` };
  const age = { age: String(random.below(100)) };
  return random.pick<Hash>([name, age, { ...name, ...age }]);
}

/** The row of a hash: none where there is no hash. */
function rowOf(id: string, hash: Hash): string[] {
  return Object.keys(hash).length === 0 ? [] : [textOf({ id, name: hash['name'] ?? null, age: hash['age'] ?? null })];
}

function textOf({ id, name, age }: Readonly<Record<string, unknown>>): string {
  return [id, name, age].map(String).join(' ');
}

async function rowsOf(database: TestDatabase): Promise<string[]> {
  return (await database.rows('SELECT * FROM $schema.persons ORDER BY id')).map(textOf).sort();
}

/** Keeps the sink from its table for longer than a write through may take. */
async function lockRows({ url, schema }: TestDatabase): Promise<void> {
  const locker = new pg.Client(url);
  await locker.connect();
  try {
    await locker.query(`BEGIN; LOCK TABLE ${schema}.persons IN EXCLUSIVE MODE`);
    await wait(LOCKED_MS);
    await locker.query('COMMIT');
  } finally {
    await locker.end();
  }
}
