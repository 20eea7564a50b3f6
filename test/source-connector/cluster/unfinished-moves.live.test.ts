import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { keySlot } from '../../../source-connector/decode/key-slot.ts';
import { ClusterLoad } from '../../support/cluster-load.ts';
import type { TestCluster, TestNode } from '../../support/redis-cluster.ts';
import { untilRowsEqual } from '../../support/source/cluster-pipeline.ts';
import type { TestPipeline } from '../../support/source/pipeline.ts';
import { PATIENCE, type TestSource } from '../../support/source/source.ts';
import { until } from '../../support/until.ts';
import { clusterUnderLoad, shardsFollow } from '../../support/source/cluster-under-load.ts';

const TAG = ClusterLoad.tags[0] ?? '';
/** Of the hashes `person:{<tag>}:…`. */
const SLOT = keySlot(Buffer.from(TAG));

interface Moving {
  readonly cluster: TestCluster;
  readonly load: ClusterLoad;
  readonly pipeline: TestPipeline;
  readonly source: TestSource;
  readonly from: TestNode;
  readonly to: TestNode;
}

/** A cluster under load that is followed, where half of the keys of a slot have moved to another master. */
async function halfMoved(t: TestContext, replicas: number): Promise<Moving> {
  const { cluster, load, pipeline } = await clusterUnderLoad(t, { replicas });
  const source = pipeline.start();
  await shardsFollow(source, 3);
  await load.more(300);
  const from = await cluster.masterOfSlot(SLOT);
  const to = (await cluster.masters()).find(({ node }) => node !== from)?.node;
  assert.ok(to !== undefined);
  await cluster.move(SLOT, from, to, 'half');
  await load.more(200);
  return { cluster, load, pipeline, source, from, to };
}

test('rule 10: a move that is taken back under load deletes no row, and ends as the hashes', async (t) => {
  const { cluster, load, pipeline, source, from, to } = await halfMoved(t, 0);
  await cluster.takeBack(SLOT, from, to);
  await load.more(200);
  await load.stop();
  await untilRowsEqual(pipeline, cluster);
  await source.stop();
});

test('rule 10: a master that is lost in the middle of a move is replaced, and the move is done anew', async (t) => {
  const { cluster, load, pipeline, source, from, to } = await halfMoved(t, 1);
  await cluster.killMaster(from);
  // The replica knows nothing of the move: it serves the slot, without the keys that have gone.
  const heir = await until('a new master of the slot', () => cluster.masterOfSlot(SLOT), PATIENCE);
  assert.notEqual(heir, from);
  // While it imports, the other one does not believe that anybody else has the slot, and serves none.
  await to.client.call('CLUSTER', 'SETSLOT', SLOT, 'STABLE');
  await cluster.up();
  await load.more(100);
  await cluster.move(SLOT, heir, to);
  await load.more(200);
  await load.stop();
  await untilRowsEqual(pipeline, cluster);
  await source.stop();
});

test('a FLUSHALL of one master deletes the rows of its hashes, and no others', async (t) => {
  const { cluster, load, pipeline } = await clusterUnderLoad(t, { removes: false });
  const source = pipeline.start();
  await shardsFollow(source, 3);
  await load.more(500);
  await load.stop();
  const before = await untilRowsEqual(pipeline, cluster);
  const [first] = await cluster.masters();
  assert.ok(first !== undefined);
  await first.node.client.flushall();
  const after = await untilRowsEqual(pipeline, cluster);
  assert.ok(after.size > 0 && after.size < before.size, `${before.size} and ${after.size} rows`);
  const deletes = (await pipeline.events()).filter(({ op }) => op === 'd');
  assert.equal(deletes.length, before.size - after.size, 'each row was deleted once');
  await source.stop();
});
