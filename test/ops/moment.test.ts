import assert from 'node:assert/strict';
import { test } from 'node:test';
import { before, elapsedSince } from '../../ops/moment.ts';

const moment = { steady: 1000, wall: 1_700_000_000_000 };

test('of a sleep, which the steady clock overlooks, and of a clock that was set back, the longer time counts', () => {
  assert.equal(elapsedSince(moment, { steady: 1500, wall: moment.wall + 500 }), 500);
  assert.equal(elapsedSince(moment, { steady: 1500, wall: moment.wall + 8_000_000 }), 8_000_000);
  assert.equal(elapsedSince(moment, { steady: 61_000, wall: moment.wall - 5_000_000 }), 60_000);
});

test('a moment before another one is as long ago by both clocks', () => {
  assert.equal(elapsedSince(before(moment, 250), moment), 250);
});
