import assert from 'node:assert/strict';
import { test } from 'node:test';
import { databaseKinds, loadDatabaseKind } from '../../bench/databases/index.ts';
import { sinks } from '../../bench/sinks/index.ts';
import { assertMeasured } from './figures.ts';

for (const kind of databaseKinds) {
  test(`the benchmark of sinks measures ${kind} beside its driver`, { timeout: 600_000 }, async (t) => {
    const say = (line: string): void => {
      t.diagnostic(line);
    };

    const figures = await sinks({ quick: true, only: [kind], say });

    const { label } = await loadDatabaseKind(kind);
    assert.deepEqual(
      figures.map(({ name, unit }) => [name, unit]),
      [
        [`${label}, inserts: sink`, 'rows/s'],
        [`${label}, updates: sink`, 'rows/s'],
        [`${label}, inserts: its statements alone`, 'rows/s'],
        [`${label}, updates: its statements alone`, 'rows/s'],
        [`${label}: peak memory of the sink, 12,000 rows`, 'MiB'],
      ],
    );
    assertMeasured(figures);
  });
}
