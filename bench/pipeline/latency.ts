import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type pg from 'pg';
import { keyOf, scattered } from '../hashes.ts';
import { mappingName } from './database.ts';
import type { Plan } from './plan.ts';

/** Latencies of the samples and gaps between two looks at the database, ms. */
export interface Latencies {
  readonly latencies: readonly number[];
  readonly gaps: readonly number[];
}

/** After the last HSET, the samples under way have this long to appear, ms. */
const patience = 30_000;

/**
 * Writes hashes at a steady rate, and looks for some of them in the database. Most commands change hashes that have a
 * row already; the samples are new hashes, whose rows are asked for, by their keys, all the time. One process writes,
 * looks and reads one clock. A look sees a row up to one gap after it became visible: that is the resolution.
 */
export async function measureLatency(
  redis: Redis,
  pool: pg.Pool,
  table: string,
  plan: Pick<Plan, 'latency' | 'hashes'>,
): Promise<Latencies> {
  const samples = new Samples();
  const writing = writeSteadily(redis, plan, samples);
  const looking = look(pool, table, samples);
  await writing;
  samples.isComplete = true;
  return { latencies: samples.latencies, gaps: await looking };
}

class Samples {
  /** When each row that was not seen yet was written, by its key's number. */
  readonly waiting = new Map<number, number>();
  readonly latencies: number[] = [];
  isComplete = false;
}

async function writeSteadily(redis: Redis, { latency, hashes }: Pick<Plan, 'latency' | 'hashes'>, samples: Samples) {
  const { rate, warmUpSeconds, seconds, sampleEvery } = latency;
  const startedAt = performance.now();
  const total = rate * (warmUpSeconds + seconds);
  for (let sent = 0; sent < total;) {
    const due = Math.min(total, ((performance.now() - startedAt) / 1000) * rate);
    for (; sent < due; sent++) {
      const isSample = sent % sampleEvery === 0;
      const number = isSample ? hashes + sent : scattered(sent, hashes);
      if (isSample && sent >= rate * warmUpSeconds) samples.waiting.set(number, performance.now());
      void redis.hset(
        keyOf(mappingName, number),
        'first_name',
        'Grace',
        'last_name',
        `Hopper${sent}`,
        'age',
        sent % 120,
      );
    }
    await wait(1);
  }
}

/** @returns the gaps between looks, ms */
async function look(pool: pg.Pool, table: string, samples: Samples): Promise<number[]> {
  const text = `SELECT person_id FROM ${table} WHERE person_id = ANY ($1::text[])`;
  const gaps: number[] = [];
  let lookedAt = performance.now();
  let deadline = Infinity;
  while (!samples.isComplete || samples.waiting.size > 0) {
    if (samples.isComplete && deadline === Infinity) deadline = performance.now() + patience;
    if (performance.now() > deadline) throw new Error(`${samples.waiting.size} rows never appeared`);
    const wanted = [...samples.waiting.keys()].map(String);
    const { rows } = await pool.query<{ person_id: string }>({ name: 'look', text, values: [wanted] });
    const now = performance.now();
    for (const { person_id: id } of rows) {
      samples.latencies.push(now - (samples.waiting.get(Number(id)) ?? NaN));
      samples.waiting.delete(Number(id));
    }
    gaps.push(now - lookedAt);
    lookedAt = now;
    await wait(1);
  }
  return gaps;
}
