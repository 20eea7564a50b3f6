import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verdictOf } from '../../../source-connector/write-through/decider.ts';

const terms = { sinks: ['a', 'b'], timeoutMs: 100 };
const write = { operation: '=', error: '', at: 1000 } as const;
const done = (sink: string) => ({ sink, failure: undefined });

test('rule 23: done when all sinks have written the row, however late', () => {
  assert.equal(verdictOf(write, terms, [], 1099), undefined);
  assert.equal(verdictOf(write, terms, [done('a')], 1099), undefined);
  assert.equal(verdictOf(write, terms, [done('a'), done('c')], 1099), undefined, 'another sink does not count');
  assert.deepEqual(verdictOf(write, terms, [done('b'), done('a')], 1000), { kind: 'done' });
  assert.deepEqual(verdictOf(write, terms, [done('b'), done('a')], 99_999), { kind: 'done' });
});

test('rule 23: failed when one has, or when the time is over', () => {
  const failed = [done('a'), { sink: 'b', failure: 'too long' }];
  assert.deepEqual(verdictOf(write, terms, failed, 1000), { kind: 'failed', error: 'b: too long' });
  assert.deepEqual(verdictOf(write, terms, [done('a')], 1100), {
    kind: 'failed',
    error: 'not written within 100 ms by b',
  });
  assert.deepEqual(verdictOf({ ...write, error: 'no operation' }, terms, [], 1000), {
    kind: 'failed',
    error: 'no operation',
  });
  assert.equal(verdictOf(write, undefined, [], 1000)?.kind, 'failed');
});

test('+ and - ask no sink', () => {
  assert.deepEqual(verdictOf({ ...write, operation: '+' }, terms, [], 1000), { kind: 'done' });
  assert.deepEqual(verdictOf({ ...write, operation: '-' }, terms, [], 1000), { kind: 'done' });
});
