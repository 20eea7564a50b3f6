import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keyOrder } from '../../../sink-connector/merge/key-order.ts';

function byComparing(keys: readonly string[]): number[] {
  const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  return keys.map((_, index) => index).sort((a, b) => compare(keys[a] ?? '', keys[b] ?? '') || a - b);
}

test('keys come in the order of their bytes, equal ones as they came, few or many, short or long', () => {
  const character = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
  const few = fc.constantFrom('a', 'b', '\0', '\xff');
  const lists = fc.oneof(
    fc.array(fc.string({ unit: character, maxLength: 6 }), { maxLength: 40 }),
    fc.array(fc.string({ unit: few, maxLength: 3 }), { minLength: 300, maxLength: 400 }),
    fc.array(fc.string({ unit: character, maxLength: 80 }), { minLength: 256, maxLength: 300 }),
  );
  fc.assert(
    fc.property(lists, fc.string({ unit: character, maxLength: 5 }), (list, prefix) => {
      const keys = list.map((key) => prefix + key);
      assert.deepEqual([...keyOrder(keys)], byComparing(keys));
    }),
    { numRuns: 200 },
  );
});
