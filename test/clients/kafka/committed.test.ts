import assert from 'node:assert/strict';
import { test } from 'node:test';
import { committedBatches } from '../../../clients/kafka/committed.ts';

type Marker = 'commit' | 'abort';

/** One batch of one record, or the marker at the end of a transaction. */
function batch(offset: number, producerId: bigint, marker?: Marker) {
  const control = { isControl: marker !== undefined, isAbort: marker === 'abort' };
  return { baseOffset: offset, lastOffset: offset, producerId, inTransaction: producerId !== -1n, ...control };
}

const offsets = (batches: readonly { baseOffset: number }[]) => batches.map(({ baseOffset }) => baseOffset);

test('hands out committed records without their markers', () => {
  const batches = [batch(0, 1n), batch(1, 1n), batch(2, 1n, 'commit'), batch(3, -1n)];
  assert.deepEqual(offsets(committedBatches(batches, [])), [0, 1, 3]);
});

test('leaves out an aborted transaction, and not what its producer sends after it', () => {
  const batches = [batch(0, 1n), batch(1, 1n, 'abort'), batch(2, 1n), batch(3, 1n, 'commit')];
  assert.deepEqual(offsets(committedBatches(batches, [{ producerId: 1n, firstOffset: 0 }])), [2]);
});

test('leaves out two interleaved aborted transactions that are listed by their ends (rule 16)', () => {
  const batches = [
    batch(0, 1n),
    batch(1, 2n),
    batch(2, 1n),
    batch(3, 2n),
    batch(4, 2n, 'abort'),
    batch(5, 1n, 'abort'),
    batch(6, -1n),
  ];
  const listed = [
    { producerId: 2n, firstOffset: 1 },
    { producerId: 1n, firstOffset: 0 },
  ];
  assert.deepEqual(offsets(committedBatches(batches, listed)), [6]);
});

test('leaves out the rest of an aborted transaction that began before the first record', () => {
  const batches = [batch(7, 1n), batch(8, 2n), batch(9, 1n, 'abort'), batch(10, 2n, 'commit')];
  assert.deepEqual(offsets(committedBatches(batches, [{ producerId: 1n, firstOffset: 3 }])), [8]);
});

test('keeps records of no transaction, even of a producer whose transaction was aborted', () => {
  const plain = { ...batch(1, 1n), inTransaction: false };
  const batches = [batch(0, 1n), plain, batch(2, 1n, 'abort')];
  assert.deepEqual(offsets(committedBatches(batches, [{ producerId: 1n, firstOffset: 0 }])), [1]);
});

test('an aborted transaction may begin inside a batch that is longer than one record', () => {
  const long = { ...batch(4, 1n), lastOffset: 9 };
  const batches = [long, batch(10, 1n, 'abort'), batch(11, 1n), batch(12, 1n, 'commit')];
  assert.deepEqual(offsets(committedBatches(batches, [{ producerId: 1n, firstOffset: 6 }])), [11]);
});
