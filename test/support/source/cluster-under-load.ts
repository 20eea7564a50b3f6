import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { keySlot } from '../../../source-connector/decode/key-slot.ts';
import { ClusterLoad } from '../cluster-load.ts';
import { Random, seedOfTest } from '../random.ts';
import { TestCluster } from '../redis-cluster.ts';
import { until } from '../until.ts';
import { openClusterPipeline } from './cluster-pipeline.ts';
import type { TestPipeline } from './pipeline.ts';
import { PATIENCE, type TestSource } from './source.ts';

/** A cluster of three masters that changes all the time, and a pipeline that is to capture it. */
export interface ClusterUnderLoad {
  readonly random: Random;
  readonly cluster: TestCluster;
  readonly load: ClusterLoad;
  readonly pipeline: TestPipeline;
  /** Another load, after the first one was stopped. */
  readonly loadAgain: () => ClusterLoad;
}

/**
 * Starts it under load, without a source. The test says which seed it has.
 * @param options `replicas` of each master; `removes`: whether keys are deleted, expire and are renamed
 */
export async function clusterUnderLoad(
  t: TestContext,
  { replicas = 0, removes = true }: { readonly replicas?: number; readonly removes?: boolean } = {},
): Promise<ClusterUnderLoad> {
  const seed = seedOfTest();
  t.diagnostic(`AFTERWRITE_SEED=${seed}`);
  const random = new Random(seed);
  const cluster = await TestCluster.start(t, { replicas });
  const loadAgain = (): ClusterLoad => new ClusterLoad(t, cluster.client, { seed: random.below(2 ** 31), removes });
  const load = loadAgain();
  return { random, cluster, load, pipeline: await openClusterPipeline(t, cluster), loadAgain };
}

/** The slots of the load's tags and of some of its other keys. */
export function busySlots(): number[] {
  const tags = ClusterLoad.tags.map((tag) => keySlot(Buffer.from(tag)));
  return [...tags, ...Array.from({ length: 12 }, (_, i) => keySlot(Buffer.from(`person:${i}`)))];
}

/** Moves busy slots between masters, one after the other. */
export async function reshard(cluster: TestCluster, random: Random, moves: number): Promise<void> {
  for (let i = 0; i < moves; i++) {
    const slot = random.pick([0, ...busySlots()]);
    // For a moment after a move no master may say that it serves the slot, or its old one says so still.
    const from = await until(`a master of slot ${slot}`, () => cluster.masterOfSlot(slot), PATIENCE);
    const others = (await cluster.masters()).map(({ node }) => node).filter((node) => node !== from);
    const [first, ...rest] = others;
    assert.ok(first !== undefined);
    await cluster.move(slot, from, random.pick([first, ...rest]));
  }
}

/** Waits until so many shards follow their streams. */
export async function shardsFollow(source: TestSource, shards: number): Promise<void> {
  const follow = (): boolean => {
    const parts = Object.values(source.worker.ready());
    return parts.length === shards + 1 && parts.every(({ ok }) => ok);
  };
  await until(`${shards} shards that follow`, follow, PATIENCE);
}
