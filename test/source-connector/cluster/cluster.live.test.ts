import assert from 'node:assert/strict';
import { test } from 'node:test';
import { untilRowsEqual } from '../../support/source/cluster-pipeline.ts';
import { PATIENCE } from '../../support/source/source.ts';
import type { TestPipeline } from '../../support/source/pipeline.ts';
import { until } from '../../support/until.ts';
import { busySlots, clusterUnderLoad, reshard, shardsFollow } from '../../support/source/cluster-under-load.ts';

/** The shards that have told of some row. */
async function tellingShards(pipeline: TestPipeline): Promise<ReadonlySet<unknown>> {
  return new Set((await pipeline.events()).map(({ source: from }) => from?.['shard']));
}

test('rule 3, rule 16: a cluster of three masters is three shards, whose rows equal the hashes of all', async (t) => {
  const { cluster, load, pipeline } = await clusterUnderLoad(t);
  await load.more(200);
  const source = pipeline.start();
  await load.more(500);
  await source.stop();
  await load.more(200);
  const next = pipeline.start();
  await shardsFollow(next, 3);
  await load.more(200);
  await load.stop();
  const rows = await untilRowsEqual(pipeline, cluster);
  assert.deepEqual([...(await tellingShards(pipeline))].sort(), [0, 1, 2]);
  t.diagnostic(`${rows.size} rows`);
});

test('rule 10: slots that move under load leave every row equal, none lost, none told twice', async (t) => {
  const { random, cluster, load, pipeline } = await clusterUnderLoad(t);
  const source = pipeline.start();
  await shardsFollow(source, 3);
  await load.more(300);
  await reshard(cluster, random, 30);
  await load.more(300);
  await load.stop();
  const rows = await untilRowsEqual(pipeline, cluster);
  const told = (words: string): number => source.lines.filter(({ msg }) => msg === words).length;
  const moves = [told('slots are released to another shard'), told('slots are published from this shard now')];
  t.diagnostic(
    `${rows.size} rows, ${(await pipeline.events()).length} events; slots released and taken ${moves.join(' and ')} times`,
  );
  assert.ok(moves.every((count) => count > 0));
  await source.stop();
});

test('rule 10: no row is deleted whose hash moves', async (t) => {
  const { random, cluster, load, pipeline } = await clusterUnderLoad(t, { removes: false });
  const source = pipeline.start();
  await shardsFollow(source, 3);
  await load.more(300);
  await reshard(cluster, random, 30);
  await load.more(300);
  await load.stop();
  await untilRowsEqual(pipeline, cluster);
  assert.deepEqual(
    (await pipeline.events()).filter(({ op }) => op === 'd'),
    [],
  );
  await source.stop();
});

test('rule 10: a master that is added gets slots, and one that gave all of its slots away is forgotten', async (t) => {
  const { cluster, load, pipeline } = await clusterUnderLoad(t);
  const source = pipeline.start();
  await shardsFollow(source, 3);
  const added = await cluster.add();
  await shardsFollow(source, 4);
  await load.more(300);
  const slots = busySlots().slice(0, 4);
  const [home] = await cluster.masters();
  assert.ok(home !== undefined);
  for (const slot of slots) await cluster.move(slot, await cluster.masterOfSlot(slot), added);
  // A shard whose slots leave before it has them tells nothing, rightly.
  await until('rows of the added master', async () => (await tellingShards(pipeline)).has(3), PATIENCE);
  await load.more(200);
  // Having lost its last slot, it becomes a replica of the one that took it.
  for (const slot of slots) await cluster.move(slot, added, home.node);
  await load.more(300);
  await load.stop();
  await untilRowsEqual(pipeline, cluster);
  await shardsFollow(source, 3);
  assert.deepEqual([...(await tellingShards(pipeline))].sort(), [0, 1, 2, 3]);
  await source.stop();
});
