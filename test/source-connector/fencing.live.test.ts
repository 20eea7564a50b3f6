import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { kafkaOf } from '../../cli/connections.ts';
import { createSender } from '../../source-connector/send/kafkajs-sender.ts';
import { isCode } from '../support/sender.ts';
import { TestPipeline } from '../support/source/pipeline.ts';
import { until, untilEqual } from '../support/until.ts';

test('rule 2: a source that starts aborts what an earlier owner has open, and that owner cannot end it', async (t) => {
  const pipeline = await TestPipeline.open(t);
  const first = pipeline.start();
  await pipeline.redis.client.hset('person:1', 'name', 'Ann');
  const position = await first.caughtUp();
  await first.stop();
  const { kafka, pipeline: name, mappings } = pipeline.config();
  const sender = createSender({
    resolve: kafkaOf(kafka, 'earlier-owner'),
    pipeline: name,
    shard: 0,
    maxRecordBytes: kafka.maxRecordBytes,
  });
  t.after(() => sender.close());
  assert.ok((await sender.claim()) !== null);
  const batch = sender.begin();
  const topic = mappings['person']?.topic ?? '';
  batch.append(topic, 0, Buffer.from('zombie'), Buffer.from('is in no schema, and would fail any reader'));
  let sync: (() => void) | undefined;
  const synced = new Promise<void>((resolve) => {
    sync = resolve;
  });
  const never = { ...position, offset: position.offset + 1_000_000 };
  const commit = sender.commit(batch, Buffer.from(JSON.stringify(never)), synced);
  const fenced = assert.rejects(commit, isCode('PRODUCER_FENCED'));
  const second = pipeline.start();
  await second.caughtUp();
  await pipeline.redis.client.hset('person:1', 'name', 'Bob');
  await second.caughtUp();
  sync?.();
  await fenced;
  assert.deepEqual(await second.links(), { continued: 1, full: 0 });
  assert.deepEqual(await pipeline.told(), ['r 1 Ann,null SNAPSHOT', 'u 1 Bob,null HSET']);
});

test('rule 2: a second source with the same id ends the life of the first; together they lose and repeat nothing', async (t) => {
  const pipeline = await TestPipeline.open(t);
  const { client } = pipeline.redis;
  await client.hset('person:1', 'name', 'Ann', 'age', 0);
  const first = pipeline.start();
  await first.caughtUp();
  const second = pipeline.start({ source: { state: join(pipeline.folder, 'second') } });
  let writes = 0;
  await until('each has ended a life of the other', async () => {
    await client.hincrby('person:1', 'age', 1);
    await client.hset(`person:n${++writes}`, 'name', String(writes));
    await client.del(`person:n${writes - 1}`);
    const lives = await Promise.all([first, second].map((source) => source.count('lives_total')));
    return lives.every((count) => count > 1);
  });
  await first.stop();
  const codes = new Set([...first.codes(), ...second.codes()]);
  assert.ok(codes.has('SOURCE_LIFE_ENDED'), [...codes].join(' '));
  assert.ok(
    first.lines.some(({ err }) => JSON.stringify(err ?? '').includes('PRODUCER_FENCED')),
    'the first knows why',
  );
  await second.caughtUp();
  // The histories are audited: nothing twice, nothing out of order.
  assert.deepEqual(await pipeline.rows(), { 1: `Ann,${writes}`, [`n${writes}`]: `${writes},null` });
});

test('two sources of one folder do not work on it at the same time', async (t) => {
  const pipeline = await TestPipeline.open(t);
  const { client } = pipeline.redis;
  const first = pipeline.start();
  await first.caughtUp();
  const second = pipeline.start();
  await untilEqual('the second meets the lock', true, () => second.codes().includes('STATE_LOCKED'));
  await first.stop();
  await client.hset('person:1', 'name', 'Ann');
  await second.caughtUp();
  assert.deepEqual(await second.links(), { continued: 1, full: 0 });
  assert.deepEqual(await pipeline.told(), ['c 1 Ann,null HSET']);
});
