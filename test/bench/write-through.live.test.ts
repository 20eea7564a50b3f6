import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeThrough } from '../../bench/write-through/index.ts';
import { assertMeasured } from './figures.ts';

test(
  'the benchmark of write-through measures it beside write-behind and the driver',
  { timeout: 600_000 },
  async (t) => {
    const say = (line: string): void => {
      t.diagnostic(line);
    };
    const figures = await writeThrough({ quick: true, only: [], say });
    assert.equal(figures.length, 6);
    assertMeasured(figures);
  },
);
