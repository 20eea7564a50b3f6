import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rowSchemaOf, type Mapping } from '../../../schemas/index.ts';
import { avroType } from '../../../schemas/avro-type.ts';
import { packHash } from '../../../source-connector/packed-hash.ts';
import { ROW_HEADER, type MappingView, type RowProblem } from '../../../source-connector/record/mapping-view.ts';
import { sampleMapping } from '../../support/mapping.ts';
import { KEY_SCHEMA, VALUE_SCHEMA, viewOf } from '../../support/source/view.ts';

const key = Buffer.from('sample:eu:42');

type Fields = Readonly<Record<string, string>>;

const hash = (fields: Fields): Buffer => packHash(Object.entries(fields));

/** The row that a hash becomes, as a copy. */
function rowOf(view: MappingView, fields: Fields, expireAt = 0): Buffer {
  const reading = view.read(key, hash(fields), expireAt);
  assert.ok(reading.kind === 'row', JSON.stringify(reading));
  return Buffer.from(reading.row);
}

function rejectionOf(
  view: MappingView,
  fields: Fields,
  of = key,
  expireAt = 0,
): { digest: string; problem: RowProblem } {
  const reading = view.read(of, hash(fields), expireAt);
  assert.ok(reading.kind === 'rejected', 'the hash is rejected');
  return { digest: reading.digest.toString('hex'), problem: reading.problem };
}

function decoded(mapping: Mapping, row: Buffer): unknown {
  const value: unknown = avroType(JSON.stringify(rowSchemaOf(mapping))).fromBuffer(row.subarray(ROW_HEADER));
  return { ...(typeof value === 'object' ? value : {}) };
}

test('a row is the schema id and the Avro row of the mapped fields', () => {
  const mapping = sampleMapping({ fields: { a: { column: 'x', type: 'string' }, b: { column: 'y', type: 'int' } } });
  const row = rowOf(viewOf(mapping), { other: '?', b: '7', a: 'text' });
  assert.equal(row.readUInt32BE(0), VALUE_SCHEMA);
  assert.deepEqual(decoded(mapping, row), { region: 'eu', id: 42, x: 'text', y: 7 });
});

test('neither the order of the fields nor those that are not mapped make another row, nor do the hashes before', () => {
  const view = viewOf(sampleMapping());
  const first = rowOf(view, { text: 'a', int: '1' });
  assert.deepEqual(rowOf(view, { int: '1', unmapped: 'x', text: 'a' }), first);
  assert.notDeepEqual(rowOf(view, { text: 'a' }), first);
  assert.notDeepEqual(rowOf(viewOf(sampleMapping(), { valueSchemaId: 99 }), { text: 'a', int: '1' }), first);
});

test('rule 9: a key that does not fit is rejected, with one digest whatever the hash holds', () => {
  const view = viewOf(sampleMapping());
  for (const bad of ['sample:eu:x', 'sample:eu:007', 'sample:eu:', 'sample:42']) {
    const { problem } = rejectionOf(view, { text: 'a' }, Buffer.from(bad));
    assert.deepEqual(problem, { reason: 'key-does-not-fit', pattern: 'sample:{region}:{id}' });
  }
  const bad = Buffer.from('sample:eu:x');
  assert.equal(rejectionOf(view, { text: 'a' }, bad).digest, rejectionOf(view, { text: 'b' }, bad).digest);
});

test('a bad value is rejected, with another digest exactly when a mapped value is another one', () => {
  const view = viewOf(sampleMapping());
  const { digest, problem } = rejectionOf(view, { int: 'no number', text: 'a' });
  assert.ok(problem.reason === 'bad-value');
  assert.equal(problem.field.column, 'an_int');
  assert.equal(rejectionOf(view, { text: 'a', unmapped: 'new', int: 'no number' }).digest, digest);
  const others = [
    { int: 'no number', text: 'b' },
    { int: 'no numbers', text: 'a' },
    { int: 'no number' },
    { int: 'no number', text: 'absent' },
    { int: 'no number', text: '' },
  ].map((fields) => rejectionOf(view, fields).digest);
  assert.equal(new Set([digest, ...others]).size, 6);
});

test('values that meet in other places have another digest', () => {
  const fields = { a: { column: 'a', type: 'string' }, b: { column: 'b', type: 'string' } } as const;
  const view = viewOf(sampleMapping({ fields: { ...fields, n: { column: 'n', type: 'int' } } }));
  const digests = [
    { a: 'x\0y', b: 'z', n: '?' },
    { a: 'x', b: 'y\0z', n: '?' },
  ].map((hash) => rejectionOf(view, hash).digest);
  assert.notEqual(digests[0], digests[1]);
});

