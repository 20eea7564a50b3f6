import assert from 'node:assert/strict';
import type { Figure } from '../../bench/figure.ts';

/** Whether lines say something: numbers that were measured, each held against a limit. */
export function assertMeasured(figures: readonly Figure[]): void {
  for (const { name, value, limitName, limit, ratio } of figures) {
    assert.ok(limitName !== '', `${name} is held against something`);
    for (const number of [value, limit, ratio]) assert.ok(Number.isFinite(number) && number > 0, `${name}: ${number}`);
    assert.ok(Math.abs(ratio - value / limit) <= 0.002 * ratio, `${name}: ${ratio} is ${value} / ${limit}`);
  }
}
