import assert from 'node:assert/strict';
import { difference } from '../map-difference.ts';
import { TestCluster } from '../redis-cluster.ts';
import type { Scope } from '../scope.ts';
import { until } from '../until.ts';
import { TestPipeline, type ConfigParts } from './pipeline.ts';
import { allDelete } from '../removals.ts';

/** A pipeline that captures the hashes `person:…` of a cluster; every removal deletes its row, so rows equal hashes. */
export async function openClusterPipeline(
  scope: Scope,
  cluster: TestCluster,
  { source, ...parts }: ConfigParts = {},
): Promise<TestPipeline> {
  const [redis] = cluster.nodes;
  assert.ok(redis !== undefined);
  const nodes = cluster.addresses.slice(0, 2);
  // Not a field of JSON: it goes.
  const config = { url: undefined, nodes, removals: allDelete, ...source };
  return await TestPipeline.open(scope, { ...parts, source: config }, { redis });
}

/** Waits until the rows that the topic holds equal the hashes of the cluster; nobody writes. @returns them */
export async function untilRowsEqual(pipeline: TestPipeline, cluster: TestCluster): Promise<Map<string, string>> {
  let last: unknown = 'nothing yet';
  try {
    return await until(
      'rows that equal the hashes of the cluster',
      async () => {
        const hashes = await cluster.hashes('person:');
        const expected = new Map(
          [...hashes].map(([key, { name, age }]) => [
            key.slice('person:'.length),
            `${name ?? 'null'},${age ?? 'null'}`,
          ]),
        );
        last = difference(expected, new Map(Object.entries(await pipeline.rows())));
        return last === undefined ? expected : undefined;
      },
      { timeoutMs: 120_000, everyMs: 500 },
    );
  } catch (error) {
    assert.fail(`${String(error)}; they differ: ${JSON.stringify(last, null, 1)}`);
  }
}
