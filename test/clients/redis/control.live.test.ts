import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import {
  asText,
  backlogOf,
  ControlConnection,
  roleOf,
  settingOf,
  versionOf,
  warningFor,
  type ClientLimits,
  type RedisEndpoint,
} from '../../../clients/redis/index.ts';
import { freePort } from '../../../services/index.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

async function open(
  t: TestContext,
  redis: Pick<TestRedis, 'port'>,
  more: Partial<RedisEndpoint> = {},
  limits: ClientLimits = {},
): Promise<ControlConnection> {
  const connection = await ControlConnection.open({ host: '127.0.0.1', port: redis.port, ...more }, limits);
  t.after(() => {
    connection.close();
  });
  return connection;
}

test('a transaction gives the reply of each command, as bytes', async (t) => {
  const redis = await startRedis(t);
  const connection = await open(t, redis);
  const value = Buffer.from([0, 255, 13, 10]);
  await connection.call('HSET', 'person:1', 'photo', value);
  const [fields, missing, count] = await connection.transaction([
    ['HGETALL', 'person:1'],
    ['GET', 'nothing'],
    ['HLEN', 'person:1'],
  ]);
  assert.deepEqual(fields, [Buffer.from('photo'), value]);
  assert.equal(missing, null);
  assert.equal(count, 1);
});

test('a refused command in a transaction is named, and the connection stays usable', async (t) => {
  const redis = await startRedis(t);
  await redis.client.set('text', 'x');
  const connection = await open(t, redis);
  await assert.rejects(connection.transaction([['PING'], ['HGETALL', 'text']]), /REDIS_REFUSED: HGETALL .*WRONGTYPE/);
  await assert.rejects(connection.transaction([['PING'], ['NOSUCH']]), /REDIS_NO_PERMISSION: NOSUCH .*unknown command/);
  assert.equal(asText(await connection.call('PING')), 'PONG');
  assert.equal(connection.isOpen, true);
});

test('connections that cannot be made are told apart, without noise', async (t) => {
  const redis = await startRedis(t, ['--requirepass', 'right-one']);
  await assert.rejects(open(t, redis, { password: 'wrong-one' }), (error: Error) => {
    assert.match(error.message, /^REDIS_AUTH: AUTH /);
    assert.doesNotMatch(error.message, /wrong-one/);
    return true;
  });
  await assert.rejects(open(t, { port: await freePort() }), /REDIS_UNREACHABLE: .*ECONNREFUSED/);
  const late = await open(t, redis);
  await assert.rejects(late.call('PING'), { code: 'REDIS_AUTH' });
});

test('a connection that ends is never made again behind the back of its user', async (t) => {
  const redis = await startRedis(t);
  const connection = await open(t, redis);
  await redis.server.kill();
  await until('the end is seen', () => !connection.isOpen);
  await redis.server.start();
  await assert.rejects(connection.call('PING'), { code: 'REDIS_LINK_LOST' });
});

test('a server has the whole time for each of many answers; when none comes, the connection ends', async (t) => {
  const redis = await startRedis(t);
  const connection = await open(t, redis, {}, { commandTimeoutMs: 1000 });
  const waits = Array.from({ length: 4 }, () => connection.call('BLPOP', 'nothing', '0.6'));
  assert.deepEqual(await Promise.all(waits), [null, null, null, null]);
  const answer = connection.call('PING');
  const late = performance.now() + 1500;
  while (performance.now() < late);
  assert.equal(asText(await answer), 'PONG', 'a process that had no turn hears what was answered meanwhile');
  const replies = await Promise.allSettled([connection.call('DEBUG', 'SLEEP', '2'), connection.call('PING')]);
  for (const reply of replies) {
    assert.equal(reply.status, 'rejected');
    assert.match(String(reply.reason), /REDIS_LINK_LOST: (DEBUG|PING) was not answered/);
    assert.ok(reply.reason instanceof Error);
    assert.match(String(reply.reason.cause), /no answer for 1000 ms/);
  }
  assert.equal(connection.isOpen, false);
});

test('an abort ends an attempt to connect', async (t) => {
  const redis = await startRedis(t);
  const signal = AbortSignal.abort(new Error('enough'));
  const endpoint = { host: '127.0.0.1', port: redis.port };
  await assert.rejects(ControlConnection.open(endpoint, { signal }), /enough/);
  const later = new AbortController();
  const connection = await ControlConnection.open(endpoint, { signal: later.signal });
  later.abort();
  await until('the connection ended', () => !connection.isOpen);
});

test('a master is warned about, a replica is not', async (t) => {
  const redis = await startRedis(t);
  const replica = await startRedis(t, ['--replicaof', '127.0.0.1', String(redis.port)]);
  const master = await until('a replica joins', async () => {
    const role = await roleOf(await open(t, redis));
    return role.kind === 'master' && role.replicas === 1 && role;
  });
  assert.match(warningFor(master) ?? '', /WAIT and min-replicas-to-write.*FAILOVER.*replica: the stream is the same/);
  const role = await roleOf(await open(t, replica));
  assert.equal(role.kind, 'replica');
  assert.equal(role.masterPort, redis.port);
  assert.equal(warningFor(role), undefined);
});

test('facts of a server are told where they are permitted', async (t) => {
  const redis = await startRedis(t, ['--repl-backlog-size', '3mb']);
  await redis.client.call('ACL', 'SETUSER', 'less', 'on', '>secret', '+ping');
  const connection = await open(t, redis);
  assert.equal((await versionOf(connection))?.product, 'redis');
  assert.match((await versionOf(connection))?.version ?? '', /^\d+\.\d+\.\d+$/);
  assert.deepEqual(await backlogOf(connection), { size: 3 * 1024 * 1024, held: 0, offset: 0 });
  assert.equal(await settingOf(connection, 'repl-timeout'), '60');
  assert.equal(await settingOf(connection, 'no-such-setting'), undefined);
  const less = await open(t, redis, { username: 'less', password: 'secret' });
  assert.equal(await versionOf(less), undefined);
  assert.equal(await backlogOf(less), undefined);
  assert.equal(await settingOf(less, 'repl-timeout'), undefined);
});
