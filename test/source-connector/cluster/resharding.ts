import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { keySlot } from '../../../source-connector/decode/key-slot.ts';
import { ClusterLoad } from '../../support/cluster-load.ts';
import { Random, seedOfTest } from '../../support/random.ts';
import type { TestCluster } from '../../support/redis-cluster.ts';
import { PATIENCE, type TestSource } from '../../support/source/source.ts';
import { until } from '../../support/until.ts';

export function begin(t: TestContext): Random {
  const seed = seedOfTest();
  t.diagnostic(`AFTERWRITE_SEED=${seed}`);
  return new Random(seed);
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
