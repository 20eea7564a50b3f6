import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type ColumnType,
  envelopeSchemaOf,
  EnvelopeEncoder,
  type EventFacts,
  KeyEncoder,
  keySchemaOf,
  type Mapping,
  RowEncoder,
  rowSchemaOf,
} from '../../schemas/index.ts';
import { avroType } from '../../schemas/avro-type.ts';
import { sampleMapping } from '../support/mapping.ts';

const keyParts = [Buffer.from('eu'), Buffer.from('42')];

/** What avsc reads of our bytes; the whole buffer must be used up. */
function decoded(schema: object, bytes: Buffer): Record<string, unknown> {
  const value: unknown = avroType(JSON.stringify(schema)).fromBuffer(bytes);
  assert.ok(typeof value === 'object' && value !== null);
  return { ...value };
}

function row(mapping: Mapping, values: (string | Buffer | null)[]): Buffer {
  const bytes = new RowEncoder(mapping).encode(
    keyParts,
    values.map((value) => (value === null ? null : Buffer.from(value))),
  );
  assert.ok(Buffer.isBuffer(bytes), `the row is a problem: ${Buffer.isBuffer(bytes) ? '' : bytes.reason}`);
  return bytes;
}

/** A mapping with one column `v` of a type, and what becomes of a text in it. */
const single = (type: ColumnType, onBadValue: 'dead-letter' | 'null' = 'dead-letter') =>
  sampleMapping({ fields: { f: { column: 'v', type } }, onBadValue });

function valueOf(type: ColumnType, text: string | Buffer): unknown {
  const mapping = single(type);
  const encoded = new RowEncoder(mapping).encode(keyParts, [Buffer.from(text)]);
  if (!Buffer.isBuffer(encoded)) return `refused: ${encoded.reason}`;
  return decoded(rowSchemaOf(mapping), encoded).v;
}

const agrees = (type: ColumnType, text: string, expected: unknown): void => {
  assert.deepEqual(valueOf(type, text), expected, `${type} ${JSON.stringify(text)}`);
};
const refuses = (type: ColumnType, ...texts: (string | Buffer)[]): void => {
  for (const text of texts) assert.match(String(valueOf(type, text)), /^refused: it is /, `${type} ${String(text)}`);
};

test('a row holds the key columns and every field, null where the hash has none', () => {
  const mapping = sampleMapping();
  assert.deepEqual(decoded(rowSchemaOf(mapping), row(mapping, [null, null, null, null, null, null])), {
    region: 'eu',
    id: 42,
    a_text: null,
    an_int: null,
    a_long: null,
    a_double: null,
    a_boolean: null,
    a_time: null,
  });
  const values = ['', '-2147483648', '9223372036854775807', '1e-3', 'False', '1970-01-01'];
  assert.deepEqual(decoded(rowSchemaOf(mapping), row(mapping, values)), {
    region: 'eu',
    id: 42,
    a_text: '',
    an_int: -2147483648,
    a_long: 9223372036854775807n,
    a_double: 0.001,
    a_boolean: false,
    a_time: 0,
  });
});

test('any string, int, long and double comes back as it was', () => {
  const integer = (bits: number) => fc.bigInt({ min: -(2n ** BigInt(bits - 1)), max: 2n ** BigInt(bits - 1) - 1n });
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 200 })),
      integer(32),
      fc.oneof(integer(64), integer(54), integer(34)),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      (text, int, long, double, boolean) => {
        const mapping = sampleMapping();
        const bytes = row(mapping, [text, String(int), String(long), String(double), String(boolean), null]);
        const fields = decoded(rowSchemaOf(mapping), bytes);
        const { a_long: back } = fields;
        assert.ok(typeof back === 'number' || typeof back === 'bigint');
        assert.equal(BigInt(back), long);
        assert.equal(typeof back, Number.isSafeInteger(Number(long)) ? 'number' : 'bigint');
        const expected = [text, Number(int), double === 0 ? Number(String(double)) : double, boolean];
        assert.deepEqual([fields.a_text, fields.an_int, fields.a_double, fields.a_boolean], expected);
      },
    ),
    { numRuns: 2000 },
  );
});

test('integers are digits with an optional minus, in range', () => {
  agrees('int', '007', 7);
  agrees('int', '-0', 0);
  agrees('int', '2147483647', 2147483647);
  agrees('int', '-00000000002147483648', -2147483648);
  refuses('int', '', '-', '+7', ' 7', '7 ', '7.0', '1e3', '2147483648', '-2147483649', '0x10', 'seven', '７');
  agrees('long', '4503599627370496', 2 ** 52);
  agrees('long', '-4503599627370497', -(2 ** 52) - 1);
  agrees('long', '-9223372036854775808', -9223372036854775808n);
  agrees('long', '9007199254740991', Number.MAX_SAFE_INTEGER);
  refuses('long', '9223372036854775808', '-9223372036854775809', '99999999999999999999', '', 'x');
});

