import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SteadyReader } from '../../../sink-connector/consume/steady-reader.ts';
import { Comparison, type ComparisonLimits } from '../../../sink-connector/orphans/comparison.ts';
import { firstKeySchemaId } from '../../../sink-connector/orphans/live-keys.ts';
import { createDialect } from '../../../sink-connector/write/registry.ts';
import { DatabaseWriter } from '../../../sink-connector/write/writer.ts';
import { sinkTargets } from '../../../sink-connector/targets.ts';
import { kafkaAt } from '../../support/kafka.ts';
import type { Scope } from '../../support/scope.ts';
import { createDatabase } from '../../support/sink/database.ts';
import { EventLog } from '../../support/sink/event-log.ts';
import { sinkConfig } from '../../support/sink/worker.ts';

const retry = { signal: new AbortController().signal };

/** A table of 3,000 rows, of which the topic holds 2,000, in two partitions; and the comparison of one of them. */
async function setUp(scope: Scope, limits: ComparisonLimits | undefined, percent = 100) {
  const database = await createDatabase(scope);
  const config = sinkConfig({ database });
  const log = await EventLog.create(scope, config, 'person', 2, { 'cleanup.policy': 'compact' });
  const names = Array.from({ length: 3000 }, (_, number) => `k${number}`);
  await log.commit(...names.slice(0, 2000).map((key) => ({ key, values: ['x', null] })));
  await database.rows('CREATE TABLE $schema.persons (person_id TEXT PRIMARY KEY, first TEXT, age INT)');
  await database.rows("INSERT INTO $schema.persons SELECT 'k' || n, 'x' FROM generate_series(0, 2999) AS n");
  const sink = config.sinks['warehouse'];
  assert.ok(sink !== undefined);
  const [target] = sinkTargets(config, sink);
  assert.ok(target !== undefined);
  const writer = new DatabaseWriter(await createDialect('warehouse', sink), 'warehouse');
  scope.after(() => writer.close());
  const { table } = target;
  await writer.prepare([table], { create: true, evolve: false }, retry);
  const reader = new SteadyReader(kafkaAt(), log.topic, 0);
  scope.after(() => reader.close());
  const partition = { topic: log.topic, partition: 0 };
  const owned = await writer.claim(partition, { clusterId: 'c', nextOffset: 7n }, retry);
  const comparison = new Comparison({
    table,
    place: { ...partition, partitions: 2, keySchemaId: (await firstKeySchemaId(reader, retry)) ?? -1 },
    move: { ...partition, owner: owned.owner, epoch: owned.epoch, from: 7n, to: 7n, caughtUp: false },
    log: reader,
    version: 0n,
    writer,
    breaker: { rows: 1000, percent, confirmed: undefined },
    retry,
    limits,
  });
  const own = names.filter((key) => log.partitionOf(key) === 0);
  const orphans = own.filter((key) => Number(key.slice(1)) >= 2000);
  const left = async () => (await database.rows('SELECT person_id AS id FROM $schema.persons')).map(({ id }) => id);
  return { comparison, names, own, orphans, left };
}

for (const [name, limits] of [
  ['in one pass', undefined],
  ['range by range, when the keys do not fit', { keys: 200, orphans: 100_000 }],
  ['some at a time, when the orphans do not fit', { keys: 100_000, orphans: 37 }],
  ['range by range and some at a time, when neither fits', { keys: 200, orphans: 37 }],
] as const) {
  test(`rule 17: the rows of a partition that its log lacks go, and all others stay: ${name}`, async (t) => {
    const { comparison, names, own, orphans, left } = await setUp(t, limits);
    const outcome = await comparison.run();
    assert.ok(outcome.kind === 'compared');
    const live = own.length - orphans.length;
    assert.deepEqual(outcome.figures, {
      records: live,
      rows: own.length,
      orphans: orphans.length,
      removed: orphans.length,
    });
    const gone = new Set(orphans);
    assert.deepEqual((await left()).toSorted(), names.filter((key) => !gone.has(key)).toSorted());
  });
}

test('rule 17: nothing goes before all ranges were counted, if they are too many together', async (t) => {
  const { comparison, own, orphans, left } = await setUp(t, { keys: 200, orphans: 37 }, 20);
  await assert.rejects(comparison.run(), {
    code: 'ORPHANS_BREAKER',
    message: new RegExp(`^ORPHANS_BREAKER: ${orphans.length} of ${own.length} rows`),
  });
  assert.equal((await left()).length, 3000);
});
