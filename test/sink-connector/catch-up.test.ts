import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CatchUp } from '../../sink-connector/catch-up.ts';

test('the goal is the first end that is seen, and the rate tells the time left', () => {
  const way = new CatchUp(100, 5000);
  assert.equal(way.figures(100, 6000), undefined);
  way.sees(300);
  assert.equal(way.isReachedAt(150), false);
  assert.deepEqual(way.figures(150, 6000), { done: 50, total: 200, rate: 50, secondsLeft: 3 });
  way.sees(1000);
  assert.equal(way.isReachedAt(299), false);
  assert.deepEqual(way.figures(200, 7000), { done: 100, total: 200, rate: 50, secondsLeft: 2 });
  assert.equal(way.isReachedAt(300), true);
  assert.deepEqual(way.figures(320, 8000), { done: 200, total: 200, rate: 200 / 3, secondsLeft: 0 });
});

test('a partition that has nothing to write is there at once, and before the first record nobody knows how long', () => {
  const there = new CatchUp(7, 0);
  assert.equal(there.isReachedAt(7), false);
  there.sees(7);
  assert.equal(there.isReachedAt(7), true);
  assert.deepEqual(there.figures(7, 0), { done: 0, total: 0, rate: 0, secondsLeft: undefined });
  const waiting = new CatchUp(7, 0);
  waiting.sees(17);
  assert.deepEqual(waiting.figures(7, 1000), { done: 0, total: 10, rate: 0, secondsLeft: undefined });
});
