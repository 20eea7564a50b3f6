import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keptMark, markRecord, readMarkRecord, rejectedMark } from '../../source-connector/mark.ts';

const keys = [Buffer.from('person:1'), Buffer.from('a:b:c'), Buffer.from([0x3a, 0xff, 0x00]), Buffer.alloc(0)];

test('what the record of a mark says is read back, whatever the key holds', () => {
  const marks = [
    { mark: keptMark('ambiguous'), kept: true },
    { mark: rejectedMark(Buffer.from([0, 1, 0xfe, 0xff])), kept: false },
    { mark: null, kept: false },
  ];
  for (const key of keys) {
    for (const db of [0, 15]) {
      for (const { mark, kept } of marks) {
        const [recordKey, value] = markRecord('person', db, key, mark);
        assert.deepEqual(readMarkRecord(recordKey, value), { db, key, kept, mark });
      }
    }
  }
});

test('marks of one key in two databases have two record keys', () => {
  const [a] = markRecord('person', 1, Buffer.from('p'), null);
  const [b] = markRecord('person', 11, Buffer.from('p'), null);
  assert.notDeepEqual(a, b);
});

test('a record that is no mark is refused', () => {
  for (const value of ['', '[]', '{"v":2,"kept":"expired"}', '{"v":1,"rejected":"no hex"}']) {
    assert.throws(() => readMarkRecord(Buffer.from('0:p'), Buffer.from(value)));
  }
});
