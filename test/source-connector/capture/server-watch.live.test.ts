import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ServerWatch, type BacklogFacts } from '../../../source-connector/capture/server-watch.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

interface Watched {
  readonly warnings: string[];
  readonly facts: BacklogFacts[];
}

function watch(t: TestContext, { port }: TestRedis, login: { username?: string; password?: string } = {}): Watched {
  const seen: Watched = { warnings: [], facts: [] };
  const server = new ServerWatch({
    endpoint: () => Promise.resolve({ host: '127.0.0.1', port, ...login }),
    toleratedOutageMs: 3_600_000,
    intervalMs: 50,
    onWarning: (message) => seen.warnings.push(message),
    onBacklog: (facts) => seen.facts.push(facts),
  });
  server.start();
  t.after(() => server.close());
  return seen;
}

test('a backlog that an outage outruns is warned of with its numbers, once, and what would do', async (t) => {
  const redis = await startRedis(t);
  const replica = await startRedis(t, ['--replicaof', '127.0.0.1', String(redis.port), '--repl-backlog-size', '16kb']);
  await until('the replica to be connected', async () =>
    (await replica.client.info('replication')).includes('master_link_status:up'),
  );
  const { warnings, facts } = watch(t, replica);
  const value = 'x'.repeat(1000);
  await until('a warning', async () => {
    await redis.client.set('k', value);
    return warnings.length > 0;
  });
  const [, size, rate, needed] =
    /holds (\d+) bytes.* writes (\d+) bytes a second.* repl-backlog-size (\d+)/s.exec(warnings[0] ?? '') ?? [];
  assert.equal(Number(size), 16 * 1024);
  assert.ok(Number(rate) > 0);
  assert.ok(Math.abs(Number(needed) - Number(rate) * 3600) <= 3600, `${needed} for ${rate} bytes a second`);
  // Without writes there is nothing new to tell.
  const looks = facts.length;
  await until('three more looks', () => facts.length >= looks + 3);
  assert.ok(warnings.length < 4, warnings.join('\n'));
  assert.ok(warnings.every((text) => !text.includes('attached to a master')));
});

test('a master is warned of once, also when it becomes one later', async (t) => {
  const redis = await startRedis(t);
  const replica = await startRedis(t, ['--replicaof', '127.0.0.1', String(redis.port)]);
  const { warnings, facts } = watch(t, replica);
  await until('two looks', () => facts.length >= 2);
  assert.equal(warnings.length, 0);
  await replica.client.replicaof('NO', 'ONE');
  await until('a warning', () => warnings.length > 0);
  const looks = facts.length;
  await until('three more looks', () => facts.length >= looks + 3);
  assert.deepEqual(
    warnings.map((text) => text.includes('attached to a master')),
    [true],
  );
});

test('a server that comes back is looked at again, and what a user may not ask is named once', async (t) => {
  const redis = await startRedis(t);
  await redis.client.call('ACL', 'SETUSER', 'less', 'on', '>secret', '+ping');
  const less = watch(t, redis, { username: 'less', password: 'secret' });
  const { facts } = watch(t, redis);
  await until('a look', () => facts.length > 0);
  await redis.server.kill();
  await redis.server.start();
  const looks = facts.length;
  await until('another look', () => facts.length > looks);
  assert.deepEqual(less.facts, []);
  assert.equal(less.warnings.length, 1);
  assert.match(
    less.warnings[0] ?? '',
    /^REDIS_NO_PERMISSION: .* less lacks .*full resync.*expiry.*master.*\+select \+type \+pttl \+hgetall \+time \+info \+multi \+exec \+role\.$/,
  );
});
