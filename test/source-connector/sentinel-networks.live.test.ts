import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { endpointOf } from '../../clients/redis/index.ts';
import { Authority } from '../support/certificates.ts';
import { startRedis } from '../support/redis.ts';
import type { Scope } from '../support/scope.ts';
import type { Secured } from '../support/sentinel.ts';
import { TestPipeline } from '../support/source/pipeline.ts';
import { checkRows, followedOf, followWatched, Writer, type Watched } from '../support/source/watched-pipeline.ts';
import { PATIENCE } from '../support/source/source.ts';
import { until } from '../support/until.ts';

/** As docs/redis.md names them. */
const SENTINEL_RIGHTS =
  'resetkeys resetchannels &+switch-master -@all +ping +psubscribe +sentinel|get-master-addr-by-name +sentinel|master +sentinel|replicas';

async function secure(scope: Scope): Promise<Secured> {
  const authority = await Authority.create(scope);
  return {
    authority,
    certificate: await authority.issue('servers', 'IP:127.0.0.1'),
    password: 'of-the-servers',
    sentinelPassword: 'of-the-sentinels',
    sentinelUsers: [`user watcher on >of-the-watcher ${SENTINEL_RIGHTS}`],
  };
}

/** What a failover has to leave as it was. */
async function survivesFailover(t: Scope, setting: Watched): Promise<void> {
  const { group, source } = setting;
  await source.caughtUp();
  const writer = new Writer(t, group.client);
  await writer.more(100);
  const master = await group.master();
  const followed = await followedOf(group);
  assert.ok(followed !== undefined && followed !== master, 'a replica is followed');
  await group.failOver();
  await group.promoted(master);
  await writer.more(100);
  await until('the demoted server follows', async () =>
    (await master.client.info('replication')).includes('master_link_status:up'),
  );
  await writer.stop();
  await checkRows(setting);
}

test('Sentinels and servers with TLS and passwords are followed through a failover, with the least rights at the Sentinels', async (t) => {
  const secured = await secure(t);
  const tls = { ca: secured.authority.certificate.cert.toString() };
  const source = {
    tls,
    password: secured.password,
    sentinel: { tls, username: 'watcher', password: 'of-the-watcher' },
  };
  const setting = await followWatched(t, source, { secured });
  await survivesFailover(t, setting);
  assert.deepEqual(setting.source.codes(), [], 'nothing was refused');
});

test('what Sentinels refuse, and what servers do, stops a source that begins, with the reason and the address', async (t) => {
  const secured = await secure(t);
  const tls = { ca: secured.authority.certificate.cert.toString() };
  const own = { tls, password: secured.password };
  const right = { tls, password: secured.sentinelPassword };
  const { pipeline, group, source: first } = await followWatched(t, { ...own, sentinel: right }, { secured });
  await first.caughtUp();
  await first.stop();
  for (const sentinel of group.sentinels) await group.addUser(sentinel, 'blind on >of-the-blind -@all +ping');
  const refusals: readonly [code: string, server: object, sentinel: object][] = [
    ['REDIS_AUTH', own, { ...right, password: 'another' }],
    ['REDIS_NO_PERMISSION', own, { tls, username: 'blind', password: 'of-the-blind' }],
    ['REDIS_TLS', own, { ...right, tls: true }],
    ['REDIS_AUTH', { ...own, password: 'another' }, right],
    ['REDIS_TLS', { ...own, tls: true }, right],
  ];
  for (const [code, server, sentinel] of refusals) {
    const source = { ...server, sentinel: { ...group.config, ...sentinel } };
    const error = await pipeline.start({ source }).failed();
    assert.equal(error.code, code, error.message);
    assert.match(error.message, /127\.0\.0\.1:\d+/, 'it says where');
  }
});

const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));
const skip = hasIPv6 ? false : 'this machine has no ::1';

test('a server at an IPv6 address is followed', { skip }, async (t) => {
  const redis = await startRedis(t, ['--bind', '127.0.0.1', '::1']);
  const url = `redis://[::1]:${redis.port}`;
  assert.equal(endpointOf({ url }).host, '::1');
  const pipeline = await TestPipeline.open(t, { source: { url } }, { redis });
  const source = pipeline.start();
  await redis.client.hset('draft', 'name', 'Ann');
  await redis.client.rename('draft', 'person:1');
  await source.caughtUp();
  // Read beside the stream, over another connection.
  await redis.client.hset('draft', 'name', 'Bob');
  await redis.client.rename('draft', 'person:2');
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), { 1: 'Ann,null', 2: 'Bob,null' });
  assert.match(await redis.client.info('replication'), /slave0:ip=::1,port=0/);
});

test('Sentinels at IPv6 addresses, which tell such addresses, are followed through a failover', { skip }, async (t) => {
  const setting = await followWatched(t, {}, { host: '::1' });
  await survivesFailover(t, setting);
  const followed = await until('a server', () => followedOf(setting.group), PATIENCE);
  assert.match(await followed.client.info('replication'), /slave\d+:ip=::1,port=0/);
});
