import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { RedisEndpoint } from '../../../clients/redis/index.ts';
import { MasterClock } from '../../../source-connector/capture/clock.ts';
import { freePort } from '../../../services/index.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

interface Watch {
  readonly clock: MasterClock;
  readonly warnings: readonly string[];
}

/** A clock that samples until the test ends. */
function watch(t: TestContext, redis: TestRedis, more: Partial<RedisEndpoint> = {}): Watch {
  const warnings: string[] = [];
  const clock = new MasterClock({
    endpoint: () => Promise.resolve({ host: '127.0.0.1', port: redis.port, ...more }),
    intervalMs: 10,
    onWarning: (message) => warnings.push(message),
  });
  clock.start();
  t.after(() => clock.close());
  return { clock, warnings };
}

async function replication(redis: TestRedis, name: string): Promise<string> {
  const info = await redis.client.info('replication');
  return new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim() ?? '';
}

async function masterOffset(redis: TestRedis): Promise<number> {
  return Number(await replication(redis, 'master_repl_offset'));
}

/** A master with a replica, without which it counts no offset. Nothing but the test's commands is in its stream. */
async function startMaster(t: TestContext): Promise<{ master: TestRedis; replica: TestRedis }> {
  const master = await startRedis(t, ['--repl-ping-replica-period', '3600']);
  const replica = await startRedis(t, ['--replicaof', '127.0.0.1', String(master.port)]);
  await until('the replica is in step', async () => (await replication(replica, 'master_link_status')) === 'up');
  return { master, replica };
}

/** Runs one DEL between two looks at the master's clock, and tells what is true of it; times in ms since the epoch. */
async function del(redis: TestRedis, key: string) {
  await redis.client.hset(key, 'field', 'value');
  const start = await masterOffset(redis);
  const [first, , last] = (await redis.client.multi().time().del(key).time().exec()) ?? [];
  return { start, end: await masterOffset(redis), before: msOf(first?.[1]), after: msOf(last?.[1]) };
}

function msOf(time: unknown): number {
  assert.ok(Array.isArray(time));
  return Number(time[0]) * 1000 + Number(time[1]) / 1000;
}

/** Waits for a sample that was taken after this command, while the stream stands still at its end. */
async function sampledAfter(clock: MasterClock, command: { readonly end: number; readonly after: number }) {
  await until('a sample after the command', () => clock.notBefore(command.end) >= Math.floor(command.after));
}

test('rule 5: samples enclose the time at which a master ran a DEL', async (t) => {
  const { master } = await startMaster(t);
  const { clock, warnings } = watch(t, master);
  clock.follow(await replication(master, 'master_replid'));
  await until('a first sample', () => clock.notAfter(0) !== Infinity);
  let previous = { before: 0 };
  for (let n = 0; n < 30; n++) {
    const command = await del(master, `person:${n}`);
    assert.ok(clock.notAfter(command.end) >= command.before);
    await sampledAfter(clock, command);
    const [least, most] = [clock.notBefore(command.start), clock.notAfter(command.end)];
    assert.ok(least <= command.after, `${least} is proven, ${command.after} is true`);
    assert.ok(most >= command.before, `${most} is proven, ${command.before} is true`);
    // A sample lies between two commands, so the bounds of both meet there.
    assert.ok(least >= Math.floor(previous.before), `${least} is proven, the command before ran at ${previous.before}`);
    assert.equal(clock.notAfter(command.end), most, 'a sample after the command fixes its upper bound');
    clock.passed(command.end);
    previous = command;
  }
  assert.deepEqual(warnings, []);
});

test('a clock that is pointed at a replica asks the master behind it', async (t) => {
  const { master, replica } = await startMaster(t);
  const { clock, warnings } = watch(t, replica);
  clock.follow(await replication(master, 'master_replid'));
  // The replica stands still; only its master knows of this command.
  await replica.client.client('PAUSE', 60_000, 'WRITE');
  const command = await del(master, 'person:1');
  await sampledAfter(clock, command);
  assert.ok(clock.notAfter(command.end) >= command.before);
  assert.deepEqual(warnings, []);
});

test('a master that cannot be reached from its replica is told once, and nothing is proven', async (t) => {
  const { master, replica } = await startMaster(t);
  await replica.client.call('ACL', 'SETUSER', 'clock', 'on', '>secret', '+multi', '+exec', '+time', '+info');
  const { clock, warnings } = watch(t, replica, { username: 'clock', password: 'secret' });
  clock.follow(await replication(master, 'master_replid'));
  await until('a warning', () => warnings.length > 0);
  assert.match(warnings[0] ?? '', /is a replica of it.*REDIS_AUTH/);
  assert.equal(clock.notBefore(1e15), 0);
  assert.equal(clock.notAfter(0), Infinity);
});

