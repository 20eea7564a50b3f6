import assert from 'node:assert/strict';
import { test } from 'node:test';
import { captureOf } from '../../source-connector/contract.ts';
import { sampleMapping } from '../support/mapping.ts';

test('a key is captured when it begins with some prefix', () => {
  const captures = captureOf([
    sampleMapping({ key: 'person:{id}', keyTypes: {} }),
    sampleMapping({ key: 'car:{id}', keyTypes: {} }),
  ]);
  const bytes = Buffer.from('xxperson:1');
  const found = (start: number, end: number): boolean => captures(bytes, start, end);
  assert.deepEqual([found(2, 10), found(2, 9), found(2, 8), found(0, 10)], [true, true, false, false]);
  assert.equal(captureOf([])(bytes, 0, 10), false);
});
