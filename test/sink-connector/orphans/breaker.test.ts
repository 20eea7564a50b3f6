import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkBreaker } from '../../../sink-connector/orphans/breaker.ts';

const place = { table: 'persons', topic: 'shop.person', partition: 3 };

function check(
  counts: [records: number, rows: number, orphans: number],
  breaker: [number, number],
  confirmed?: number,
) {
  const [records, rows, orphans] = counts;
  const [most, percent] = breaker;
  checkBreaker({ rows: most, percent, confirmed }, place, { records, rows, orphans });
}

test('rule 17: the breaker lets go what is within both of its limits', () => {
  check([90, 100, 10], [10, 10]);
  check([90, 100, 0], [0, 0]);
  check([0, 0, 0], [0, 0]);
});

test('rule 17: more orphans, or a larger share, is told with counts, table, topic and the way on', () => {
  for (const breaker of [
    [9, 100],
    [1000, 9.9],
  ] as const) {
    assert.throws(() => {
      check([90, 100, 10], [...breaker]);
    }, /^AfterwriteError: ORPHANS_BREAKER: 10 of 100 rows .* none of its 90 records .*table persons, topic shop.person, partition 3.*--confirm-orphans 10;.*orphans.policy: keep/s);
  }
});

test('rule 17: a partition without records stops whatever the limits are', () => {
  assert.throws(() => {
    check([0, 5, 5], [1000, 100]);
  }, /holds no record at all, but 5 rows/);
});

test('rule 17: a person may confirm as many as they saw, and not more', () => {
  check([0, 5, 5], [0, 0], 5);
  assert.throws(
    () => {
      check([0, 6, 6], [0, 0], 5);
    },
    { code: 'ORPHANS_BREAKER' },
  );
});
