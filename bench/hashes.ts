import type { Redis } from 'ioredis';

/** Commands in one write to Redis. */
const chunk = 5000;

/** Ages of hashes that were made lie below this, and those of hashes that were made `older` do not. */
export const agesOfOlder = 100;

/** @param prefix of the mapping's keys */
export function keyOf(prefix: string, number: number): string {
  return `${prefix}:${number}`;
}

/** Writes hashes of three fields. @param older whether two of three have other values, the age among them */
export async function writeHashes(redis: Redis, prefix: string, count: number, older = false): Promise<void> {
  const [lastName, age] = older ? ['King', agesOfOlder] : ['Lovelace', 18];
  await inChunks(redis, count, (pipeline, i) => {
    const fields = ['first_name', `Ada${i % 977}`, 'last_name', `${lastName}${i % 9973}`, 'age', age + (i % 80)];
    pipeline.hset(keyOf(prefix, i), ...fields);
  });
}

/**
 * Changes two fields of hashes in an order that is not that of their making. Every command makes a difference: no two
 * calls with other numbers of the round write the same.
 */
export async function changeHashes(
  redis: Redis,
  prefix: string,
  { hashes, commands, round }: { readonly hashes: number; readonly commands: number; readonly round: number },
): Promise<void> {
  await inChunks(redis, commands, (pipeline, i) => {
    const turn = Math.floor(i / hashes);
    pipeline.hset(keyOf(prefix, scattered(i, hashes)), 'last_name', `Byron${round}-${turn}`, 'age', i % 120);
  });
}

/** The numbers below `count`, one after the other but far from each other. */
export function scattered(i: number, count: number): number {
  // A prime that divides no count in use.
  return (i * 7919) % count;
}

type Pipeline = ReturnType<Redis['pipeline']>;

async function inChunks(redis: Redis, count: number, add: (pipeline: Pipeline, i: number) => void): Promise<void> {
  for (let from = 0; from < count; from += chunk) {
    const pipeline = redis.pipeline();
    for (let i = from; i < Math.min(count, from + chunk); i++) add(pipeline, i);
    const answers = (await pipeline.exec()) ?? [];
    for (const [error] of answers) if (error !== null) throw error;
  }
}
