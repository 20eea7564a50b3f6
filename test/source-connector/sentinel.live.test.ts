import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replicasOf } from '../support/redis.ts';
import { detailsOf } from '../support/source/key-events.ts';
import { PART, PATIENCE, type TestSource } from '../support/source/source.ts';
import { checkRows, followedOf, followWatched, Writer } from '../support/source/watched-pipeline.ts';
import { until } from '../support/until.ts';

function warned(source: TestSource, text: RegExp): boolean {
  return source.lines.some(({ msg }) => text.test(String(msg)));
}

test('a replica is followed, a replica that dies is replaced, and a master only while no replica can be', async (t) => {
  const setting = await followWatched(t);
  const { group, pipeline, source } = setting;
  const writer = new Writer(t, group.client);
  await source.caughtUp();
  const master = await group.master();
  const first = await followedOf(group);
  assert.ok(first !== undefined && first !== master, 'a replica is followed');
  await first.server.kill();
  const second = await until('another server', () => followedOf(group), PATIENCE);
  assert.ok(second !== master, 'the other replica is followed');
  await writer.more(50);
  await second.server.kill();
  await until('the master is followed', async () => (await followedOf(group)) === master, PATIENCE);
  assert.ok(warned(source, /No replica can be followed now, so the master .* is/));
  await writer.more(50);
  await second.server.start();
  await until('a replica is followed again', async () => (await followedOf(group)) === second, PATIENCE);
  await writer.more(50);
  await writer.stop();
  await checkRows(setting);
  assert.equal((await source.links()).full, 1, 'no link needed a full resync but the first one');
  assert.ok((await pipeline.events()).length > 50);
});

for (const prefer of ['replica', 'master'] as const) {
  test(`a failover under load, by SENTINEL FAILOVER and by kill -9 of the master: a ${prefer} is followed`, async (t) => {
    const setting = await followWatched(t, { prefer });
    const { group, source } = setting;
    const writer = new Writer(t, group.client);
    await source.caughtUp();
    await writer.more(200);
    const first = await group.master();
    await group.failOver();
    const second = await group.promoted(first);
    await writer.more(200);
    await until('the demoted server follows', async () =>
      (await first.client.info('replication')).includes('master_link_status:up'),
    );
    await writer.stop();
    await checkRows(setting);
    const again = new Writer(t, group.client);
    await again.more(100);
    await second.server.kill();
    await group.promoted(second);
    await again.more(200);
    await again.stop();
    await checkRows(setting);
    const isPreferred = async (): Promise<boolean> => {
      const followed = await followedOf(group);
      return followed !== undefined && (followed === (await group.master())) === (prefer === 'master');
    };
    await until(`a ${prefer} is followed in the end`, isPreferred, PATIENCE);
  });
}

test('a demoted server whose link stays open is left', async (t) => {
  const setting = await followWatched(t, { prefer: 'master' });
  const { group, source } = setting;
  await source.caughtUp();
  const master = await group.master();
  // It will not come to terms with the new master, and so has no reason to drop those who follow it.
  await master.client.config('SET', 'masterauth', 'wrong');
  await group.failOver();
  await group.promoted(master);
  await until('the new master is followed', async () => (await followedOf(group)) === (await group.master()), PATIENCE);
  assert.ok(source.lines.some(({ reason }) => /left: it is not the master any more/.test(String(reason))));
  await group.client.hset('person:1', 'name', 'Ann');
  await checkRows(setting);
});

test('a replica that has lost its master for long is left', async (t) => {
  const setting = await followWatched(t);
  const { group, source } = setting;
  await source.caughtUp();
  const replica = await followedOf(group);
  assert.ok(replica !== undefined);
  await replica.client.config('SET', 'masterauth', 'wrong');
  await replica.client.call('CLIENT', 'KILL', 'TYPE', 'master');
  await until('another server', async () => ![replica, undefined].includes(await followedOf(group)), PATIENCE);
  assert.ok(
    source.lines.some(({ reason }) => /left: for long it is not in touch with its master/.test(String(reason))),
  );
  await group.client.hset('person:1', 'name', 'Ann');
  await checkRows(setting);
});

