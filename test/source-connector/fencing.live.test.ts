import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { kafkaOf } from '../../cli/connections.ts';
import { createSender } from '../../source-connector/send/kafkajs-sender.ts';
import type { TransactionalSender } from '../../source-connector/send/port.ts';
import { isCode } from '../support/sender.ts';
import { TestPipeline } from '../support/source/pipeline.ts';
import { PART, PATIENCE } from '../support/source/source.ts';
import { until, untilEqual } from '../support/until.ts';

/** A sender under the transactional id of the pipeline's shard. */
function rivalOf(pipeline: TestPipeline): TransactionalSender {
  const { kafka, pipeline: name } = pipeline.config();
  const { maxRecordBytes } = kafka;
  return createSender({ resolve: kafkaOf(kafka, 'rival'), pipeline: name, shard: 0, maxRecordBytes });
}

test('rule 2: a source that starts aborts what an earlier owner has open, and that owner cannot end it', async (t) => {
  const pipeline = await TestPipeline.open(t);
  const first = pipeline.start();
  await pipeline.redis.client.hset('person:1', 'name', 'Ann');
  const position = await first.caughtUp();
  await first.stop();
  const { mappings } = pipeline.config();
  const sender = rivalOf(pipeline);
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

test('rule 2: whoever claims the id ends the life of its owner, which begins again; together they lose and repeat nothing', async (t) => {
  const pipeline = await TestPipeline.open(t);
  const { client } = pipeline.redis;
  await client.hset('person:1', 'name', 'Ann', 'age', 0);
  const source = pipeline.start();
  await source.caughtUp();
  let writes = 0;
  for (const lives of [2, 3, 4]) {
    const rival = rivalOf(pipeline);
    t.after(() => rival.close());
    assert.ok((await rival.claim()) !== null, 'the rival finds the position');
    await until('the source has begun another life', async () => {
      await client.hincrby('person:1', 'age', 1);
      await client.hset(`person:n${++writes}`, 'name', String(writes));
      await client.del(`person:n${writes - 1}`);
      return (await source.count('lives_total')) === lives;
    });
    await source.caughtUp();
    const batch = rival.begin();
    const late = rival.commit(batch, Buffer.from('{}'), Promise.resolve());
    await assert.rejects(late, isCode('PRODUCER_FENCED'), 'what its rival sends now is refused');
  }
  assert.ok(
    source.lines.some(({ err }) => JSON.stringify(err ?? '').includes('PRODUCER_FENCED')),
    'it knows why',
  );
  await source.caughtUp();
  // The histories are audited: nothing twice, nothing out of order.
  assert.deepEqual(await pipeline.rows(), { 1: `Ann,${writes}`, [`n${writes}`]: `${writes},null` });
});

test('rule 2: a second source that is no worker of the same folder stands by, and takes over when the first one ends', async (t) => {
  const pipeline = await TestPipeline.open(t);
  const { client } = pipeline.redis;
  const first = pipeline.start();
  await first.caughtUp();
  const second = pipeline.start({ source: { state: join(pipeline.folder, 'second') } });
  await until('the second stands by', () => second.worker.ready()['source']?.ok, PATIENCE);
  assert.match(second.worker.ready()['source']?.reason ?? '', /^standby/);
  assert.equal(second.worker.ready()[PART], undefined);
  await client.hset('person:1', 'name', 'Ann');
  await first.caughtUp();
  assert.equal(await first.count('lives_total'), 1);
  await first.stop();
  await client.hset('person:1', 'name', 'Bob');
  await second.caughtUp();
  assert.deepEqual(second.codes(), ['STATE_LOST'], 'its folder has no state yet');
  assert.deepEqual(await pipeline.told(), ['c 1 Ann,null HSET', 'u 1 Bob,null SNAPSHOT']);
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
