import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from 'node:test';
import { untilRowsEqual } from '../../support/source/cluster-pipeline.ts';
import { clusterUnderLoad, reshard, shardsFollow } from '../../support/source/cluster-under-load.ts';

test('a master that is killed under load is replaced, and its shard goes on (rules 1, 4)', async (t) => {
  const { cluster, load, pipeline } = await clusterUnderLoad(t, { replicas: 1 });
  const source = pipeline.start();
  await shardsFollow(source, 3);
  await load.more(200);
  const [victim] = await cluster.masters();
  assert.ok(victim !== undefined);
  await cluster.killMaster(victim.node);
  await load.more(300);
  await load.stop();
  await untilRowsEqual(pipeline, cluster);
  const shards = new Set((await pipeline.events()).map(({ source: from }) => from?.['shard']));
  assert.deepEqual([...shards].sort(), [0, 1, 2], 'no further shard');
  await source.stop();
});

test('a lost state is rebuilt from the rows of the slots that a shard has now (rules 3, 10)', async (t) => {
  const { random, cluster, load, pipeline, loadAgain } = await clusterUnderLoad(t);
  const source = pipeline.start();
  await shardsFollow(source, 3);
  await load.more(300);
  await reshard(cluster, random, 15);
  await load.stop();
  await untilRowsEqual(pipeline, cluster);
  await source.stop();
  await rm(join(pipeline.folder, 'state'), { recursive: true });
  const before = (await pipeline.events()).length;
  const next = pipeline.start();
  await shardsFollow(next, 3);
  await untilRowsEqual(pipeline, cluster);
  assert.equal((await pipeline.events()).length, before, 'nothing has changed, and nothing is told');
  const more = loadAgain();
  await more.more(300);
  await more.stop();
  await untilRowsEqual(pipeline, cluster);
  await next.stop();
});

test('kill -9 at each step of a move, and at random moments, loses and repeats nothing (rules 1, 10)', async (t) => {
  const { random, cluster, load, pipeline } = await clusterUnderLoad(t);
  const source = await pipeline.process();
  const moves = async (): Promise<void> => {
    while (source.running) await reshard(cluster, random, 1);
  };
  for (const step of ['slots.releasing', 'slots.arriving', 'slots.arrived']) {
    source.start(`${step}:${random.between(1, 3)}`);
    // It may come to the step by the moves before, when it is not ready yet.
    await Promise.all([moves(), source.diedAtFault(120_000)]);
    t.diagnostic(`died at ${step}`);
  }
  for (let kill = 0; kill < 3; kill++) {
    source.start();
    if (random.chance(0.7)) await source.ready(120_000);
    await Promise.all([reshard(cluster, random, 4), wait(random.between(100, 2500)).then(() => source.kill())]);
  }
  source.start();
  await reshard(cluster, random, 3);
  await load.stop();
  await untilRowsEqual(pipeline, cluster);
  await source.stop();
});
