import assert from 'node:assert/strict';
import { test } from 'node:test';
import { person, TestPipeline } from '../support/source/pipeline.ts';
import { startRelay } from '../support/relay.ts';
import type { TestSource } from '../support/source/source.ts';
import { untilEqual } from '../support/until.ts';

const links = (source: TestSource): Promise<{ continued: number; full: number }> => source.links();

test('a restart goes on by PSYNC where the position stands, in the database that was selected there', async (t) => {
  // Not database 0: the master does not say SELECT again.
  const pipeline = await TestPipeline.open(t, { mappings: { person: { ...person, database: 2 } } });
  const { client } = pipeline.redis;
  await client.select(2);
  const first = pipeline.start();
  await first.caughtUp();
  await client.hset('person:1', 'name', 'Ann', 'age', 1);
  await client.hset('person:2', 'name', 'Bob');
  await first.caughtUp();
  await first.stop();
  assert.deepEqual(await links(first), { continued: 0, full: 1 });
  await client.hincrby('person:1', 'age', 1);
  await client.del('person:2');
  await client.hset('person:3', 'name', 'Cleo');
  const second = pipeline.start();
  await second.caughtUp();
  assert.deepEqual(await links(second), { continued: 1, full: 0 });
  assert.deepEqual(await pipeline.told(), [
    'c 1 Ann,1 HSET',
    'c 2 Bob,null HSET',
    'u 1 Ann,2 HINCRBY',
    'd 2 deleted',
    'c 3 Cleo,null HSET',
  ]);
  await second.stop();
  const third = pipeline.start();
  await third.caughtUp();
  await client.hincrby('person:1', 'age', 1);
  await third.caughtUp();
  assert.deepEqual(await links(third), { continued: 1, full: 0 });
  assert.deepEqual(await pipeline.told('person', 5), ['u 1 Ann,3 HINCRBY']);
});

test('a stop commits what was read, without waiting for the linger', async (t) => {
  const pipeline = await TestPipeline.open(t, { source: { batch: { linger: '1h' } } });
  const source = pipeline.start();
  await source.caughtUp();
  await pipeline.redis.client.hset('person:1', 'name', 'Ann');
  await untilEqual('the event is made', 1, () => source.count('events_total', 'mapping="person",op="c"'));
  await source.stop();
  assert.deepEqual(await pipeline.told(), ['c 1 Ann,null HSET']);
  const next = pipeline.start();
  await next.caughtUp();
  assert.deepEqual(await links(next), { continued: 1, full: 0 });
});

/** A source behind a relay that has read the first half of a MULTI of three commands, of which no link holds more. */
async function inTheMiddleOfMulti(t: Parameters<typeof TestPipeline.open>[0]) {
  const pipeline = await TestPipeline.open(t);
  const { client, port } = pipeline.redis;
  const relay = await startRelay(t, port);
  const behindRelay = { source: { url: `redis://127.0.0.1:${relay.port}` } };
  const source = pipeline.start(behindRelay);
  await source.caughtUp();
  await client.hset('person:before', 'name', 'x', 'age', 1);
  await source.caughtUp();
  const held = relay.holdAfter('second');
  const multi = client.multi().hincrby('person:before', 'age', 1).hset('person:2', 'name', 'second');
  await multi.hset('person:3', 'name', 'third').exec();
  await held;
  await untilEqual('the first command is folded', 1, () => source.count('events_total', 'mapping="person",op="u"'));
  assert.deepEqual(await pipeline.told(), ['c before x,1 HSET']);
  return { pipeline, relay, source, behindRelay };
}

async function toldOnceAndWhole(pipeline: TestPipeline): Promise<void> {
  const multi = (await pipeline.events()).slice(1);
  assert.deepEqual(await pipeline.told('person', 1), [
    'u before x,2 HINCRBY',
    'c 2 second,null HSET',
    'c 3 third,null HSET',
  ]);
  assert.equal(new Set(multi.map(({ transaction }) => transaction?.['id'])).size, 1);
  assert.deepEqual(
    multi.map(({ transaction }) => transaction?.['total_order']),
    [1, 2, 3],
  );
}

test('rule 7: a stop in the middle of a MULTI commits nothing of it; the next start tells it once and whole', async (t) => {
  const { pipeline, relay, source } = await inTheMiddleOfMulti(t);
  await source.stop();
  relay.cut();
  assert.deepEqual(await pipeline.told(), ['c before x,1 HSET']);
  const next = pipeline.start();
  await next.caughtUp();
  await toldOnceAndWhole(pipeline);
  assert.deepEqual(await links(next), { continued: 1, full: 0 });
});

test('rule 7: a link that breaks in the middle of a MULTI goes on there, and tells it once and whole', async (t) => {
  const { pipeline, relay, source } = await inTheMiddleOfMulti(t);
  const before = await source.count('transactions_total');
  relay.cut();
  await source.caughtUp();
  await toldOnceAndWhole(pipeline);
  assert.deepEqual(await links(source), { continued: 1, full: 1 });
  assert.equal(await source.count('transactions_total'), before + 1, 'in one Kafka transaction');
});

test('a link that breaks again and again loses and repeats nothing', async (t) => {
  const pipeline = await TestPipeline.open(t);
  const { client, port } = pipeline.redis;
  const relay = await startRelay(t, port);
  const source = pipeline.start({ source: { url: `redis://127.0.0.1:${relay.port}` } });
  await source.caughtUp();
  for (let round = 0; round < 5; round++) {
    const held = relay.holdAfter(`middle ${round}`);
    await client.hincrby('person:1', 'age', 1);
    await client.hset('person:2', 'name', `in the middle ${round} of a value`);
    await client.hincrby('person:1', 'age', 1);
    await held;
    relay.cut();
    await source.caughtUp();
  }
  assert.deepEqual(await pipeline.rows(), { 1: 'null,10', 2: 'in the middle 4 of a value,null' });
  assert.equal((await pipeline.events()).length, 15);
  assert.deepEqual(await links(source), { continued: 5, full: 1 });
});
