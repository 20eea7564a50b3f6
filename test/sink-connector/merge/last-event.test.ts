import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { lastEvents } from '../../../sink-connector/merge/last-event.ts';
import type { Change } from '../../../sink-connector/decode/change.ts';
import { keyOf, removal, upsert } from '../../support/sink/changes.ts';

test('delete then insert of one key ends inserted, insert then delete ends deleted', () => {
  const changes = [removal('a', 1n), upsert('b', ['1'], 2n), upsert('a', ['2'], 3n), removal('b', 4n)];
  const { upserts, deletes } = lastEvents(changes, false);
  assert.deepEqual([...upserts], [changes[2]]);
  assert.deepEqual([...deletes], [changes[3]]);
});

test('keys are the same only when their bytes are', () => {
  const composed = { ...upsert('x', []), ...keyOf(Buffer.from('\u00e9')) };
  const decomposed = { ...upsert('x', []), ...keyOf(Buffer.from('e\u0301')) };
  const broken = { ...upsert('x', []), ...keyOf(Buffer.from([0xff])) };
  const otherBroken = { ...upsert('x', []), ...keyOf(Buffer.from([0xfe])) };
  assert.equal(lastEvents([composed, decomposed, broken, otherBroken], false).upserts.length, 4);
});

test('a guarded table keeps the newest version even where the log has it earlier', () => {
  const changes = [upsert('a', ['new'], 9n), upsert('a', ['old'], 3n)];
  assert.deepEqual([...lastEvents(changes, true).upserts], [changes[0]]);
  assert.deepEqual([...lastEvents(changes, false).upserts], [changes[1]]);
});

test('what is left equals replaying the whole run, in disjoint sorted sets', () => {
  const change = fc
    .tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.option(fc.integer(), { nil: null }))
    .map(([key, value]): Change => (value === null ? removal(key) : upsert(key, [value])));
  fc.assert(
    fc.property(fc.array(change), (changes) => {
      const rows = new Map<string, Change['values']>();
      for (const { key, values } of changes) rows.set(key.toString(), values);
      const { upserts, deletes } = lastEvents(changes, false);
      const left = new Map([...upserts, ...deletes].map(({ key, values }) => [key.toString(), values]));
      assert.deepEqual(new Map([...left].sort()), new Map([...rows].sort()));
      assert.equal(upserts.length + deletes.length, rows.size);
      for (const set of [upserts, deletes]) {
        const keys = Array.from(set, ({ key }) => key);
        assert.deepEqual(
          keys,
          keys.toSorted((a, b) => a.compare(b)),
        );
      }
    }),
  );
});
