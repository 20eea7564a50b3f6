import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import type pg from 'pg';
import type { Benchmark } from '../benchmark.ts';
import { Cleanup } from '../cleanup.ts';
import { figureOf, percentile, type Figure } from '../figure.ts';
import { keyOf } from '../hashes.ts';
import { startDatabase, type Database } from '../pipeline/database.ts';
import { startServers, type Servers } from '../servers.ts';
import { makeSetup, startSink, startSource, untilReady } from '../setup.ts';

const PIPELINE = 'bench_through';
const MAPPING = 'person';
const SINK = 'warehouse';
/** How long an answer may take, ms: on a machine that is busy with other things, Kafka may pause for longer than clients wait. */
const PATIENCE = 60_000;

interface Plan {
  readonly warmUp: number;
  readonly samples: number;
}

const fullPlan: Plan = { warmUp: 30, samples: 400 };
const quickPlan: Plan = { warmUp: 2, samples: 10 };

/** Times in ms. */
interface Times {
  readonly through: number[];
  readonly behind: number[];
  readonly direct: number[];
}

/** How long a client waits for a row to be in PostgreSQL: written through, acknowledged behind, or by itself. */
export const writeThrough: Benchmark = async ({ quick, say }) => {
  const cleanup = new Cleanup();
  try {
    say('starting servers');
    const servers = await startServers(cleanup);
    const database = await startDatabase(cleanup, servers);
    const times = await measure(cleanup, servers, database, quick ? quickPlan : fullPlan, say);
    return figuresOf(times);
  } finally {
    await cleanup.close();
  }
};

async function measure(
  cleanup: Cleanup,
  servers: Servers,
  { kind, address, pool }: Database,
  { warmUp, samples }: Plan,
  say: (line: string) => void,
): Promise<Times> {
  const setup = await makeSetup(servers, {
    pipeline: PIPELINE,
    redis: servers.redis.url,
    mappings: [MAPPING],
    mapping: { table: PIPELINE, writeThrough: { timeout: PATIENCE }, acknowledge: [SINK] },
    sourceBatch: 10_000,
    sinks: { [SINK]: kind.sinkOptions(address) },
  });
  const source = startSource(cleanup, setup);
  const sink = startSink(cleanup, setup, SINK);
  await Promise.all([untilReady(source, setup.ports.source), untilReady(sink, setup.ports.sink)]);
  const direct = `${PIPELINE}_direct`;
  await pool.query(`CREATE TABLE ${direct} (person_id text PRIMARY KEY, first text, last text, age integer)`);
  const client = new Redis(servers.redis.url);
  cleanup.after(() => {
    client.disconnect();
    return Promise.resolve();
  });
  const times: Times = { through: [], behind: [], direct: [] };
  say(`${samples} rows each, one after the other`);
  for (let number = 0; number < warmUp + samples; number++) {
    // One after the other, so that all have the same machine.
    const through = await timeOf(() => write(client, `__{${keyOf(MAPPING, number)}}`, keyOf(MAPPING, number), number));
    const key = keyOf(MAPPING, -1 - number);
    const behind = await timeOf(() => write(client, key, key, number));
    const inserted = await timeOf(() => insert(pool, direct, number));
    if (number < warmUp) continue;
    times.through.push(through);
    times.behind.push(behind);
    times.direct.push(inserted);
  }
  await Promise.all([source.stop(), sink.stop()]);
  return times;
}

async function timeOf(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Writes a hash at a key, with an id, and waits until it is told that the row is written. */
async function write(client: Redis, at: string, key: string, number: number): Promise<void> {
  const id = randomUUID();
  await client.hset(at, 'first_name', 'Ada', 'last_name', `Lovelace${number}`, 'age', number % 120, '#', `=${id}`);
  const answer = await client.xread('BLOCK', PATIENCE, 'STREAMS', `{${key}}${id}`, '0-0');
  const said = answer?.[0]?.[1][0]?.[1].join(' ') ?? 'nothing';
  if (!said.startsWith('status done')) throw new Error(`${at} was answered with ${said}`);
}

async function insert(pool: pg.Pool, table: string, number: number): Promise<void> {
  await pool.query({
    name: 'insert',
    text:
      `INSERT INTO ${table} (person_id, first, last, age) VALUES ($1, $2, $3, $4) ON CONFLICT (person_id) DO UPDATE ` +
      'SET first = excluded.first, last = excluded.last, age = excluded.age',
    values: [String(number), 'Ada', `Lovelace${number}`, number % 120],
  });
}

function figuresOf({ through, behind, direct }: Times): Figure[] {
  const shares = [
    ['p50', 0.5],
    ['p99', 0.99],
  ] as const;
  const against = [
    ['write-through', 'acknowledged write-behind', through, behind],
    ['write-through', 'INSERT by the driver', through, direct],
    ['acknowledged write-behind', 'INSERT by the driver', behind, direct],
  ] as const;
  return against.flatMap(([name, limitName, times, limits]) =>
    shares.map(([share, at]) =>
      figureOf(`${name}: ${share}`, 'ms', limitName, { value: percentile(times, at), limit: percentile(limits, at) }),
    ),
  );
}
