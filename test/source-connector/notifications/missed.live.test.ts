import assert from 'node:assert/strict';
import { test } from 'node:test';
import { follows, openKeyEvents, rowsBecome } from '../../support/source/key-events.ts';
import type { TestPipeline } from '../../support/source/pipeline.ts';
import type { TestSource } from '../../support/source/source.ts';
import { until } from '../../support/until.ts';

const people = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [index + 1, `Ann,${index + 1}`]));

async function fill({ redis: { client } }: TestPipeline, count: number): Promise<void> {
  for (let id = 1; id <= count; id++) await client.hset(`person:${id}`, { name: 'Ann', age: id });
}

/** As many comparisons for this reason have ended. */
async function compared(source: TestSource, reason: string, times = 1): Promise<void> {
  await until(
    `${times} comparisons for ${reason}`,
    async () => (await source.count('comparisons_total', `reason="${reason}"`)) >= times,
    { timeoutMs: 60_000 },
  );
}

test('what happens while the subscription is lost is found after it, deletes included', async (t) => {
  const pipeline = await openKeyEvents(t);
  const { client } = pipeline.redis;
  await fill(pipeline, 50);
  const source = pipeline.start();
  await follows(source);
  const expected = people(50);
  for (let round = 1; round <= 3; round++) {
    // In one transaction, so that nothing of it can be heard.
    await client
      .multi()
      .client('KILL', 'TYPE', 'pubsub')
      .hset('person:1', { age: 100 * round })
      .del(`person:${round + 1}`)
      .hset(`person:${round + 100}`, { name: 'New', age: round })
      .exec();
    expected[1] = `Ann,${100 * round}`;
    Reflect.deleteProperty(expected, round + 1);
    expected[round + 100] = `New,${round}`;
    await rowsBecome(pipeline, expected);
    await follows(source);
  }
  assert.ok((await pipeline.told()).includes('d 2 vanished'));
  assert.equal(await source.count('key_event_sessions_lost_total'), 3);
});

test('a regular comparison finds what no event told of, and says so', async (t) => {
  const pipeline = await openKeyEvents(t, { source: { notifications: { compareEvery: '1s' } } });
  const { client } = pipeline.redis;
  await fill(pipeline, 20);
  const source = pipeline.start();
  await follows(source);
  await client.config('SET', 'notify-keyspace-events', '');
  await client.hset('person:1', { age: 77 });
  await client.del('person:2');
  await client.hset('person:21', { name: 'New', age: 21 });
  const expected = { ...people(20), 1: 'Ann,77', 21: 'New,21' };
  Reflect.deleteProperty(expected, 2);
  await rowsBecome(pipeline, expected);
  const told = await pipeline.told();
  assert.ok(told.includes('u 1 Ann,77 RECONCILIATION'));
  assert.ok(told.includes('d 2 vanished'));
  assert.ok(told.includes('c 21 New,21 RECONCILIATION'));
  await until('the differences to be counted', async () => (await source.count('unheard_changes_total')) >= 3);
  const said = JSON.stringify(source.lines);
  assert.match(said, /a comparison found changes that no event had told of/);
  assert.match(said, /notify-keyspace-events of the server lacks flags/);
});

test('SWAPDB is noticed, and what it changed is found', async (t) => {
  const pipeline = await openKeyEvents(t);
  const { client } = pipeline.redis;
  await client.call('ACL', 'SETUSER', 'events', '+info');
  await fill(pipeline, 10);
  await client.select(1);
  await client.hset('person:5', { name: 'Other', age: 5 });
  await client.hset('person:11', { name: 'Other', age: 11 });
  await client.select(0);
  const source = pipeline.start();
  await follows(source);
  await client.swapdb(0, 1);
  await rowsBecome(pipeline, { 5: 'Other,5', 11: 'Other,11' });
  assert.equal(await source.count('comparisons_total', 'reason="silent-command"'), 1);
});

test('FLUSHALL is a flush: its policy keeps the rows, and they are right when the hashes are back', async (t) => {
  const pipeline = await openKeyEvents(t);
  const { client } = pipeline.redis;
  await fill(pipeline, 10);
  const source = pipeline.start();
  await follows(source);
  await client.flushall();
  await compared(source, 'silent-command');
  await client.hset('person:3', { name: 'Back', age: 3 });
  await rowsBecome(pipeline, { ...people(10), 3: 'Back,3' });
  assert.equal(await source.count('removals_total', 'mapping="person",cause="flushed",policy="keep"'), 10);
});

test('rule 4: an emptied server stops the shard and deletes nothing, until a person confirms', async (t) => {
  const pipeline = await openKeyEvents(t, { source: { notifications: { compareEvery: '1s' } } });
  const { client } = pipeline.redis;
  await fill(pipeline, 10);
  const source = pipeline.start();
  await follows(source);
  // Nothing tells of it: it cannot be known to be a flush.
  await client.call('ACL', 'SETUSER', 'events', '-info');
  await client.flushall();
  const error = await source.failed();
  assert.equal(error.code, 'VANISHED_BREAKER');
  assert.deepEqual(await pipeline.rows(), people(10));
  const refused = await pipeline.start({}, { confirmed: 9 }).failed();
  assert.equal(refused.code, 'VANISHED_BREAKER');
  const confirmed = pipeline.start({}, { confirmed: 10 });
  await follows(confirmed);
  await rowsBecome(pipeline, {});
  assert.ok((await pipeline.told()).includes('d 1 vanished'));
});

test('more changed keys than may wait have all keys compared, and the set stays within its bound', async (t) => {
  const notifications = { waitingKeys: 100, linger: '200ms', keysPerSecond: 1_000_000 };
  const pipeline = await openKeyEvents(t, { source: { notifications } });
  const { client } = pipeline.redis;
  await fill(pipeline, 2000);
  const source = pipeline.start();
  await follows(source);
  const writes = client.pipeline();
  for (let id = 1; id <= 2000; id++) {
    if (id % 10 === 0) writes.del(`person:${id}`);
    else writes.hset(`person:${id}`, { age: id + 1 });
  }
  await writes.exec();
  const expected = Object.fromEntries(
    Object.keys(people(2000)).flatMap((id) => (Number(id) % 10 === 0 ? [] : [[id, `Ann,${Number(id) + 1}`]])),
  );
  await rowsBecome(pipeline, expected);
  assert.ok((await source.count('comparisons_total', 'reason="overflow"')) > 0);
});
