import assert from 'node:assert/strict';
import { test } from 'node:test';
import { databaseKinds, loadDatabaseKind } from '../../bench/databases/index.ts';
import { sinks } from '../../bench/sinks/index.ts';
import { assertMeasured } from './figures.ts';

// All kinds at once, as people measure them: each run starts a Kafka, and fills its topics, for itself.
test('the benchmark of sinks measures each kind beside its driver', { timeout: 1_200_000 }, async (t) => {
  const say = (line: string): void => {
    t.diagnostic(line);
  };

  const figures = await sinks({ quick: true, only: [], say });

  const kinds = await Promise.all(databaseKinds.map(loadDatabaseKind));
  assert.deepEqual(
    figures.map(({ name, unit }) => [name, unit]),
    kinds.flatMap(({ label }) => [
      [`${label}, inserts: sink`, 'rows/s'],
      [`${label}, updates: sink`, 'rows/s'],
      [`${label}, inserts: its statements alone`, 'rows/s'],
      [`${label}, updates: its statements alone`, 'rows/s'],
      [`${label}: peak memory of the sink, 5,000 rows`, 'MiB'],
    ]),
  );
  assertMeasured(figures);
});
