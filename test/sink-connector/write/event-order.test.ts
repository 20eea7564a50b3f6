import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Change } from '../../../sink-connector/decode/change.ts';
import type { MergedChanges } from '../../../sink-connector/merge/last-event.ts';
import { applyInEventOrder } from '../../../sink-connector/write/event-order.ts';
import { removal, upsert } from '../../support/sink/changes.ts';

/** A table that refuses the events at some offsets, and takes the rows of a statement all or none. */
function tableRefusing(bad: ReadonlySet<number>) {
  let rows = new Map<string, unknown>();
  let tries = 0;
  const attempt = ({ upserts, deletes }: MergedChanges): Promise<void> => {
    tries++;
    const next = new Map(rows);
    const keys = new Set<string>();
    for (const change of [...deletes, ...upserts]) {
      const key = String(change.keyValues[0]);
      assert.ok(!keys.has(key), 'a key stands twice in a statement');
      keys.add(key);
      if (bad.has(change.offset)) return Promise.reject(new Error(`bad ${change.offset}`));
      apply(next, change);
    }
    rows = next;
    return Promise.resolve();
  };
  return { attempt, rows: () => rows, tries: () => tries };
}

function apply(rows: Map<string, unknown>, { keyValues, values }: Change): void {
  if (values === null) rows.delete(String(keyValues[0]));
  else rows.set(String(keyValues[0]), values[0]);
}

const event = fc.record({ key: fc.integer({ min: 0, max: 8 }), deleted: fc.boolean(), bad: fc.boolean() });

test('what is left are the accepted events in their order, and the tries are bounded', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 60 }), async (events) => {
      const changes = events.map(({ key, deleted }, offset) =>
        deleted ? removal(key, 1n, offset) : upsert(key, [offset], 1n, offset),
      );
      const bad = new Set(events.flatMap((one, offset) => (one.bad ? [offset] : [])));
      const table = tableRefusing(bad);
      const rejected = await applyInEventOrder(changes, {
        attempt: table.attempt,
        isRejection: () => true,
        limit: events.length,
      });
      const expected = new Map<string, unknown>();
      for (const change of changes) if (!bad.has(change.offset)) apply(expected, change);
      assert.deepEqual(table.rows(), expected);
      assert.deepEqual(
        rejected.map(({ change, cause }) => [change.offset, String(cause)]),
        [...bad].map((offset) => [offset, `Error: bad ${offset}`]),
      );
      assert.ok(table.tries() <= Math.max(0, 2 * events.length - 1), `${table.tries()} tries`);
    }),
    { numRuns: 500 },
  );
});

test('one bad event in 5,000 is found in some 2 · log2(n) tries', async () => {
  const changes = Array.from({ length: 5000 }, (_, offset) => upsert(offset, [offset], 1n, offset));
  for (const offset of [0, 2500, 4711, 4999]) {
    const table = tableRefusing(new Set([offset]));
    const [found] = await applyInEventOrder(changes, { attempt: table.attempt, isRejection: () => true, limit: 100 });
    assert.equal(found?.change.offset, offset);
    assert.equal(table.rows().size, 4999);
    assert.ok(table.tries() <= 27, `${table.tries()} tries`);
  }
});

test('the work ends when there are too many, and at any error that says nothing of a row', async () => {
  const changes = Array.from({ length: 5000 }, (_, offset) => upsert(offset, [offset], 1n, offset));
  const all = tableRefusing(new Set(changes.map(({ offset }) => offset)));
  const rejected = await applyInEventOrder(changes, { attempt: all.attempt, isRejection: () => true, limit: 10 });
  assert.equal(rejected.length, 11);
  assert.ok(all.tries() <= 40, `${all.tries()} tries`);
  const other = tableRefusing(new Set([7]));
  await assert.rejects(
    applyInEventOrder(changes, { attempt: other.attempt, isRejection: () => false, limit: 10 }),
    /bad 7/,
  );
});
