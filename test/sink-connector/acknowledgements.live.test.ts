import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startRedis } from '../support/redis.ts';
import { createDatabase, type TestDatabase } from '../support/sink/database.ts';
import { EventLog } from '../support/sink/event-log.ts';
import { createWorker, sinkConfig, type TestWorker } from '../support/sink/worker.ts';
import { until, untilEqual } from '../support/until.ts';

async function untilWritten(database: TestDatabase, log: EventLog): Promise<void> {
  const ends = (await log.ends()).map((next) => ({ next }));
  await untilEqual('offsets in the database', ends, () =>
    database.rows('SELECT next_offset::int AS next FROM $schema.afterwrite_offsets ORDER BY partition'),
  );
}

/** The states of the acknowledgements of all partitions. */
function statesOf({ worker }: TestWorker): unknown[] {
  return Object.values(worker.health()).flatMap(({ details }) => details?.['acknowledgements'] ?? []);
}

test('rule 22: while Redis is down rows are written, and what they say is told later', async (t) => {
  const [database, redis] = await Promise.all([createDatabase(t), startRedis(t)]);
  const mapping = { operations: true, acknowledge: ['warehouse'] };
  const config = sinkConfig({ database, source: redis.url, mapping });
  const log = await EventLog.create(t, config, 'person');
  await redis.server.kill();
  const sink = createWorker(t, config);
  await sink.worker.start();
  await log.commit({ key: 'a', values: ['1', null], id: 'one' }, { key: 'b', values: ['1', null], id: 'two' });
  await untilWritten(database, log);
  await untilEqual('the state', ['waiting'], () => statesOf(sink));
  await log.commit({ key: 'c', values: ['1', null], id: 'three' });
  await untilWritten(database, log);
  assert.ok(Object.values(sink.worker.health()).every(({ ok }) => ok));
  await until('ready', () => Object.values(sink.worker.ready()).every(({ ok }) => ok));
  assert.match(await sink.metrics.text(), /sink_acknowledgements_waiting\{.*\} 1/);
  await redis.server.start();
  const told = ['{person:a}one', '{person:b}two', '{person:c}three'];
  await untilEqual('acknowledgements', told, async () => (await redis.client.keys('*')).sort());
  await untilEqual('the state', ['idle'], () => statesOf(sink));
});
