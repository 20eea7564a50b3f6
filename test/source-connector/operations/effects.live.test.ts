import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { OneMaster } from '../../../clients/redis/index.ts';
import { Effects } from '../../../source-connector/operations/effects.ts';
import type { RecordedEffect } from '../../../source-connector/record/recorder.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

/** What `+id` of `person:<n>` asks for. */
function effectOf(n: number): RecordedEffect {
  const id = Buffer.from(`id${n}`);
  return {
    db: 0,
    key: Buffer.from(`person:${n}`),
    value: Buffer.concat([Buffer.from('+'), id]),
    hash: null,
    removes: false,
    id,
    failed: false,
    again: false,
    version: 1_700_000_000_000_000 + n,
    failure: undefined,
  };
}

/** Hashes with `+id`, and a queue of effects that their commits have released. */
async function begin(t: TestContext, count: number) {
  const redis = await startRedis(t);
  const { client } = redis;
  const writes = client.pipeline();
  for (let n = 0; n < count; n++) writes.hset(`person:${n}`, 'name', 'Ann', '#', `+id${n}`);
  await writes.exec();
  const waits: string[] = [];
  let waiting = 0;
  const news = {
    effectsWait: ({ message }: Error) => waits.push(message),
    unacknowledged: () => undefined,
    effectsWaiting: (left: number) => (waiting = left),
  };
  const master = new OneMaster(() => Promise.resolve({ host: '127.0.0.1', port: redis.port }));
  const effects = new Effects(master, news, new AbortController().signal);
  t.after(() => effects.close());
  return {
    redis,
    begin: (from = 0, to = count) => {
      effects.begin(Array.from({ length: to - from }, (_, n) => effectOf(from + n)));
    },
    room: () => effects.room(),
    waits,
    waiting: () => waiting,
  };
}

/** How many scripts the server has run. */
async function scripts({ client }: TestRedis): Promise<number> {
  const info = await client.info('commandstats');
  return ['eval', 'evalsha'].reduce((sum, name) => {
    const [, calls = '0', failed = '0'] =
      new RegExp(`^cmdstat_${name}:calls=(\\d+).*failed_calls=(\\d+)`, 'm').exec(info) ?? [];
    return sum + Number(calls) - (name === 'evalsha' ? Number(failed) : 0);
  }, 0);
}

async function assertAllDone({ client }: TestRedis, count: number): Promise<void> {
  const asked = client.pipeline();
  for (let n = 0; n < count; n++) asked.xlen(`{person:${n}}id${n}`).hexists(`person:${n}`, '#');
  const replies = (await asked.exec()) ?? [];
  assert.deepEqual([...new Set(replies.map(([, reply], index) => `${index % 2} ${String(reply)}`))], ['0 1', '1 0']);
}

test('rule 22: an effect that fails waits alone: what was sent with it, before or after, is done once', async (t) => {
  const count = 3000;
  const { redis, begin: go, room, waits, waiting } = await begin(t, count);
  // A stream that takes no entry any more: that effect fails until somebody acts.
  const last = '18446744073709551615-18446744073709551615';
  await redis.client.xadd('{person:1234}id1234', last, 'status', 'taken');
  go();
  await until('all others are done', () => waiting() === 1, { timeoutMs: 30_000, everyMs: 10 });
  await room();
  assert.match(waits[0] ?? '', /The stream has exhausted the last possible ID/);
  const run = await scripts(redis);
  assert.ok(run <= count + waits.length + 50, `${run} scripts for ${count} effects, after ${waits.length} waits`);
  await redis.client.del('{person:1234}id1234');
  await until('it is done, too', () => waiting() === 0, { timeoutMs: 30_000, everyMs: 10 });
  await assertAllDone(redis, count);
});

test('rule 22: a master that stands still for longer than anybody waits for it loses and doubles nothing', async (t) => {
  const count = 3000;
  const { redis, begin: go, waits, waiting } = await begin(t, count);
  go(0, 1);
  await until('the master is connected', () => waiting() === 0);
  // It reads nothing meanwhile, and afterwards does what was sent to it before.
  const nap = redis.client.call('DEBUG', 'SLEEP', '14');
  go(1);
  await nap;
  await until('all effects are done', () => waiting() === 0, { timeoutMs: 30_000, everyMs: 10 });
  assert.match(waits[0] ?? '', /REDIS_LINK_LOST: EVALSHA was not answered/);
  await assertAllDone(redis, count);
  const run = await scripts(redis);
  assert.ok(run <= count + 500, `${run} scripts for ${count} effects`);
});
