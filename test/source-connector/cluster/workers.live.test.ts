import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from 'node:test';
import type { Connector } from '../../support/processes.ts';
import { untilRowsEqual } from '../../support/source/cluster-pipeline.ts';
import { until } from '../../support/until.ts';
import { clusterUnderLoad, reshard } from '../../support/source/cluster-under-load.ts';

/** For processes on a busy machine. */
const PATIENCE = { timeoutMs: 120_000, everyMs: 100 };
const SHARDS = ['source shard 0', 'source shard 1', 'source shard 2'];

test('rules 2, 10: three workers share the shards of a cluster; whichever is killed, stopped or frozen amid moving slots, the others take its shards over, and nothing is lost or told twice', async (t) => {
  const { random, cluster, load, pipeline } = await clusterUnderLoad(t);
  const workers = [await pipeline.process(), await pipeline.process({}, 2), await pipeline.process({}, 3)];
  for (const worker of workers) worker.start();
  await until('a shard for each worker', async () => (await untilAllFollow(workers)).size === 3, PATIENCE);
  await load.more(200);
  for (const way of [killed, frozen, stopped, killed]) {
    const shards = await untilAllFollow(workers);
    const [first, ...rest] = shards.keys();
    assert.ok(first !== undefined);
    const victim = random.pick([first, ...rest]);
    const moving = reshard(cluster, random, 4);
    await wait(random.between(0, 1500));
    await way.end(victim);
    const began = performance.now();
    const others = workers.filter((worker) => worker !== victim);
    await untilAllFollow(others);
    t.diagnostic(`${way.name} of ${victim.name} with ${shards.get(victim)?.length} shards: ${sinceText(began)}`);
    await moving;
    await load.more(100);
    await way.after(victim);
  }
  await untilAllFollow(workers);
  await reshard(cluster, random, 4);
  await load.more(100);
  await load.stop();
  const rows = await untilRowsEqual(pipeline, cluster);
  const events = await pipeline.events();
  assert.deepEqual([...new Set(events.map(({ source }) => source?.['shard']))].sort(), [0, 1, 2]);
  t.diagnostic(`${rows.size} rows, ${events.length} events`);
  for (const worker of workers) await worker.stop();
});

/** What is done to a worker, and what brings it back. */
interface Way {
  readonly name: string;
  readonly end: (worker: Connector) => Promise<void> | void;
  readonly after: (worker: Connector) => Promise<void> | void;
}

const start = (worker: Connector): void => {
  worker.start();
};
const killed: Way = { name: 'kill -9', end: (worker) => worker.kill(), after: start };
const stopped: Way = { name: 'SIGTERM', end: (worker) => worker.stop(), after: start };
const frozen: Way = {
  name: 'SIGSTOP',
  end: (worker) => {
    worker.freeze();
  },
  after: (worker) => {
    worker.thaw();
  },
};

/** Waits until each shard is followed by one of these workers, and by one only. @returns the shards of each that has some */
async function untilAllFollow(workers: readonly Connector[]): Promise<Map<Connector, string[]>> {
  return await until(
    `${SHARDS.length} shards that are followed`,
    async () => {
      const found = new Map<Connector, string[]>();
      for (const worker of workers) {
        const parts = Object.entries(await worker.parts('/readyz'));
        const shards = parts.filter(([name, { ok }]) => SHARDS.includes(name) && ok).map(([name]) => name);
        if (shards.length > 0) found.set(worker, shards);
      }
      const all = [...found.values()].flat().sort();
      if (all.join() !== SHARDS.join()) throw new Error(JSON.stringify([...found.values()]));
      return found;
    },
    PATIENCE,
  );
}

function sinceText(began: number): string {
  return `${((performance.now() - began) / 1000).toFixed(1)} s`;
}
