import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lag } from '../../../source-connector/capture/lag.ts';

test('lag is counted from the first byte that is not published', () => {
  const lag = new Lag();
  lag.seen('a', 100, 0);
  lag.seen('a', 150, 1000);
  lag.seen('a', 250, 3000);
  assert.deepEqual([lag.bytes, lag.ms(5000)], [150, 4000]);
  lag.published('a', 150);
  assert.deepEqual([lag.bytes, lag.ms(5000)], [100, 2000]);
  lag.published('a', 250);
  assert.deepEqual([lag.bytes, lag.ms(9000)], [0, 0]);
});

test('another stream begins anew, and what is older than the published place makes no lag', () => {
  const lag = new Lag();
  lag.seen('a', 100, 0);
  lag.seen('a', 500, 20);
  lag.published('b', 10);
  assert.deepEqual([lag.bytes, lag.ms(5000)], [0, 0]);
  lag.seen('b', 5, 30);
  lag.seen('b', 30, 40);
  assert.deepEqual([lag.bytes, lag.ms(90)], [20, 50]);
});

test('however long nothing is published, the beginning of the lag is known', () => {
  const lag = new Lag();
  lag.seen('a', 0, 0);
  for (let i = 1; i <= 100_000; i++) lag.seen('a', i, i * 20);
  assert.equal(lag.ms(100_000 * 20), 100_000 * 20 - 20);
  lag.published('a', 50_000);
  const ms = lag.ms(100_000 * 20);
  assert.ok(ms >= 49_999 * 20 && ms <= 55_000 * 20, `${ms}`);
});
