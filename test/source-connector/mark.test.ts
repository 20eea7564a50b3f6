import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  fieldsOf,
  heldCause,
  heldMark,
  inheritedFields,
  inheritingMark,
  keptMark,
  markRecord,
  pendingMark,
  readMarkRecord,
  rejectedMark,
  rejects,
  standing,
  unpublishedMark,
  withholds,
} from '../../source-connector/mark.ts';
import { packHash } from '../../source-connector/packed-hash.ts';

const fields = packHash([
  ['name', 'Ann'],
  [Buffer.from([0xff]), Buffer.from([0, 0xfe])],
]);
const keys = [Buffer.from('person:1'), Buffer.from('a:b:c'), Buffer.from([0x3a, 0xff, 0x00]), Buffer.alloc(0)];

test('what the record of a mark says is read back, whatever the key holds', () => {
  const marks = [
    { mark: keptMark('ambiguous'), kept: true },
    { mark: rejectedMark(Buffer.from([0, 1, 0xfe, 0xff])), kept: false },
    { mark: keptMark('expired', fields), kept: true },
    { mark: inheritingMark(fields), kept: false },
    { mark: rejectedMark(Buffer.from([7, 0]), fields), kept: false },
    { mark: rejectedMark(Buffer.from([7, 0]), fields, true), kept: false },
    { mark: pendingMark(fields), kept: false },
    { mark: unpublishedMark(Buffer.from([7, 0xff])), kept: false },
    { mark: unpublishedMark(Buffer.from([7, 0]), fields, true), kept: false },
    { mark: heldMark('expired', fields, true), kept: true },
    { mark: heldMark('deleted', fields, true, unpublishedMark(Buffer.from([7, 0]), fields, true)), kept: true },
    { mark: heldMark('deleted', undefined, false, rejectedMark(Buffer.from([0, 0xff]))), kept: true },
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

test('a mark tells what it was made of', () => {
  const digest = Buffer.from([1, 2, 3]);
  assert.deepEqual(inheritedFields(keptMark('expired', fields)), fields);
  assert.deepEqual(inheritedFields(inheritingMark(fields)), fields);
  assert.equal(inheritedFields(rejectedMark(digest, fields)).length, 0);
  assert.deepEqual(inheritedFields(rejectedMark(digest, fields, true)), fields);
  assert.deepEqual(fieldsOf(rejectedMark(digest, fields)), fields);
  assert.equal(fieldsOf(null).length, 0);
  assert.equal(rejects(rejectedMark(digest, fields, true), digest), true);
  assert.equal(rejects(rejectedMark(digest), Buffer.from([1, 2])), false);
  assert.equal(withholds(unpublishedMark(digest, fields), digest), true);
  assert.equal(withholds(unpublishedMark(digest), Buffer.from([1, 2])), false);
  assert.equal(withholds(rejectedMark(digest), digest), false);
  assert.equal(rejects(unpublishedMark(digest), digest), false);
  assert.equal(inheritedFields(unpublishedMark(digest, fields)).length, 0);
  assert.deepEqual(inheritedFields(unpublishedMark(digest, fields, true)), fields);
  assert.equal(rejects(keptMark('expired'), Buffer.from('expired')), false);
  const before = unpublishedMark(Buffer.from([0, 1]), fields, true);
  const held = heldMark('evicted', fields, true, before);
  assert.equal(heldCause(held), 'evicted');
  assert.deepEqual(standing(held), before);
  assert.deepEqual(heldMark('expired', fields, true, held), heldMark('expired', fields, true, before));
  assert.equal(standing(heldMark('evicted', fields)), null);
  assert.equal(standing(keptMark('evicted')), null);
});

test('fields that no record can hold are left out of it, and the rest is told', () => {
  const mark = keptMark('expired', packHash([['name', 'x'.repeat(1000)]]));
  const [, value] = markRecord('person', 0, Buffer.from('p'), mark, 500);
  assert.equal(value?.toString(), '{"v":1,"mapping":"person","kept":"expired"}');
});