test('doubles are decimal numbers that are finite', () => {
  agrees('double', '3.0000000000000000001', 3);
  agrees('double', '-.5', -0.5);
  agrees('double', '5.', 5);
  agrees('double', '1.7976931348623157e308', Number.MAX_VALUE);
  agrees('double', '-1E+2', -100);
  refuses('double', '', '.', '-', 'inf', 'NaN', 'Infinity', '1e999', '1,5', '0x1', ' 1', '1_000', '+1', 'e5');
});

test('booleans are true, false, 1 and 0', () => {
  for (const text of ['true', 'True', 'TRUE', '1']) agrees('boolean', text, true);
  for (const text of ['false', 'False', '0']) agrees('boolean', text, false);
  refuses('boolean', '', 'yes', 't', '2', '00', 'truee', ' true');
});

test('strings are valid UTF-8', () => {
  agrees('string', 'ä\0𝄞', 'ä\0𝄞');
  refuses('string', Buffer.from([0xff]), Buffer.from([0xc3]), Buffer.from([0xed, 0xa0, 0x80]));
});

test('timestamps are epoch milliseconds or ISO 8601, as microseconds', () => {
  const micros = (iso: string) => Date.parse(iso) * 1000;
  agrees('timestamp', '1700000000123', 1700000000123000);
  agrees('timestamp', '-1', -1000);
  agrees('timestamp', '2024-02-29', micros('2024-02-29T00:00:00Z'));
  agrees('timestamp', '2024-02-29T12:34', micros('2024-02-29T12:34:00Z'));
  agrees('timestamp', '2024-02-29 12:34:56', micros('2024-02-29T12:34:56Z'));
  agrees('timestamp', '2024-02-29T12:34:56.789+02:00', micros('2024-02-29T10:34:56.789Z'));
  agrees('timestamp', '2024-02-29T12:34:56-0130', micros('2024-02-29T14:04:56Z'));
  agrees('timestamp', '2024-02-29T12:34:56.123456789Z', micros('2024-02-29T12:34:56Z') + 123456);
  agrees('timestamp', '1969-12-31T23:59:59.999999Z', -1);
  agrees('timestamp', '0001-01-01', -62135596800000000n);
  agrees('timestamp', '9999-12-31T23:59:59.999999Z', 253402300799999999n);
  agrees('timestamp', '8640000000000000', 8640000000000000000n);
  refuses('timestamp', '', 'today', '8640000000000001', '2023-02-29', '2024-13-01', '2024-00-01', '2024-01-32');
  refuses(
    'timestamp',
    '2024-01-01T24:00',
    '2024-01-01T00:60',
    '2024-01-01T00:00:60',
    '2024-1-1',
    '2024-01-01T00:00+25:00',
  );
  refuses('timestamp', '1.5', '2024-01-01T', '20240101x', '2024-01-01T00:00:00.Z');
});

test('any moment comes back to the millisecond, whichever way it is written', () => {
  fc.assert(
    fc.property(fc.date({ noInvalidDate: true, min: new Date('0000-01-01'), max: new Date('9999-12-31') }), (date) => {
      const expected = BigInt(date.getTime()) * 1000n;
      for (const text of [date.toISOString(), String(date.getTime())]) {
        const value = valueOf('timestamp', text);
        assert.ok(typeof value === 'number' || typeof value === 'bigint', text);
        assert.equal(BigInt(value), expected, text);
      }
    }),
  );
});

test('the first bad value is told, or becomes null where the mapping says so', () => {
  const mapping = sampleMapping();
  const values = [Buffer.from('ok'), Buffer.from('x'), Buffer.from('y'), null, null, null];
  const problem = new RowEncoder(mapping).encode(keyParts, values);
  assert.ok(!Buffer.isBuffer(problem));
  assert.deepEqual(
    { ...problem, value: problem.value.toString() },
    { column: 'an_int', type: 'int', field: 'int', reason: 'it is no integer of 32 bits', value: 'x' },
  );

  const forgiving = sampleMapping({ onBadValue: 'null' });
  const encoder = new RowEncoder(forgiving);
  const encoded = encoder.encode(keyParts, values);
  assert.ok(Buffer.isBuffer(encoded));
  const fields = decoded(rowSchemaOf(forgiving), encoded);
  assert.deepEqual([fields.a_text, fields.an_int, fields.a_long], ['ok', null, null]);
  assert.equal(encoder.nulled, 2);
});

