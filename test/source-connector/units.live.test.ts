import assert from 'node:assert/strict';
import { test } from 'node:test';
import { car, person, TestPipeline } from '../support/source/pipeline.ts';

/** Batches of ten records: a MULTI of more than forty is cut. */
const small = { batch: { records: 10 } };
const both = { person, car };

const count = 100;
const ids = Array.from({ length: count }, (_, i) => `n${i}`);

function rowsOf(value: (i: number) => string): Record<string, string> {
  return Object.fromEntries(ids.map((id, i) => [id, value(i)]));
}

function multiOf(pipeline: TestPipeline) {
  const multi = pipeline.redis.client.multi();
  for (const [i, id] of ids.entries())
    multi.hset(`person:${id}`, 'name', 'x', 'age', i).hincrby('person:all', 'age', 1);
  return multi;
}

test('rule 7: a MULTI of two mappings is one Kafka transaction, and its events carry it', async (t) => {
  const pipeline = await TestPipeline.open(t, { mappings: both, source: small });
  const { client } = pipeline.redis;
  const source = pipeline.start();
  await source.caughtUp();
  const before = await source.count('transactions_total');
  const multi = client.multi();
  for (let i = 0; i < 15; i++) multi.hset(`person:${i}`, 'name', i).hset(`car:${i}`, 'color', i);
  // The position alone is committed now and then; these records are all of one transaction.
  const records = await source.count('records_total');
  await multi.exec();
  await source.caughtUp();
  assert.equal(await source.count('records_total'), records + 30);
  assert.ok((await source.count('transactions_total')) <= before + 2);
  const events = [...(await pipeline.events('person')), ...(await pipeline.events('car'))];
  assert.equal(new Set(events.map(({ transaction }) => transaction?.['id'])).size, 1);
  const orders = (name: string) => events.map(({ transaction }) => Number(transaction?.[name])).sort((a, b) => a - b);
  assert.deepEqual(
    orders('total_order'),
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
  assert.deepEqual(
    orders('data_collection_order'),
    Array.from({ length: 30 }, (_, i) => Math.floor(i / 2) + 1),
  );
});

test('rule 7: a source killed before the end of a MULTI has told neither mapping; the next one tells both', async (t) => {
  const pipeline = await TestPipeline.open(t, { mappings: both });
  const { client } = pipeline.redis;
  const source = await pipeline.process();
  source.start();
  await source.ready();
  await pipeline.caughtUp();
  await source.stop();
  source.start('send.before-end:1');
  await source.ready();
  await client.multi().hset('person:1', 'name', 'Ann').hset('car:1', 'color', 'red').exec();
  await source.diedAtFault();
  source.start();
  await source.ready();
  await pipeline.caughtUp();
  assert.deepEqual(await pipeline.told('person'), ['c 1 Ann,null HSET']);
  assert.deepEqual(await pipeline.told('car'), ['c 1 red HSET']);
  await source.stop();
});

test('rule 7: a MULTI larger than four batches is cut, and right', async (t) => {
  const pipeline = await TestPipeline.open(t, { source: small });
  const source = pipeline.start();
  await source.caughtUp();
  const before = await source.count('transactions_total');
  await multiOf(pipeline).exec();
  await source.caughtUp();
  assert.ok((await source.count('transactions_total')) >= before + 5, '200 records in batches of at most 40');
  assert.deepEqual(await pipeline.rows(), { ...rowsOf((i) => `x,${i}`), all: `null,${count}` });
  const events = await pipeline.events();
  assert.equal(new Set(events.map(({ transaction }) => transaction?.['id'])).size, 1);
  assert.deepEqual(
    events.map(({ transaction }) => transaction?.['total_order']),
    Array.from({ length: 2 * count }, (_, i) => i + 1),
  );
});

test('rule 7: a source killed in the middle of such a MULTI goes on there', async (t) => {
  const pipeline = await TestPipeline.open(t, { source: small });
  const source = await pipeline.process();
  source.start();
  await source.ready();
  await pipeline.caughtUp();
  await source.stop();
  // Not with a transaction open: the test would wait for its timeout to read the position.
  source.start('send.committed:3');
  await source.ready();
  await multiOf(pipeline).exec();
  await source.diedAtFault();
  const position = await pipeline.position();
  assert.equal(position?.inTransaction, true, 'the position stands between MULTI and EXEC');
  // Increments would be done twice if anything was read again.
  for (const faults of ['send.before-end:1', 'state.log-synced:1', '']) {
    source.start(faults);
    if (faults === '') await source.ready();
    else await source.diedAtFault();
  }
  await pipeline.caughtUp();
  assert.deepEqual(await pipeline.rows(), { ...rowsOf((i) => `x,${i}`), all: `null,${count}` });
  assert.equal((await pipeline.events()).length, 2 * count);
  await source.stop();
});

test('rule 7: a FLUSHALL of more rows than a batch, killed in its middle, deletes each row once', async (t) => {
  const flushed = { person: { ...person, removals: { flushed: 'delete' } } };
  const pipeline = await TestPipeline.open(t, { mappings: flushed, source: small });
  const { client } = pipeline.redis;
  const source = await pipeline.process();
  await multiOf(pipeline).exec();
  source.start();
  await source.ready();
  await pipeline.caughtUp();
  await source.stop();
  source.start('send.committed:4');
  await source.ready();
  await client.multi().hset('person:before', 'age', 1).flushall().hset('person:behind', 'age', 2).exec();
  await source.diedAtFault();
  const position = await pipeline.position();
  assert.equal(position?.begun, true, 'the position says that the command was begun');
  for (const faults of ['send.before-end:2', 'send.records-sent:2', '']) {
    source.start(faults);
    if (faults === '') await source.ready();
    else await source.diedAtFault();
  }
  await pipeline.caughtUp();
  assert.deepEqual(await pipeline.rows(), { behind: 'null,2' });
  const told = await pipeline.told('person', count + 1);
  assert.deepEqual([told.at(0), told.at(-1)], ['c before null,1 HSET', 'c behind null,2 HSET']);
  assert.equal(told.filter((text) => text.endsWith(' flushed')).length, count + 2);
  assert.equal(told.length, count + 4);
  await source.stop();
});

test('rule 7: a DEL of more keys than a batch, killed in its middle, deletes each row once', async (t) => {
  const pipeline = await TestPipeline.open(t, { source: small });
  const { client } = pipeline.redis;
  const source = await pipeline.process();
  await multiOf(pipeline).exec();
  source.start();
  await source.ready();
  await pipeline.caughtUp();
  await source.stop();
  source.start('send.before-end:3');
  await source.ready();
  await client.del(...ids.map((id) => `person:${id}`));
  await client.hset('person:n0', 'age', 5);
  await source.diedAtFault();
  source.start();
  await source.ready();
  await pipeline.caughtUp();
  assert.deepEqual(await pipeline.rows(), { all: `null,${count}`, n0: 'null,5' });
  const told = await pipeline.told('person', count + 1);
  assert.equal(told.filter((text) => text.endsWith(' deleted')).length, count);
  await source.stop();
});

test('rows that the policy keeps over a FLUSHALL are marked in batches, and come back without an event', async (t) => {
  const pipeline = await TestPipeline.open(t, { source: small });
  const { client } = pipeline.redis;
  const source = pipeline.start();
  await multiOf(pipeline).exec();
  await source.caughtUp();
  const events = (await pipeline.events()).length;
  const before = await source.count('transactions_total');
  await client.flushall();
  await source.caughtUp();
  assert.ok((await source.count('transactions_total')) >= before + 10, '101 marks in batches of ten');
  assert.equal(Object.keys(await pipeline.marks()).length, count + 1);
  for (const [i, id] of ids.entries()) await client.hset(`person:${id}`, 'name', 'x', 'age', i);
  await source.caughtUp();
  assert.equal((await pipeline.events()).length, events);
  assert.deepEqual(Object.keys(await pipeline.marks()), ['0:person:all']);
});

test('SWAPDB of few hashes is told from the stream', async (t) => {
  const pipeline = await TestPipeline.open(t);
  const { client } = pipeline.redis;
  const source = pipeline.start();
  await source.caughtUp();
  await client.hset('person:both', 'name', 'zero');
  await client.hset('person:zero', 'name', 'zero');
  await client.select(1);
  await client.hset('person:both', 'name', 'one');
  await client.hset('person:one', 'name', 'one');
  await client.swapdb(0, 1);
  await client.select(0);
  await source.caughtUp();
  assert.deepEqual((await pipeline.told('person', 2)).sort(), [
    'c one one,null SWAPDB',
    'd zero deleted',
    'u both one,null SWAPDB',
  ]);
  assert.deepEqual(await source.links(), { continued: 0, full: 1 });
});

test('rule 7: SWAPDB of more hashes than a batch is told from a full resync, and never done twice', async (t) => {
  const pipeline = await TestPipeline.open(t, { source: small });
  const { client } = pipeline.redis;
  await multiOf(pipeline).exec();
  await client.select(1);
  for (const id of ids.slice(0, 50)) await client.hset(`person:${id}`, 'name', 'one');
  await client.select(0);
  const source = pipeline.start();
  await source.caughtUp();
  await client.swapdb(0, 1);
  await client.hset('person:n0', 'age', 5);
  await source.caughtUp();
  const expected = Object.fromEntries(ids.slice(0, 50).map((id) => [id, 'one,null']));
  assert.deepEqual(await pipeline.rows(), { ...expected, n0: 'one,5' });
  assert.deepEqual(await source.links(), { continued: 0, full: 2 });
  await client.swapdb(0, 1);
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), { ...rowsOf((i) => `x,${i}`), all: `null,${count}` });
});