test('rule 13: a row that no record can hold is rejected, with a digest that does not depend on the order of fields', () => {
  const view = viewOf(sampleMapping(), { maxRecordBytes: 2000 });
  const long = 'x'.repeat(2000);
  const { digest, problem } = rejectionOf(view, { text: long, int: '1' });
  assert.ok(problem.reason === 'too-large' && problem.limit === 2000 && problem.bytes > 2000);
  // The same hash comes in another order from another snapshot, and is not told again.
  assert.equal(rejectionOf(view, { int: '1', unmapped: '?', text: long }).digest, digest);
  assert.notEqual(rejectionOf(view, { text: `${long}x`, int: '1' }).digest, digest);
});

test('a row counts twice against the limit when events carry the row before', () => {
  const text = 'x'.repeat(1000);
  rowOf(viewOf(sampleMapping(), { maxRecordBytes: 2000 }), { text });
  const view = viewOf(sampleMapping({ before: true }), { maxRecordBytes: 2000 });
  assert.equal(rejectionOf(view, { text }).problem.reason, 'too-large');
});

test('`stop` stops at a bad value, and only there', () => {
  const view = viewOf(sampleMapping({ onBadValue: 'stop' }), { maxRecordBytes: 1000 });
  assert.throws(() => view.read(key, hash({ int: 'x' }), 0), /stopped at sample:eu:42: bad-value/);
  assert.equal(rejectionOf(view, {}, Buffer.from('sample:x')).problem.reason, 'key-does-not-fit');
  assert.equal(rejectionOf(view, { text: 'x'.repeat(1000) }).problem.reason, 'too-large');
});

test('`null` makes a null of a bad value', () => {
  const mapping = sampleMapping({ onBadValue: 'null', fields: { n: { column: 'n', type: 'int' } } });
  assert.deepEqual(decoded(mapping, rowOf(viewOf(mapping), { n: 'x' })), { region: 'eu', id: 42, n: null });
});

test('`before` is the row without its header, if it is asked for and has the present schema', () => {
  const row = rowOf(viewOf(sampleMapping()), { text: 'a' });
  assert.equal(viewOf(sampleMapping()).beforeRow(row), null);
  assert.deepEqual(viewOf(sampleMapping({ before: true })).beforeRow(row), row.subarray(ROW_HEADER));
  assert.equal(viewOf(sampleMapping({ before: true }), { valueSchemaId: 99 }).beforeRow(row), null);
});

test('the expiry of a key is the last column of the row, null without one, and no field is taken for it', () => {
  const fields = { n: { column: 'n', type: 'int' } } as const;
  const mapping = sampleMapping({ fields, expiryColumn: 'until' });
  const view = viewOf(mapping);
  const row = (expireAt: number): unknown => decoded(mapping, rowOf(view, { n: '7', until: '5', '': '6' }, expireAt));
  const at = Date.UTC(2026, 10, 26, 1, 2, 3, 4);
  assert.deepEqual(row(at), { region: 'eu', id: 42, n: 7, until: at * 1000 });
  assert.deepEqual(row(0), { region: 'eu', id: 42, n: 7, until: null });
  assert.equal(viewOf(sampleMapping({ fields })).readsExpiry, false);
});

test('a hash that was rejected is the same one under another expiry', () => {
  const view = viewOf(sampleMapping({ expiryColumn: 'until' }));
  const digests = [0, 1000, 2000].map((expireAt) => rejectionOf(view, { int: 'x' }, key, expireAt).digest);
  assert.deepEqual(digests, [digests[0], digests[0], digests[0]]);
});

test('a mapping captures the keys with its prefix in its own database', () => {
  const view = viewOf(sampleMapping({ database: 3 }));
  const captures = (db: number, name: string): boolean => view.captures(db, Buffer.from(name));
  assert.deepEqual(
    [captures(3, 'sample:eu:1'), captures(3, 'sample:'), captures(0, 'sample:eu:1'), captures(3, 'sampl')],
    [true, true, false, false],
  );
});

test('the key of a record holds the parts of the Redis key, framed', () => {
  const encoded = viewOf(sampleMapping()).encodeKey(key);
  assert.equal(encoded.readUInt8(0), 0);
  assert.equal(encoded.readUInt32BE(1), KEY_SCHEMA);
  // "eu" and the zigzag of 42.
  assert.deepEqual([...encoded.subarray(5)], [4, 0x65, 0x75, 84]);
});
