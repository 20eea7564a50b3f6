import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Redis } from 'ioredis';
import { projectFolder } from '../../services/folders.ts';
import { startRedis } from '../support/redis.ts';
import { person, TestPipeline } from '../support/source/pipeline.ts';
import { PATIENCE, type TestSource } from '../support/source/source.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'xyzzy';
/** An eviction takes any key, so there is one of no interest to be taken. */
const redisArgs = ['--maxmemory-policy', 'volatile-lru', '--notify-keyspace-events', 'Ee', '--maxmemory', '1gb'];

/** The rules that the documentation gives to a source's user, in the order of its lines. */
async function documented(): Promise<string[]> {
  const text = await readFile(join(projectFolder, 'docs', 'redis.md'), 'utf8');
  const [, command = ''] = /^ACL SETUSER afterwrite (on[^]*?)```/m.exec(text) ?? [];
  const rules = command.split(/[\s\\]+/).filter((rule) => rule !== '');
  assert.ok(rules.includes('>PASSWORD') && rules.includes('+psync') && rules.includes('~person:*'), command);
  return rules.map((rule) => (rule === '>PASSWORD' ? `>${PASSWORD}` : rule));
}

/**
 * Something of everything that a source asks beside the link: a key from outside, an expiry, evictions.
 * @param past waits until the source knows a moment behind this one
 */
async function use(client: Redis, past: (moment: number) => Promise<void>): Promise<void> {
  await client.hset('draft', 'name', 'from outside');
  await client.rename('draft', 'person:1');
  // Its expiry is noticed when somebody asks.
  await client.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0');
  await client.hset('person:2', 'name', 'expires');
  await client.pexpire('person:2', 1);
  await past(Date.now() + 1);
  await client.hset('person:3', 'name', 'deleted');
  await client.del('person:3');
  await until('the expiry', async () => (await client.exists('person:2')) === 0);
  await evict(client);
  await client.hset('person:5', 'name', 'last');
}

async function evict(client: Redis): Promise<void> {
  await client.hset('person:4', 'name', 'evicted', 'note', 'x'.repeat(400_000));
  await client.expire('person:4', 10_000);
  await until('an eviction', async () => {
    // What clients need varies, so that one measure is not enough.
    const used = Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1]);
    await client.config('SET', 'maxmemory', used - 100_000);
    return (await client.exists('person:4')) === 0;
  });
  await client.config('SET', 'maxmemory', '1gb');
}

const removals = { deleted: 'delete', expired: 'delete', evicted: 'delete', ambiguous: 'delete' };
const rowsInTheEnd = { 1: 'from outside,null', 5: 'last,null' };

const causes = async (source: TestSource): Promise<Record<string, number>> => {
  const of = (cause: string): Promise<number> =>
    source.count('removals_total', `mapping="person",cause="${cause}",policy="delete"`);
  return { deleted: await of('deleted'), expired: await of('expired'), evicted: await of('evicted') };
};

test('exactly the rights of the documentation carry renames from outside, expiry, evictions, status and a resync', async (t) => {
  const redis = await startRedis(t, redisArgs);
  await redis.client.call('ACL', 'SETUSER', 'afterwrite', ...(await documented()));
  const login = { username: 'afterwrite', password: PASSWORD };
  const parts = { source: login, mappings: { person: { ...person, removals } } };
  const pipeline = await TestPipeline.open(t, parts, { redis });
  const source = pipeline.start();
  await source.caughtUp();
  const past = async (moment: number): Promise<void> => {
    await until(
      'a look at the clock',
      async () => {
        await redis.client.hincrby('person:5', 'age', 1);
        return (await source.caughtUp()).clock > moment;
      },
      PATIENCE,
    );
  };
  await past(0);
  await use(redis.client, past);
  await source.caughtUp();
  assert.equal((await pipeline.rows())[1], rowsInTheEnd[1]);
  assert.deepEqual(await source.links(), { continued: 0, full: 1 }, 'the key from outside was read beside the stream');
  assert.equal(await source.count('key_reads_total'), 1);
  assert.deepEqual(await causes(source), { deleted: 1, expired: 1, evicted: 1 });
  await until('the backlog is known', async () => (await source.count('backlog_bytes')) > 0, PATIENCE);
  await until('what it means to follow a master is told', () => told(source, /attached to a master/), PATIENCE);
  await source.stop();
  await redis.client.hset('person:6', 'name', 'while nobody looked');
  const again = pipeline.start({}, { resync: true });
  await again.caughtUp();
  assert.equal((await pipeline.rows())[6], 'while nobody looked,null');
  for (const { lines } of [source, again]) {
    const text = JSON.stringify(lines);
    assert.doesNotMatch(text, /NOPERM|REDIS_NO_PERMISSION|cannot be/);
    assert.ok(!text.includes(PASSWORD), 'the password is in no line of the log');
  }
});

function told(source: TestSource, text: RegExp): boolean {
  return source.lines.some((line) => text.test(JSON.stringify(line)));
}

test('each right that is left out is named, and nothing is lost', async (t) => {
  const all = await documented();
  const optional = all.filter((rule) => /^[+&~]/.test(rule) && rule !== '+scan' && rule !== '~cars:*');
  assert.ok(optional.length >= 14, optional.join(' '));
  for (const left of optional) {
    await t.test(left, async (t) => {
      const redis = await startRedis(t, redisArgs);
      await redis.client.call('ACL', 'SETUSER', 'afterwrite', ...all.filter((rule) => rule !== left));
      const login = { username: 'afterwrite', password: PASSWORD };
      const parts = { source: login, mappings: { person: { ...person, removals } } };
      const pipeline = await TestPipeline.open(t, parts, { redis });
      const source = pipeline.start();
      if (['+ping', '+psync', '+replconf'].includes(left)) {
        const error = await source.failed();
        assert.equal(error.code, 'REDIS_NO_PSYNC');
        assert.match(error.message, new RegExp(`${left.slice(1)}.*NOPERM.*user afterwrite.*\\${left}`, 'i'));
        return;
      }
      await source.caughtUp();
      await use(redis.client, () => Promise.resolve());
      await source.caughtUp();
      assert.deepEqual(await pipeline.rows(), rowsInTheEnd);
      const namesEvictions = left === '+psubscribe' || left.startsWith('&');
      const expected = left.startsWith('~')
        ? /cannot be read: REDIS_NO_PERMISSION: \w+ .*key/
        : namesEvictions
          ? /does not tell which.*\+psubscribe \+ping &__keyevent@\*__:evicted/
          : new RegExp(`REDIS_NO_PERMISSION: the Redis user afterwrite lacks rights.*\\${left}\\b`);
      const isTold = async (): Promise<boolean> => {
        if (told(source, expected)) return true;
        // An eviction before the first look at the server's counter is not known to be one.
        if (namesEvictions) await evict(redis.client);
        return false;
      };
      await until(`a word of ${left}`, isTold, PATIENCE);
    });
  }
});

for (const first of ['the server', 'the file'] as const) {
  test(`a password that is changed first at ${first}, and then at the other, costs nothing but an attempt`, async (t) => {
    const redis = await startRedis(t);
    const set = (password: string): Promise<unknown> =>
      redis.client.call('ACL', 'SETUSER', 'afterwrite', 'on', 'resetpass', `>${password}`, '~*', '+@all');
    await set('old-secret');
    const folder = await mkdtemp(join(tmpdir(), 'afterwrite-secret-'));
    t.after(() => rm(folder, { recursive: true }));
    const file = join(folder, 'password');
    await writeFile(file, 'old-secret\n');
    const reference = first === 'the server' ? `\${file:${file}}` : `\${command:cat '${file}'}`;
    const login = { username: 'afterwrite', password: reference };
    const pipeline = await TestPipeline.open(t, { source: login }, { redis });
    const source = pipeline.start();
    await redis.client.hset('person:1', 'name', 'before');
    await source.caughtUp();
    const change = { 'the server': () => set('new-secret'), 'the file': () => writeFile(file, 'new-secret\n') };
    await change[first]();
    await redis.client.call('CLIENT', 'KILL', 'USER', 'afterwrite');
    await redis.client.hset('person:2', 'name', 'between');
    await until('the refusal', () => source.codes().includes('REDIS_LOGIN_LOST'), PATIENCE);
    await change[first === 'the file' ? 'the server' : 'the file']();
    await redis.client.hset('person:3', 'name', 'behind');
    await source.caughtUp();
    assert.deepEqual(await pipeline.rows(), { 1: 'before,null', 2: 'between,null', 3: 'behind,null' });
    assert.equal((await source.links()).full, 1, 'the link goes on where it was');
    assert.doesNotMatch(JSON.stringify(source.lines), /(old|new)-secret/);
    await source.stop();
    // What was never taken is not waited for.
    await writeFile(file, 'wrong-secret');
    assert.equal((await pipeline.start().failed()).code, 'REDIS_AUTH');
  });
}