test('keys are framed and typed', () => {
  const mapping = sampleMapping();
  const key = new KeyEncoder(mapping, 0x01020304).encode([Buffer.from('ä'), Buffer.from('-9223372036854775808')]);
  assert.deepEqual([...key.subarray(0, 5)], [0, 1, 2, 3, 4]);
  assert.deepEqual(decoded(keySchemaOf(mapping), key.subarray(5)), { region: 'ä', id: -9223372036854775808n });
});

const facts: EventFacts = {
  before: null,
  after: null,
  op: 'd',
  atMs: 1_700_000_000_000,
  transaction: null,
  source: {
    name: 'shop',
    shard: 0,
    db: 3,
    key: Buffer.from([0x70, 0x3a, 0xff]),
    replid: 'f'.repeat(40),
    offset: 123_456_789_012,
    command: 'DEL',
    snapshot: false,
    version: 1_700_000_000_000_001,
    atMs: 1_700_000_000_000,
  },
};

test('an event holds its rows, its source and its transaction', () => {
  const mapping = sampleMapping({ before: true });
  const schema = envelopeSchemaOf(mapping);
  const encoder = new EnvelopeEncoder(mapping, 7);
  const read = (event: EventFacts): unknown => {
    const bytes = encoder.encode(event);
    assert.deepEqual([...bytes.subarray(0, 5)], [0, 0, 0, 0, 7]);
    return JSON.parse(JSON.stringify(decoded(schema, bytes.subarray(5))));
  };
  const source = {
    connector: 'afterwrite',
    name: 'shop',
    shard: 0,
    db: 3,
    key: { type: 'Buffer', data: [0x70, 0x3a, 0xff] },
    replid: 'f'.repeat(40),
    offset: 123_456_789_012,
    command: 'DEL',
    snapshot: 'false',
    version: 1_700_000_000_000_001,
    ts_ms: 1_700_000_000_000,
  };
  const rest = { op: 'd', ts_ms: 1_700_000_000_000, transaction: null };
  assert.deepEqual(read(facts), { before: null, after: null, source, ...rest });

  const before = Buffer.from(row(mapping, ['old', null, null, null, null, null]));
  const after = row(mapping, ['x'.repeat(5000), '1', null, null, null, null]);
  const changed = read({
    ...facts,
    before,
    after,
    op: 'u',
    transaction: { id: 'id:1', totalOrder: 3, mappingOrder: 2 },
    source: { ...facts.source, shard: 1, replid: 'a', snapshot: 'first', command: 'HSET' },
  });
  assert.deepEqual(changed, {
    before: {
      region: 'eu',
      id: 42,
      a_text: 'old',
      an_int: null,
      a_long: null,
      a_double: null,
      a_boolean: null,
      a_time: null,
    },
    after: {
      region: 'eu',
      id: 42,
      a_text: 'x'.repeat(5000),
      an_int: 1,
      a_long: null,
      a_double: null,
      a_boolean: null,
      a_time: null,
    },
    source: { ...source, shard: 1, replid: 'a', snapshot: 'first', command: 'HSET' },
    op: 'u',
    ts_ms: 1_700_000_000_000,
    transaction: { id: 'id:1', total_order: 3, data_collection_order: 2 },
  });
  // What was cached for the event before is not what this one says.
  assert.deepEqual(read(facts), { before: null, after: null, source, ...rest });
});

test('encoded events do not share memory', () => {
  const encoder = new EnvelopeEncoder(sampleMapping(), 7);
  const first = encoder.encode(facts);
  const copy = Buffer.from(first);
  encoder.encode({ ...facts, source: { ...facts.source, key: Buffer.from('other'), command: 'UNLINK' } });
  assert.deepEqual(first, copy);
});

test('the key of a row that stands in a table has the bytes that its record has', () => {
  const mapping = sampleMapping();
  const keys = new KeyEncoder(mapping, 7);
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), fc.integer(), (region, id) => {
      const record = keys.encode([Buffer.from(region), Buffer.from(String(id))]);
      assert.deepEqual(keys.encodeValues([region, id]), record);
    }),
  );
  const long = sampleMapping({ key: 'order:{id}', keyTypes: { id: 'long' } });
  const longs = new KeyEncoder(long, 7);
  for (const id of [-(2n ** 63n), 2n ** 63n - 1n]) {
    assert.deepEqual(longs.encodeValues([id]), longs.encode([Buffer.from(String(id))]));
  }
});

test('values that no record’s key can have make no key', () => {
  const keys = new KeyEncoder(sampleMapping(), 7);
  for (const values of [['eu', 2n ** 63n], ['eu', 'x'], ['eu', null], ['eu'], []]) {
    assert.equal(keys.encodeValues(values), undefined);
  }
});
