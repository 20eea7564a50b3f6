import { setTimeout as wait } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { Redis } from 'ioredis';
import pg from 'pg';
import { reasonOf } from '../ops/errors/index.ts';
import { DemoPipeline } from './demo-pipeline.ts';
import { startService, type RunningService } from './index.ts';

/** Rows of a table by primary key. */
type Rows = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

/** How long a change may take to become a row, ms: it is a limit for what never comes. */
const PATIENCE = 30_000;

/**
 * `npm run demo`: starts real servers, a source and a sink, writes hashes, and shows the rows that they become. With
 * `--once` it checks every row, stops what it started and ends; otherwise it goes on until Ctrl-C.
 * @returns the exit code
 */
export async function demo(args: readonly string[]): Promise<number> {
  const stopping = new AbortController();
  const onSignal = (): void => {
    stopping.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const ends: (() => Promise<void>)[] = [];
  try {
    await show(args.includes('--once'), stopping.signal, ends);
    return 0;
  } catch (error) {
    if (stopping.signal.aborted) return 0;
    console.error(`\n${reasonOf(error)}`);
    return 1;
  } finally {
    console.log('\nStopping what was started …');
    for (const end of ends.reverse())
      await end().catch((error: unknown) => {
        console.error(reasonOf(error));
      });
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

async function show(once: boolean, signal: AbortSignal, ends: (() => Promise<void>)[]): Promise<void> {
  console.log(
    'Starting Redis, Kafka, a schema registry and PostgreSQL (the first time they are fetched, which takes minutes) …',
  );
  const start = async (name: 'redis' | 'kafka' | 'registry' | 'postgres'): Promise<RunningService> => {
    const server = await startService(name);
    ends.push(() => server.dispose());
    console.log(`  ${name.padEnd(9)} ${server.address}`);
    return server;
  };
  const [redisServer, kafka, registry, postgres] = await Promise.all([
    start('redis'),
    start('kafka'),
    start('registry'),
    start('postgres'),
  ]);
  signal.throwIfAborted();
  const redis = new Redis(redisServer.address);
  redis.on('error', () => undefined);
  const database = new pg.Pool({ connectionString: postgres.address });
  database.on('error', () => undefined);
  ends.push(async () => {
    redis.disconnect();
    await database.end();
  });

  console.log('\nFour hashes are in Redis before anything captures them:');
  await write(redis, ['HSET', 'person:1', 'first_name', 'Marek', 'last_name', 'Michalski', 'age', '27']);
  await write(redis, ['HSET', 'person:2', 'first_name', 'Ann', 'last_name', 'Berg', 'age', '41']);
  await write(redis, ['HSET', 'cars:1', 'id', '1', 'color', 'red']);
  await write(redis, ['HSET', 'cars:2', 'id', '2', 'color', 'blue']);

  const pipeline = await DemoPipeline.start({
    redis: redisServer.address,
    kafka: kafka.address,
    registry: registry.address,
    postgres: postgres.address,
  });
  ends.push(() => pipeline.stop());
  await pipeline.ready(signal);
  const tables = new Tables(redis, database);
  await tables.showWhenRight('They are rows now, read from a snapshot:', signal);

  console.log('\nChanges, captured from the replication stream:');
  await write(redis, ['HSET', 'person:1', 'age', '28']);
  await write(redis, ['HINCRBY', 'person:2', 'age', '1']);
  await write(redis, ['HSET', 'person:3', 'first_name', 'Zoë', 'last_name', 'Ødegård']);
  await write(redis, ['RENAME', 'cars:2', 'cars:20']);
  await write(redis, ['DEL', 'cars:1']);
  await redis.multi().hset('cars:7', { id: '7', color: 'green' }).hset('person:3', { age: '33' }).exec();
  console.log('  MULTI; HSET cars:7 id 7 color green; HSET person:3 age 33; EXEC');
  await tables.showWhenRight('The rows have followed:', signal);
  if (once) {
    console.log('\nEvery row equals its hash.');
    return;
  }
  console.log(`\nEvery row equals its hash. Write to ${redisServer.address} yourself, or watch; Ctrl-C ends the demo.`);
  console.log(`The configuration and the logs are in ${pipeline.folder}`);
  await goOn(redis, tables, signal);
}

/** Changes a hash every two seconds. */
async function goOn(redis: Redis, tables: Tables, signal: AbortSignal): Promise<void> {
  const colors = ['red', 'green', 'blue', 'white', 'black'];
  for (let i = 0; !signal.aborted; i++) {
    await wait(2000, undefined, { signal });
    await write(redis, ['HSET', `cars:${i % 5}`, 'id', String(i % 5), 'color', colors[(i * 7) % 5] ?? 'red']);
    await tables.showWhenRight('', signal);
  }
}

async function write(redis: Redis, [name = '', ...args]: readonly string[]): Promise<void> {
  await redis.call(name, ...args);
  console.log(`  ${[name, ...args].join(' ')}`);
}

/** Compares tables with hashes, which it reads itself. */
class Tables {
  readonly #redis: Redis;
  readonly #database: pg.Pool;

  constructor(redis: Redis, database: pg.Pool) {
    this.#redis = redis;
    this.#database = database;
  }

  /** Waits until every row equals its hash, and prints the tables. @throws Error with the difference when it never comes */
  async showWhenRight(title: string, signal: AbortSignal): Promise<void> {
    const started = performance.now();
    for (;;) {
      signal.throwIfAborted();
      const [persons, cars] = await Promise.all([this.#rows('persons', 'person_id'), this.#rows('cars', 'car_id')]);
      const [people, vehicles] = await Promise.all([
        this.#expected('person:', personOf),
        this.#expected('cars:', carOf),
      ]);
      if (isDeepStrictEqual(persons, people) && isDeepStrictEqual(cars, vehicles)) {
        console.log(`\n${title} (${Math.round(performance.now() - started)} ms)`);
        console.table(Object.fromEntries([...persons].map(([id, row]) => [`persons ${id}`, row])));
        console.table(Object.fromEntries([...cars].map(([id, row]) => [`cars ${id}`, row])));
        return;
      }
      if (performance.now() - started > PATIENCE) {
        const seen = JSON.stringify([...persons, ...cars]);
        throw new Error(
          `After ${PATIENCE / 1000} s the rows are ${seen}, and should be ${JSON.stringify([...people, ...vehicles])}`,
        );
      }
      await wait(20, undefined, { signal });
    }
  }

  async #rows(table: 'persons' | 'cars', key: 'person_id' | 'car_id'): Promise<Rows> {
    const { rows } = await this.#database.query<Record<string, unknown>>(`SELECT * FROM ${table} ORDER BY ${key}`);
    return new Map(rows.map(({ [key]: id, ...row }) => [String(id), row]));
  }

  async #expected(prefix: string, rowOf: (hash: Record<string, string>) => Record<string, unknown>): Promise<Rows> {
    const keys = (await this.#redis.keys(`${prefix}*`)).sort();
    const rows = await Promise.all(
      keys.map(async (key) => [key.slice(prefix.length), rowOf(await this.#redis.hgetall(key))] as const),
    );
    return new Map(rows.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

function personOf({ first_name: first, last_name: last, age }: Record<string, string>): Record<string, unknown> {
  return { first: first ?? null, last: last ?? null, age: age === undefined ? null : Number(age) };
}

function carOf({ id, color }: Record<string, string>): Record<string, unknown> {
  return { id: id ?? null, color: color ?? null };
}
