import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pipeline } from '../../bench/pipeline/index.ts';
import { assertMeasured } from './figures.ts';

test('the pipeline benchmark measures everything beside its limit', { timeout: 600_000 }, async (t) => {
  const say = (line: string): void => {
    t.diagnostic(line);
  };

  const figures = await pipeline({ quick: true, only: [], say });

  assert.deepEqual(
    figures.map(({ name, unit }) => [name, unit]),
    [
      ['source: snapshot', 'records/s'],
      ['source: live', 'records/s'],
      ['sink: PostgreSQL', 'rows/s'],
      ['HSET to visible row, 200/s: p50', 'ms'],
      ['HSET to visible row, 200/s: p99', 'ms'],
      ['source: peak memory, 5,000 hashes', 'MiB'],
    ],
  );
  assertMeasured(figures);
});
