import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { avroType } from '../../schemas/avro-type.ts';
import { type ColumnReader, columnReaders, type ColumnValue } from '../../schemas/column-value.ts';
import { ofType } from '../../schemas/column-type.ts';
import { eventWalker } from '../../schemas/event-walk.ts';
import { EnvelopeEncoder, envelopeSchemaOf, RowEncoder } from '../../schemas/index.ts';
import { sampleMapping } from '../support/mapping.ts';

const mapping = sampleMapping({
  fields: {
    s: { column: 's', type: 'string' },
    i: { column: 'i', type: 'int' },
    l: { column: 'l', type: 'long' },
    f: { column: 'f', type: 'float' },
    d: { column: 'd', type: 'double' },
    n: { column: 'n', type: 'decimal(12,2)' },
    b: { column: 'b', type: 'boolean' },
    day: { column: 'day', type: 'date' },
    t: { column: 't', type: 'timestamp' },
    ms: { column: 'ms', type: 'timestamp-millis' },
    u: { column: 'u', type: 'uuid' },
    raw: { column: 'raw', type: 'bytes' },
    j: { column: 'j', type: 'json' },
  },
});
const type = avroType(JSON.stringify(envelopeSchemaOf(mapping)));
const wanted: readonly { name: string; read: ColumnReader }[] = mapping.fields.map((field) => ({
  name: field.column,
  read: ofType(columnReaders, field.type),
}));
const walker = eventWalker(type, wanted);
assert.ok(walker !== undefined);
const { walk: check, row, version } = walker;

/** What is read of bytes, in the midst of others. */
function walk(bytes: Buffer) {
  const start = 2;
  const end = start + bytes.length;
  const place = Buffer.concat([Buffer.from([1, 2]), bytes, Buffer.from([3, 4])]);
  const { rowAt, rowFits, versionAt, op } = check(place, start, end);
  const after = rowAt < 0 ? null : row(place, rowAt, end);
  assert.equal(rowFits, !(after?.includes(undefined) ?? false));
  return { after, version: version(place, versionAt, end), op };
}

/** What avsc reads of the same bytes. */
function byAvsc(bytes: Buffer) {
  const read = type.decode(bytes, 0);
  if (read.offset !== bytes.length) throw new RangeError('not the whole datum');
  const value: unknown = read.value;
  const after: unknown = Reflect.get(Object(value), 'after');
  const source: unknown = Reflect.get(Object(value), 'source');
  const row = wanted.map(({ name, read: readColumn }): ColumnValue | undefined => {
    const field: unknown = Reflect.get(Object(after), name);
    return field === null ? null : readColumn(field);
  });
  const version: unknown = Reflect.get(Object(source), 'version');
  const op: unknown = Reflect.get(Object(value), 'op');
  return { after: after === null ? null : row, version, op };
}

const int32 = { min: -(2 ** 31), max: 2 ** 31 - 1 };
const time = fc.bigInt({ min: -8_000_000_000_000n, max: 8_000_000_000_000n });
const texts = fc.record({
  s: fc.string({ unit: 'binary', maxLength: 80 }),
  i: fc.integer(int32).map(String),
  l: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  f: fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
  d: fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  n: fc.integer(int32).map((cents) => (cents / 100).toFixed(2)),
  b: fc.constantFrom('true', 'false'),
  day: fc.integer({ min: -700_000, max: 2_000_000 }).map(String),
  t: time.map(String),
  ms: fc.integer({ min: -(2 ** 45), max: 2 ** 45 }).map(String),
  u: fc.uuid(),
  raw: fc.string({ unit: 'binary', maxLength: 80 }),
  j: fc.json(),
});
const rows = fc.tuple(
  texts,
  fc.array(fc.boolean(), { minLength: 13, maxLength: 13 }),
  fc.constantFrom('c', 'u', 'd', 'r'),
);

/** An event's bytes without its frame. */
function eventBytes(values: Readonly<Record<string, string>>, present: readonly boolean[], op: 'c' | 'u' | 'd' | 'r') {
  const fields = mapping.fields.map(({ column }, index) =>
    present[index] === true ? Buffer.from(values[column] ?? '') : null,
  );
  const row = new RowEncoder(mapping).encode([Buffer.from('eu'), Buffer.from('7')], fields);
  assert.ok(Buffer.isBuffer(row), JSON.stringify(row));
  const source = {
    name: 'shop',
    shard: 0,
    db: 0,
    key: Buffer.from('sample:eu:7'),
    replid: 'abc',
    offset: 99,
    command: 'HSET',
    snapshot: true,
    version: 1_700_000_000_000_001,
    atMs: 5,
  } as const;
  const transaction = present[0] === true ? { id: '5', totalOrder: 1, mappingOrder: 1 } : null;
  const facts = {
    before: present[1] === true ? row : null,
    after: op === 'd' ? null : row,
    op,
    atMs: 6,
    transaction,
    source,
  };
  return Buffer.from(new EnvelopeEncoder(mapping, 1).encode(facts).subarray(5));
}

test('an event is walked to what avsc reads of it, whatever its values', () => {
  fc.assert(
    fc.property(rows, ([values, present, op]) => {
      const bytes = eventBytes(values, present, op);
      assert.deepEqual(walk(bytes), byAvsc(bytes));
    }),
    { numRuns: 500 },
  );
});

test('what avsc does not read of damaged bytes is not walked, and what is walked is what avsc reads', () => {
  const damages = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(rows, damages, fc.option(fc.nat()), ([values, present, op], damage, cut) => {
      const bytes = eventBytes(values, present, op);
      for (const [at, byte] of damage) bytes[at % bytes.length] = byte;
      const damaged = cut === null ? bytes : bytes.subarray(0, cut % bytes.length);
      let walked: unknown;
      try {
        walked = walk(damaged);
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
        return;
      }
      assert.deepEqual(walked, byAvsc(damaged));
    }),
    { numRuns: 3000 },
  );
});

test('an event that other bytes follow, or whose schema is no envelope, is not walked', () => {
  const values = { s: 'x' };
  const bytes = eventBytes(values, [true], 'c');
  assert.throws(() => walk(Buffer.concat([bytes, Buffer.from([0])])), /other bytes follow/);
  assert.equal(eventWalker(avroType('"string"'), wanted), undefined);
  const list = { type: 'record', name: 'L', fields: [{ name: 'next', type: ['null', 'L'] }] };
  assert.equal(eventWalker(avroType(JSON.stringify(list)), wanted), undefined);
});
