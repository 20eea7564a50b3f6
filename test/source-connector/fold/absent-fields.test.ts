import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AbsentFields } from '../../../source-connector/fold/absent-fields.ts';
import { inheritingMark, keptMark, rejectedMark } from '../../../source-connector/mark.ts';
import { packHash, unpackHash } from '../../../source-connector/packed-hash.ts';
import type { Entry } from '../../../source-connector/state/port.ts';

type Fields = Readonly<Record<string, string>>;

const packed = (fields: Fields): Buffer => packHash(Object.entries(fields));
const read = (hash: Buffer): Fields => Object.fromEntries(unpackHash(hash).map(([n, v]) => [String(n), String(v)]));
const MAPPED = ['a', 'b'];
const view = {
  fieldNames: MAPPED.map((name) => Buffer.from(name)),
  mappedFields: (hash: Buffer): Buffer =>
    packed(Object.fromEntries(Object.entries(read(hash)).filter(([name]) => MAPPED.includes(name)))),
};
const entry = (current: Fields | null, mark: Buffer | null, published = Buffer.from('row')): Entry => ({
  current: current === null ? null : packed(current),
  expireAt: 0,
  published,
  mark,
});

test('a hash has the inherited fields that it lacks, and its own values of the others', () => {
  const absent = new AbsentFields();
  assert.deepEqual(read(absent.filled(packed({ a: '1', b: '2' }), packed({ b: '3', c: '4' }))), {
    a: '1',
    b: '3',
    c: '4',
  });
  assert.deepEqual(read(absent.filled(packed({}), packed({ b: '3' }))), { b: '3' });
});

test('missing are the inherited fields that the hash lacks', () => {
  const absent = new AbsentFields();
  assert.deepEqual(read(absent.missing(packed({ a: '1', b: '2' }), packed({ b: '3' }))), { a: '1' });
  assert.deepEqual(read(absent.missing(packed({ a: '1' }), packed({ a: '3' }))), {});
  assert.deepEqual(read(absent.missing(packed({}), packed({ a: '3' }))), {});
});

test('the fields of a row are those of its hash that are mapped, and those that it inherited', () => {
  const absent = new AbsentFields();
  assert.deepEqual(read(absent.ofRow(view, entry({ a: '1', c: '2' }, null))), { a: '1' });
  assert.deepEqual(read(absent.ofRow(view, entry({ b: '2' }, inheritingMark(packed({ a: '1' }))))), { a: '1', b: '2' });
});

test('the fields of a row whose hash is rejected, or gone, are in its mark', () => {
  const absent = new AbsentFields();
  const kept = packed({ a: '1' });
  assert.deepEqual(read(absent.ofRow(view, entry(null, keptMark('expired', kept)))), { a: '1' });
  for (const inherits of [false, true]) {
    const mark = rejectedMark(Buffer.from('digest'), kept, inherits);
    assert.deepEqual(read(absent.ofRow(view, entry({ b: 'bad' }, mark))), { a: '1' });
  }
});

test('where there is no row, it has no fields', () => {
  const absent = new AbsentFields();
  assert.deepEqual(read(absent.ofRow(view, { ...entry({ a: '1' }, null), published: null })), {});
});
