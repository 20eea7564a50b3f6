import assert from 'node:assert/strict';
import { test } from 'node:test';
import { person, TestPipeline } from '../support/source/pipeline.ts';
import { until } from '../support/until.ts';

const FAR = 3_600_000;

/** A source that follows, on a server that removes no expired key until it is told to. */
async function following(t: Parameters<typeof TestPipeline.open>[0], removals: Readonly<Record<string, string>>) {
  const pipeline = await TestPipeline.open(t, { mappings: { person: { ...person, removals } } });
  const { client } = pipeline.redis;
  await client.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0');
  const source = pipeline.start();
  await source.caughtUp();
  /** Writes until the source has proven that this moment of the server's clock has passed. */
  const proven = async (moment: number): Promise<void> => {
    await until('a proven time', async () => {
      await client.hincrby('person:tick', 'age', 1);
      return (await source.caughtUp()).clock > moment;
    });
  };
  await proven(0);
  return { pipeline, client, source, proven };
}

async function serverTime(client: { time(): Promise<(string | number)[]> }): Promise<number> {
  const [seconds, micros] = await client.time();
  return Number(seconds) * 1000 + Number(micros) / 1000;
}

function without(told: readonly string[], key: string): string[] {
  return told.filter((text) => text.split(' ')[1] !== key);
}

test('rule 5: a key that expires is `expired`: its row is deleted where the policy says so', async (t) => {
  const { pipeline, client, source, proven } = await following(t, { expired: 'delete', ambiguous: 'keep' });
  await client.hset('person:1', 'name', 'Ann');
  await client.pexpire('person:1', 100);
  await proven((await serverTime(client)) + 100);
  await client.call('DEBUG', 'SET-ACTIVE-EXPIRE', '1');
  await until('Redis removes the key', async () => (await client.dbsize()) === 1);
  await source.caughtUp();
  assert.deepEqual(without(await pipeline.told(), 'tick'), ['c 1 Ann,null HSET', 'd 1 expired']);
  assert.equal(await source.count('removals_total', 'mapping="person",cause="expired",policy="delete"'), 1);
  const tombstone = (await pipeline.history()).find(({ event }) => event === null);
  assert.equal(tombstone?.headers.cause, 'expired');
});

test('rule 5: the row of a key that expires is kept by default, and goes on when the key is back', async (t) => {
  const { pipeline, client, source, proven } = await following(t, {});
  await client.hset('person:1', 'name', 'Ann');
  await client.hset('person:2', 'name', 'Bob');
  await client.pexpire('person:1', 100);
  await client.pexpire('person:2', 100);
  await proven((await serverTime(client)) + 100);
  // A read removes an expired key as well.
  assert.equal(await client.hget('person:1', 'name'), null);
  await client.hset('person:2', 'age', 2);
  await source.caughtUp();
  const told = ['c 1 Ann,null HSET', 'c 2 Bob,null HSET', 'u 2 null,2 HSET'];
  assert.deepEqual(without(await pipeline.told(), 'tick'), told);
  assert.deepEqual(await pipeline.marks(), { '0:person:1': '{"v":1,"mapping":"person","kept":"expired"}' });
  await client.hset('person:1', 'name', 'Ann');
  await client.hset('person:1', 'name', 'Ann again');
  await source.caughtUp();
  assert.deepEqual(without(await pipeline.told(), 'tick'), [...told, 'u 1 Ann again,null HSET']);
  assert.deepEqual(await pipeline.marks(), {});
});

test('rule 5: a DEL long before the TTL is `deleted`, whatever becomes of keys that expire', async (t) => {
  const { pipeline, client, source } = await following(t, { expired: 'keep', ambiguous: 'keep' });
  for (const id of ['del', 'unlink', 'past', 'overwrite', 'persist']) {
    await client.hset(`person:${id}`, 'name', id);
    await client.pexpire(`person:${id}`, FAR);
  }
  await client.del('person:del');
  await client.unlink('person:unlink');
  // Redis sends a DEL of this.
  await client.pexpireat('person:past', 1);
  await client.set('person:overwrite', 'x');
  await client.persist('person:persist');
  await client.del('person:persist');
  await source.caughtUp();
  const deletes = (await pipeline.told()).filter((text) => text.startsWith('d '));
  assert.deepEqual(deletes, [
    'd del deleted',
    'd unlink deleted',
    'd past deleted',
    'd overwrite deleted',
    'd persist deleted',
  ]);
});

test('rule 5: a DEL behind a TTL that ran out while nobody looked is `ambiguous` or `expired`, never `deleted`', async (t) => {
  const { pipeline, client, source } = await following(t, { deleted: 'delete', expired: 'keep', ambiguous: 'keep' });
  await client.hset('person:1', 'name', 'Ann');
  const end = (await serverTime(client)) + 200;
  await client.pexpireat('person:1', Math.round(end));
  await source.caughtUp();
  await source.stop();
  await until('the TTL ends', async () => (await serverTime(client)) > end + 100);
  await client.call('DEBUG', 'SET-ACTIVE-EXPIRE', '1');
  await until('Redis removes the key', async () => (await client.dbsize()) === 1);
  const next = pipeline.start();
  await next.caughtUp();
  assert.deepEqual(await next.links(), { continued: 1, full: 0 });
  assert.deepEqual(without(await pipeline.told(), 'tick'), ['c 1 Ann,null HSET']);
  assert.match((await pipeline.marks())['0:person:1'] ?? '', /"kept":"(ambiguous|expired)"/);
});

test('a mapping with a column for it tells when keys expire, from a snapshot, the stream and a resync', async (t) => {
  const mapping = { ...person, expiryColumn: 'until' };
  const pipeline = await TestPipeline.open(t, { mappings: { person: mapping } });
  const { client } = pipeline.redis;
  const [first, second, third] = [1, 2, 3].map((hours) => Date.now() + hours * FAR);
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  await client.hset('person:snapshot', 'name', 'Ann');
  await client.pexpireat('person:snapshot', first);
  let source = pipeline.start();
  await source.caughtUp();
  await client.hset('person:stream', 'name', 'Bob');
  await client.pexpireat('person:stream', first);
  await client.pexpireat('person:stream', first);
  await client.expire('person:snapshot', 100, 'GT');
  await client.persist('person:snapshot');
  await client.copy('person:stream', 'person:copy');
  await client.hset('person:kept', 'name', 'Cy');
  await source.caughtUp();
  assert.deepEqual(await pipeline.told(), [
    `r snapshot Ann,null,${first} SNAPSHOT`,
    'c stream Bob,null,null HSET',
    `u stream Bob,null,${first} PEXPIREAT`,
    'u snapshot Ann,null,null PERSIST',
    `c copy Bob,null,${first} COPY`,
    'c kept Cy,null,null HSET',
  ]);
  await source.stop();
  await client.pexpireat('person:stream', second);
  await client.pexpireat('person:copy', first);
  await client.pexpireat('person:kept', third);
  source = pipeline.start({}, { resync: true });
  await source.caughtUp();
  assert.deepEqual((await pipeline.told()).slice(6).toSorted(), [
    `u kept Cy,null,${third} SNAPSHOT`,
    `u stream Bob,null,${second} SNAPSHOT`,
  ]);
});
