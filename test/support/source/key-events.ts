import assert from 'node:assert/strict';
import { startRedis, type TestRedis } from '../redis.ts';
import type { Scope } from '../scope.ts';
import { until } from '../until.ts';
import { TestPipeline, type ConfigParts } from './pipeline.ts';
import { PART, PATIENCE, type TestSource } from './source.ts';

/** The least that a user needs for the source's notification mode, over `person:*` of database 0. */
export const LEAST_RIGHTS =
  'on >secret resetkeys %R~person:* resetchannels &__keyspace@0__:person:* -@all +psubscribe +ping +scan ' +
  '+hgetall +pexpiretime +time +info +role +config|get';

/** A server that sends key events, with a user `events` that may follow them and not replicate. */
export async function startKeyEvents(scope: Scope, args: readonly string[] = []): Promise<TestRedis> {
  const redis = await startRedis(scope, ['--notify-keyspace-events', 'KA', ...args]);
  await redis.client.call('ACL', 'SETUSER', 'events', ...LEAST_RIGHTS.split(' '));
  return redis;
}

/** A pipeline over a server that does not replicate to it. */
export async function openKeyEvents(
  scope: Scope,
  parts: ConfigParts = {},
  redisArgs: readonly string[] = [],
): Promise<TestPipeline> {
  const redis = await startKeyEvents(scope, redisArgs);
  const source = { username: 'events', password: 'secret', ...parts.source };
  return await TestPipeline.open(scope, { ...parts, source }, { redis });
}

/** Waits until the source follows key events. @throws what ended it instead */
export async function follows(source: TestSource): Promise<void> {
  await Promise.race([
    until('the source follows key events', () => source.worker.ready()[PART]?.ok, PATIENCE),
    source.failed().then((error) => {
      throw error;
    }),
  ]);
}

/** Waits until the rows of `person` are these, by key: `name,age`. */
export async function rowsBecome(pipeline: TestPipeline, expected: Readonly<Record<string, string>>): Promise<void> {
  let last: unknown;
  await until(
    'the rows of the topic',
    async () => {
      last = await pipeline.rows();
      assert.deepEqual(last, expected);
      return true;
    },
    { timeoutMs: 60_000, everyMs: 100 },
  );
}

/** What its shard tells of itself. */
export function detailsOf({ worker }: TestSource): Readonly<Record<string, unknown>> {
  return { ...worker.ready()[PART]?.details };
}
