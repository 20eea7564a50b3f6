import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isInSlots, keySlot } from '../../../source-connector/decode/key-slot.ts';

const slot = (key: string): number => keySlot(Buffer.from(key));

test('a key has the slot that CLUSTER KEYSLOT gives', () => {
  assert.equal(slot('123456789'), 0x31c3);
  assert.equal(slot('foo'), 12182);
  assert.equal(slot('bar'), 5061);
  assert.equal(slot(''), 0);
});

test('a tag between braces decides, unless it is empty or has no end', () => {
  assert.equal(slot('person:{foo}:1'), slot('foo'));
  assert.equal(slot('{foo}{bar}'), slot('foo'));
  assert.equal(slot('a{{foo}}'), slot('{foo'));
  for (const whole of ['{}foo', 'foo{}{bar}', 'foo{bar', 'foo}{']) {
    assert.notEqual(slot(whole), slot('foo'));
    assert.notEqual(slot(whole), slot('bar'));
    assert.notEqual(slot(whole), slot(''));
  }
});

test('ranges hold their first and last slot', () => {
  const ranges = [
    [0, 5060],
    [5061, 5061],
  ] as const;
  assert.equal(isInSlots(Buffer.from('bar'), ranges), true);
  assert.equal(isInSlots(Buffer.from('bar'), [[5062, 16383]]), false);
  assert.equal(isInSlots(Buffer.from('foo'), ranges), false);
});
