import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyHashes } from '../../../sink-connector/orphans/key-hashes.ts';

const key = (number: number): Buffer => Buffer.from(`\0\0\0\0\x07\x0c${number}`, 'latin1');

test('every key that was added is there, and of a million that were not, none is', () => {
  const set = new KeyHashes();
  for (let number = 0; number < 1_000_000; number++) set.add(key(number), 5);
  for (let number = 0; number < 1_000_000; number++) assert.ok(set.has(key(number), 5));
  let strangers = 0;
  for (let number = 1_000_000; number < 2_000_000; number++) if (set.has(key(number), 5)) strangers++;
  assert.equal(strangers, 0);
  assert.deepEqual([set.size, set.range, set.next], [1_000_000, { from: 0, to: 2 ** 32 }, undefined]);
});

test('what stands before the offset is no part of the key, and a key that is added again is one', () => {
  const set = new KeyHashes();
  set.add(Buffer.from('.....a'), 5);
  set.add(Buffer.from('12345a'), 5);
  assert.equal(set.size, 1);
  assert.ok(set.has(Buffer.from('xxxxxa'), 5));
  assert.ok(!set.has(Buffer.from('xxxxxb'), 5));
});

test('more keys than fit are held in several ranges, one after the other, each complete', () => {
  const limit = 1000;
  const covered = new Map<number, number>();
  let passes = 0;
  for (let from: number | undefined = 0; from !== undefined; passes++) {
    const set: KeyHashes = new KeyHashes(from, limit);
    for (let number = 0; number < 10_000; number++) set.add(key(number), 5);
    assert.ok(set.size <= limit);
    for (let number = 0; number < 20_000; number++) {
      if (!set.covers(key(number), 5)) continue;
      covered.set(number, (covered.get(number) ?? 0) + 1);
      assert.equal(set.has(key(number), 5), number < 10_000);
    }
    assert.equal(set.range.from, from);
    from = set.next;
  }
  assert.ok(passes >= 10 && passes <= 30, `${passes} passes`);
  assert.equal(covered.size, 20_000);
  assert.ok([...covered.values()].every((times) => times === 1));
});

test('a key outside of its range is nothing that it knows of', () => {
  const set = new KeyHashes(2 ** 31);
  const outside = Array.from({ length: 100 }, (_, number) => key(number)).find((bytes) => !set.covers(bytes, 5));
  assert.ok(outside !== undefined);
  set.add(outside, 5);
  assert.equal(set.size, 0);
  assert.throws(() => set.has(outside, 5), { code: 'INTERNAL' });
});
