import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Batch, BatchCutter, type SizedRecords } from '../../../sink-connector/consume/batch-cutter.ts';

interface Sized {
  readonly offset: number;
  readonly size: number;
}

class Records implements SizedRecords<Records> {
  readonly all: readonly Sized[];

  constructor(all: readonly Sized[]) {
    this.all = all;
  }

  get length(): number {
    return this.all.length;
  }

  offsetAt(index: number): number {
    return this.all[index]?.offset ?? NaN;
  }

  sizeAt(index: number): number {
    return this.all[index]?.size ?? NaN;
  }

  slice(from: number, to?: number): Records {
    return new Records(this.all.slice(from, to));
  }
}

const record = (offset: number, size = 1): Sized => ({ offset, size });
const recordsOf = ({ lists }: Batch<Records>): Sized[] => lists.flatMap(({ all }) => all);
/** A page of lists that are not empty, of one to three records. */
function pageOf(records: readonly Sized[], nextOffset: number) {
  const lists: Records[] = [];
  for (let at = 0; at < records.length; at += 1 + (at % 3))
    lists.push(new Records(records.slice(at, at + 1 + (at % 3))));
  return { lists, nextOffset };
}

test('a batch ends at the limit of rows or of bytes, and what does not fit stays', () => {
  const cutter = new BatchCutter<Records>(10, { rows: 2, bytes: 100 });
  cutter.push(pageOf([record(10), record(13), record(14, 99), record(15, 200)], 18));
  assert.ok(cutter.isFull);
  assert.deepEqual(
    [1, 2, 3].map(() => cutter.cut()).map((batch) => [batch.from, batch.to, recordsOf(batch).length]),
    [
      [10, 14, 2],
      [14, 15, 1],
      [15, 18, 1],
    ],
  );
  assert.ok(cutter.isEmpty);
});

test('offsets without records count: control records, aborted and compacted ones', () => {
  const cutter = new BatchCutter<Records>(5, { rows: 10, bytes: 10 });
  cutter.push({ lists: [], nextOffset: 9 });
  assert.deepEqual({ empty: cutter.isEmpty, full: cutter.isFull }, { empty: false, full: false });
  assert.deepEqual(cutter.cut(), { lists: [], from: 5, to: 9 });
});

test('no record is lost or doubled, batches follow each other without a gap and keep their limits', () => {
  const pages = fc.array(
    fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 50 })), { maxLength: 12 }),
  );
  const limits = fc.record({ rows: fc.integer({ min: 1, max: 8 }), bytes: fc.integer({ min: 1, max: 120 }) });
  fc.assert(
    fc.property(pages, limits, fc.boolean(), (content, limit, eager) => {
      const cutter = new BatchCutter<Records>(0, limit);
      const batches = [];
      const offsets: number[] = [];
      let next = 0;
      for (const page of content) {
        const records = page.map(([step, size]) => record((next += step) - 1, size));
        offsets.push(...records.map(({ offset }) => offset));
        cutter.push(pageOf(records, ++next));
        while (cutter.isFull || (eager && !cutter.isEmpty)) batches.push(cutter.cut());
      }
      while (!cutter.isEmpty) batches.push(cutter.cut());
      assert.deepEqual(
        batches.flatMap((batch) => recordsOf(batch).map(({ offset }) => offset)),
        offsets,
      );
      let end = 0;
      for (const batch of batches) {
        const { from, to } = batch;
        const records = recordsOf(batch);
        assert.equal(from, end);
        end = to;
        assert.ok(records.every(({ offset }) => offset >= from && offset < to));
        assert.ok(records.length <= limit.rows);
        assert.ok(records.length <= 1 || records.reduce((sum, { size }) => sum + size, 0) <= limit.bytes);
      }
      assert.equal(end, next);
    }),
  );
});