test('a failover that loses writes takes back the changes that only the old master had', async (t) => {
  const setting = await followWatched(t, { prefer: 'master' });
  const { group, pipeline, source } = setting;
  await group.client.hset('person:1', 'name', 'kept');
  await group.client.hset('person:2', 'name', 'kept');
  await source.caughtUp();
  const master = await group.master();
  assert.equal(await followedOf(group), master);
  const replicas = group.servers.filter((server) => server !== master);
  await until('replicas that have all', async () => (await master.client.wait(2, 1000)) >= 2);
  // A password that the master does not ask for keeps them away from it.
  for (const { client } of replicas) {
    await client.config('SET', 'masterauth', 'wrong');
    await client.call('CLIENT', 'KILL', 'TYPE', 'master');
  }
  await until('a master without other replicas', async () => (await replicasOf(master)).length === 1);
  await master.client.hset('person:1', 'name', 'phantom');
  await master.client.del('person:2');
  await master.client.hset('person:3', 'name', 'phantom');
  await until(
    'the phantoms are published',
    async () => JSON.stringify(await pipeline.rows()) === JSON.stringify({ 1: 'phantom,null', 3: 'phantom,null' }),
    PATIENCE,
  );
  await master.server.kill();
  for (const { client } of replicas) await client.config('SET', 'masterauth', '');
  await group.promoted(master);
  await until(
    'the master takes writes',
    () => group.client.hset('person:4', 'name', 'later').then(() => true),
    PATIENCE,
  );
  await checkRows(setting);
  assert.deepEqual(await pipeline.rows(), { 1: 'kept,null', 2: 'kept,null', 4: 'later,null' });
  assert.equal((await source.links()).full, 2, 'a full resync told the difference');
});

test('Sentinels that are down, and one that is left, do not keep a source from its servers', async (t) => {
  const setting = await followWatched(t);
  const { group, source } = setting;
  await group.client.hset('person:1', 'name', 'Ann');
  await source.caughtUp();
  const [one, two] = group.sentinels;
  await one?.kill();
  await two?.kill();
  const followed = await followedOf(group);
  await followed?.server.kill();
  await until('another server', async () => ![followed, undefined].includes(await followedOf(group)), PATIENCE);
  await group.client.hset('person:2', 'name', 'Bob');
  await checkRows(setting);
});

test('while no Sentinel answers the history that was followed is followed on, no other is begun, and a Sentinel that is back ends that', async (t) => {
  const setting = await followWatched(t);
  const { group, pipeline, source } = setting;
  await group.client.hset('person:1', 'name', 'Ann');
  await source.caughtUp();
  const told = async (): Promise<boolean> =>
    'sentinels' in detailsOf(source) && (await source.count('without_sentinel')) === 1;
  assert.equal(await told(), false);
  const master = await group.master();
  for (const sentinel of group.sentinels) await sentinel.kill();
  await until('that is told', told, PATIENCE);
  assert.ok(warned(source, /no Sentinel answers: what is followed stays/));
  const isTold = (id: number): Promise<unknown> =>
    until(`row ${id} without any Sentinel`, async () => id in (await pipeline.rows()), PATIENCE);
  await master.client.hset('person:2', 'name', 'Bob');
  await isTold(2);

  // A link that breaks, and a server that ends: what is left has the same history.
  const replica = await followedOf(group);
  assert.ok(replica !== undefined && replica !== master);
  await replica.client.call('CLIENT', 'KILL', 'TYPE', 'replica');
  await master.client.hset('person:3', 'name', 'Cid');
  await isTold(3);
  for (const { server } of group.servers.filter((server) => server !== master)) await server.kill();
  await until('the master is followed', async () => (await followedOf(group)) === master, PATIENCE);
  await master.client.hset('person:4', 'name', 'Dan');
  await isTold(4);
  assert.deepEqual(await source.links(), { continued: (await source.links()).continued, full: 1 });

  // As a server is that was promoted, or came back empty.
  await master.client.call('DEBUG', 'CHANGE-REPL-ID');
  await master.client.hset('person:5', 'name', 'Eve');
  await master.client.call('CLIENT', 'KILL', 'TYPE', 'replica');
  await until('a word of it', () => source.codes().includes('REDIS_NO_SENTINEL'), PATIENCE);
  const refused = (): boolean =>
    /REDIS_NO_SENTINEL.*cannot go on in the history/.test(source.worker.ready()[PART]?.reason ?? '');
  await until('it to wait', refused, PATIENCE);
  assert.ok(!(5 in (await pipeline.rows())));
  assert.equal((await source.links()).full, 1);

  group.sentinels[0]?.start();
  await isTold(5);
  await until('that it is over is told', async () => !(await told()), PATIENCE);
  assert.ok(warned(source, /a Sentinel answers again/));
  assert.equal((await source.links()).full, 2, 'a full resync told the difference');
});