test('a master that is away is told once, however often it is tried', async (t) => {
  const nowhere = await freePort();
  const replica = await startRedis(t, ['--replicaof', '127.0.0.1', String(nowhere)]);
  const attempts = { count: 0 };
  const warnings: string[] = [];
  const endpoint = () => {
    attempts.count += 1;
    return Promise.resolve({ host: '127.0.0.1', port: replica.port });
  };
  const clock = new MasterClock({ endpoint, intervalMs: 5, onWarning: (message) => warnings.push(message) });
  clock.start();
  t.after(() => clock.close());
  await until('four attempts', () => attempts.count >= 4);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /is a replica of it.*ECONNREFUSED/);
});

for (const [missing, granted] of [
  ['TIME', ['+multi', '+exec', '+info']],
  ['INFO', ['+multi', '+exec', '+time']],
  ['MULTI', ['+exec', '+info', '+time']],
] as const) {
  test(`without permission for ${missing} the clock proves nothing and says what to grant, once`, async (t) => {
    const { master } = await startMaster(t);
    await master.client.call('ACL', 'SETUSER', 'clock', 'on', '>secret', ...granted);
    const { clock, warnings } = watch(t, master, { username: 'clock', password: 'secret' });
    clock.follow(await replication(master, 'master_replid'));
    await until('a warning', () => warnings.length > 0);
    assert.match(warnings[0] ?? '', /\+multi \+exec \+time \+info.*REDIS_NO_PERMISSION/);
    assert.match(warnings[0] ?? '', new RegExp(`${missing} was answered with "NOPERM`));
    assert.equal(clock.notBefore(1e15), 0);
    assert.equal(clock.notAfter(0), Infinity);
    await clock.close();
    assert.equal(warnings.length, 1);
  });
}

test('the permissions that the warning names are enough', async (t) => {
  const { master } = await startMaster(t);
  await master.client.call('ACL', 'SETUSER', 'clock', 'on', '>secret', '+multi', '+exec', '+time', '+info');
  const { clock } = watch(t, master, { username: 'clock', password: 'secret' });
  clock.follow(await replication(master, 'master_replid'));
  await until('a sample', () => clock.notAfter(0) !== Infinity);
});

test('samples of another stream are dropped, and a new replid starts from nothing', async (t) => {
  const { master } = await startMaster(t);
  const { clock } = watch(t, master);
  const replid = await replication(master, 'master_replid');
  clock.follow(replid, 5000);
  await until('a sample', () => clock.notAfter(0) !== Infinity);
  clock.follow(replid);
  assert.notEqual(clock.notAfter(0), Infinity);
  clock.follow('0'.repeat(40), 7000);
  assert.equal(clock.notBefore(1e15), 7000);
  assert.equal(clock.notAfter(0), Infinity);
  // The clock goes on to sample; each further command on the server would show it if samples were taken.
  for (let n = 0; n < 20; n++) await del(master, 'person:1');
  assert.equal(clock.notBefore(1e15), 7000);
  clock.follow(replid);
  await until('a sample again', () => clock.notBefore(1e15) > 7000);
});

test('a clock finds its server again without a word', async (t) => {
  const redis = await startRedis(t);
  const { clock, warnings } = watch(t, redis);
  clock.follow(await replication(redis, 'master_replid'));
  await until('a sample', () => clock.notAfter(0) !== Infinity);
  await redis.server.kill();
  await redis.server.start();
  const replid = await until('the new replid', () => replication(redis, 'master_replid'));
  clock.follow(replid);
  await until('a sample of the new server', () => clock.notAfter(0) !== Infinity);
  assert.deepEqual(warnings, []);
});

test('a closed clock leaves no socket and no timer', async (t) => {
  const redis = await startRedis(t);
  await redis.client.ping();
  const resources = () => process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Timeout/.test(name)).length;
  const before = resources();
  const { clock } = watch(t, redis);
  clock.follow(await replication(redis, 'master_replid'));
  await until('a sample', () => clock.notAfter(0) !== Infinity);
  assert.ok(resources() > before);
  await clock.close();
  await until('nothing is left', () => resources() === before);
});
