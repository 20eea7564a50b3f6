import assert from 'node:assert/strict';
import { test } from 'node:test';
import avro from 'avsc';
import fc from 'fast-check';
import {
  type ColumnType,
  type ColumnValue,
  EnvelopeEncoder,
  envelopeSchemaOf,
  EventDecoder,
  KeyEncoder,
  keySchemaOf,
  RowEncoder,
  rowSchemaOf,
} from '../../schemas/index.ts';
import { fetched } from '../support/event-record.ts';
import { sampleMapping } from '../support/mapping.ts';

/** Types that hold a value in another form than its text, each tried against avsc and through a whole event. */

const keyParts = [Buffer.from('eu'), Buffer.from('42')];
const single = (type: ColumnType) => sampleMapping({ fields: { f: { column: 'v', type } } });

type RawSchema = Parameters<typeof avro.Type.forSchema>[0];

function isRawSchema(value: unknown): value is RawSchema {
  return typeof value === 'object' && value !== null;
}

/** What plain avsc, which knows nothing of logical types, makes of our bytes for a text in a column of that type. */
function rawOf(type: ColumnType, text: string | Buffer): unknown {
  const mapping = single(type);
  const row = new RowEncoder(mapping).encode(keyParts, [Buffer.from(text)]);
  if (!Buffer.isBuffer(row)) return `refused: ${row.reason}`;
  const schema: unknown = JSON.parse(JSON.stringify(rowSchemaOf(mapping)));
  assert.ok(isRawSchema(schema));
  const value: unknown = avro.Type.forSchema(schema).fromBuffer(row);
  assert.ok(typeof value === 'object' && value !== null && 'v' in value);
  return value.v;
}

/** What a sink is given for a text that the source published with one type and the sink reads with the same or another. */
async function sunk(type: ColumnType, text: string | Buffer, readAs: ColumnType = type): Promise<ColumnValue> {
  const mapping = single(type);
  const after = new RowEncoder(mapping).encode(keyParts, [Buffer.from(text)]);
  assert.ok(Buffer.isBuffer(after), Buffer.isBuffer(after) ? '' : after.reason);
  const schemas = [keySchemaOf(mapping), envelopeSchemaOf(mapping)].map((schema) => JSON.stringify(schema));
  const source = {
    name: 'shop',
    shard: 0,
    db: 0,
    key: Buffer.from('k'),
    replid: 'r',
    offset: 1,
    command: 'HSET',
    snapshot: false,
    version: 1,
    atMs: 1,
  };
  const record = {
    key: new KeyEncoder(mapping, 0).encode(keyParts),
    value: new EnvelopeEncoder(mapping, 1).encode({
      before: after,
      after,
      op: 'c',
      atMs: 1,
      transaction: null,
      source,
    }),
  };
  const decoder = new EventDecoder(single(readAs), { schemaById: (id) => Promise.resolve(schemas[id] ?? '') });
  await decoder.prepare([fetched(record)]);
  return decoder.decode(fetched(record)).values?.[0] ?? null;
}

const agrees = async (type: ColumnType, text: string | Buffer, raw: unknown, value: ColumnValue): Promise<void> => {
  assert.deepEqual(rawOf(type, text), raw, `${type} ${String(text)} on the wire`);
  assert.deepEqual(await sunk(type, text), value, `${type} ${String(text)} in a sink`);
};
const refuses = (type: ColumnType, ...texts: (string | Buffer)[]): void => {
  for (const text of texts) assert.match(String(rawOf(type, text)), /^refused: it is /, `${type} ${String(text)}`);
};

/** Big-endian two's complement, read in another way than the product does. */
function unscaled(bytes: unknown): bigint {
  assert.ok(Buffer.isBuffer(bytes) && bytes.length > 0);
  let value = BigInt(bytes.readInt8(0));
  for (const byte of bytes.subarray(1)) value = value * 256n + BigInt(byte);
  return value;
}

test('any decimal of up to 38 digits is written exactly, in the fewest bytes, and read with all its digits', async () => {
  const wanted = fc
    .record({ precision: fc.integer({ min: 1, max: 38 }), part: fc.nat(38), negative: fc.boolean() })
    .chain(({ precision, part, negative }) => {
      const most = 10n ** BigInt(precision) - 1n;
      return fc.record({
        precision: fc.constant(precision),
        scale: fc.constant(Math.min(part, precision)),
        number: fc.oneof(fc.bigInt({ min: 0n, max: most }), fc.constant(most)).map((n) => (negative ? -n : n)),
      });
    });
  await fc.assert(
    fc.asyncProperty(wanted, fc.nat(3), async ({ precision, scale, number }, zeros) => {
      const type: ColumnType = `decimal(${precision},${scale})`;
      const digits = String(number < 0n ? -number : number).padStart(scale + 1, '0');
      const whole = digits.slice(0, digits.length - scale);
      const fraction = digits.slice(digits.length - scale);
      const sign = number < 0n ? '-' : '';
      const text = sign + whole + (scale === 0 ? '' : `.${fraction}`);
      for (const spelled of [
        text,
        `${sign}000${text.slice(sign.length)}`,
        `${text}${scale === 0 ? '.' : ''}${'0'.repeat(zeros)}`,
        `${number}e-${scale}`,
      ]) {
        const raw = rawOf(type, spelled);
        assert.equal(unscaled(raw), number, `${type} ${spelled}`);
        assert.ok(Buffer.isBuffer(raw));
        if (raw.length > 1) assert.notEqual(unscaled(raw.subarray(1)), number, 'a byte less would do');
      }
      assert.equal(await sunk(type, text), number === 0n ? text.replace('-', '') : text);
    }),
    { numRuns: 300 },
  );
});

test('decimals are never rounded and never cut', async () => {
  await agrees('decimal(5,2)', '-0.50', Buffer.from([0xce]), '-0.50');
  await agrees('decimal(5,2)', '.5', Buffer.from([50]), '0.50');
  await agrees('decimal(5,2)', '1.28', Buffer.from([0, 0x80]), '1.28');
  await agrees('decimal(5,2)', '-1.28', Buffer.from([0x80]), '-1.28');
  await agrees('decimal(5,2)', '-0', Buffer.from([0]), '0.00');
  await agrees('decimal(5,2)', '0e999999999999', Buffer.from([0]), '0.00');
  await agrees('decimal(5,2)', '1.2E+2', Buffer.from([0x2e, 0xe0]), '120.00');
  await agrees('decimal(5,2)', '999.990000', Buffer.from([0x01, 0x86, 0x9f]), '999.99');
  await agrees('decimal(3,3)', '-.999', Buffer.from([0xfc, 0x19]), '-0.999');
  await agrees('decimal(1,0)', '9', Buffer.from([9]), '9');
  refuses('decimal(5,2)', '1000', '-1000.00', '0.001', '9.999', '1e3', '1e99999', '1e-3', '1e-99999', '99999e-3');
  refuses('decimal(5,2)', '', '.', '-', '+1', '1,5', ' 1', '1 ', '0x1', 'NaN', 'e5', '1e', '1.2.3', '１', '1_0');
  refuses('decimal(5,2)', `${'1'.repeat(500_000)}x`, '1'.repeat(500_000));
  refuses('double', `${'1'.repeat(500_000)}x`);
});

test('any float comes back as the nearest one', async () => {
  await fc.assert(
    fc.asyncProperty(fc.float({ noNaN: true, noDefaultInfinity: true }), async (float) => {
      const expected = float === 0 ? 0 : float;
      assert.equal(rawOf('float', String(expected)), expected);
      assert.equal(await sunk('float', String(expected)), expected);
    }),
  );
  const most = 3.4028234663852886e38;
  await agrees('float', '0.1', Math.fround(0.1), Math.fround(0.1));
  await agrees('float', '16777217', 16777216, 16777216);
  await agrees('float', String(-most), -most, -most);
  await agrees('float', '1e-45', 2 ** -149, 2 ** -149);
  refuses('float', '3.5e38', '-1e39', 'inf', 'NaN', '', 'x', '1,5');
});

test('any day is days since 1970, written as a date or as days', async () => {
  const most = 9_999_999;
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.integer({ min: -most, max: most }), fc.integer({ min: -719_528, max: 2_932_896 })),
      async (day) => {
        await agrees('date', String(day), day, day);
        const iso = new Date(day * 86_400_000).toISOString();
        if (!/^\d{4}-/.test(iso)) return;
        await agrees('date', iso.slice(0, 10), day, day);
      },
    ),
  );
  await agrees('date', '0000-01-01', -719_528, -719_528);
  await agrees('date', '9999-12-31', 2_932_896, 2_932_896);
  await agrees('date', '2024-02-29', 19_782, 19_782);
  await agrees('date', '-0', 0, 0);
  refuses(
    'date',
    '',
    'today',
    '2023-02-29',
    '2024-13-01',
    '2024-00-10',
    '2024-01-00',
    '2024-1-1',
    '1900-02-29',
    '-0001-01-01',
  );
  refuses(
    'date',
    '2026-11-24T00:00:00Z',
    '2026-11-24 ',
    '20261124',
    '10000000',
    '-10000000',
    '1.0',
    '1e3',
    '99999999999',
  );
});

test('any moment is milliseconds on the wire and microseconds in a sink', async () => {
  const most = 8_640_000_000_000_000;
  await fc.assert(
    fc.asyncProperty(fc.date({ noInvalidDate: true }), async (date) => {
      const ms = date.getTime();
      if (Math.abs(ms) <= 2 ** 52) assert.equal(rawOf('timestamp-millis', String(ms)), ms);
      assert.equal(BigInt(Number(await sunk('timestamp-millis', String(ms)))), BigInt(Number(BigInt(ms) * 1000n)));
      if (/^\d{4}-/.test(date.toISOString())) assert.equal(rawOf('timestamp-millis', date.toISOString()), ms);
    }),
  );
  assert.equal(await sunk('timestamp-millis', String(most)), BigInt(most) * 1000n);
  assert.equal(await sunk('timestamp-millis', String(-most)), BigInt(-most) * 1000n);
  await agrees('timestamp-millis', '2024-02-29T12:34:56.789999Z', 1709210096789, 1709210096789000);
  await agrees('timestamp-millis', '1969-12-31T23:59:59.999999Z', -1, -1000);
  await agrees('timestamp-millis', '2024-02-29T00:00+01:00', 1709161200000, 1709161200000000);
  refuses('timestamp-millis', '', 'now', '8640000000000001', '2023-02-29', '2024-01-01T24:00', '1.5');
});

test('any UUID comes back in lower case', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uuid({ version: [1, 2, 3, 4, 5, 6, 7, 8, 15] }), fc.boolean(), async (uuid, upper) => {
      await agrees('uuid', upper ? uuid.toUpperCase() : uuid, uuid, uuid);
    }),
  );
  const nil = '00000000-0000-0000-0000-000000000000';
  await agrees('uuid', nil, nil, nil);
  await agrees('uuid', nil.replaceAll('0', 'F'), nil.replaceAll('0', 'f'), nil.replaceAll('0', 'f'));
  refuses(
    'uuid',
    '',
    nil.slice(1),
    `${nil}0`,
    nil.replaceAll('-', ''),
    `{${nil}}`,
    `urn:uuid:${nil}`,
    nil.replace('0', 'g'),
  );
  refuses('uuid', nil.replace('0-0', '00-'), ` ${nil}`.slice(0, 36));
});

test('any bytes come back, none of them looked at', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (array) => {
      await agrees('bytes', Buffer.from(array), Buffer.from(array), Buffer.from(array));
    }),
  );
});

test('any JSON comes back as it is written; what is none is refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.json(), async (json) => {
      await agrees('json', json, json, json);
    }),
  );
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  for (const text of [' { "b" : 1.0, "a":1e400, "a":"\\u0000é𝄞" }\n', 'null', '0', '""', deep]) {
    await agrees('json', text, text, text);
  }
  refuses(
    'json',
    '',
    ' ',
    '{',
    "{'a':1}",
    '{"a":1,}',
    'nul',
    'NaN',
    '01',
    '"\n"',
    '\ufeff1',
    'true false',
    Buffer.from([0x22, 0xff, 0x22]),
  );
});

test('schemas have the logical types that readers know, and names only where Confluent’s converter needs them', () => {
  const schemaOf = (type: ColumnType): unknown => {
    const field = rowSchemaOf(single(type)).fields.at(-1);
    assert.deepEqual(field?.default, null);
    assert.ok(Array.isArray(field.type) && field.type[0] === 'null');
    return field.type[1];
  };
  const named = (name: string) => ({ 'connect.version': 1, 'connect.name': name });
  assert.deepEqual(schemaOf('decimal(12,2)'), { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 });
  assert.deepEqual(schemaOf('float'), 'float');
  assert.deepEqual(schemaOf('bytes'), 'bytes');
  assert.deepEqual(schemaOf('date'), { type: 'int', logicalType: 'date' });
  assert.deepEqual(schemaOf('timestamp-millis'), { type: 'long', logicalType: 'timestamp-millis' });
  assert.deepEqual(schemaOf('uuid'), { type: 'string', logicalType: 'uuid', ...named('io.debezium.data.Uuid') });
  assert.deepEqual(schemaOf('json'), { type: 'string', ...named('io.debezium.data.Json') });
});

test('older records are read as what their schema says, with the type that the mapping has now', async () => {
  assert.equal(await sunk('decimal(5,2)', '1.5', 'decimal(9,4)'), '1.5000');
  assert.equal(await sunk('decimal(9,4)', '1.5', 'decimal(5,2)'), '1.50');
  assert.equal(await sunk('decimal(5,2)', '-1.5', 'string'), '-1.50');
  assert.equal(await sunk('timestamp-millis', '5', 'timestamp'), 5000);
  assert.equal(await sunk('timestamp', '2024-01-01T00:00:00.000001Z', 'timestamp-millis'), 1704067200000001);
  assert.equal(await sunk('float', '0.5', 'double'), 0.5);
  assert.equal(await sunk('int', '16777217', 'float'), 16777216);
  assert.equal(await sunk('long', '9223372036854775807', 'float'), 2 ** 63);
  assert.equal(await sunk('bytes', 'ä', 'string'), 'ä');
  assert.deepEqual(await sunk('string', 'ä', 'bytes'), Buffer.from('ä'));
  const notThat = { code: 'RECORD_UNREADABLE' };
  await assert.rejects(sunk('decimal(9,4)', '1.505', 'decimal(5,2)'), notThat);
  await assert.rejects(sunk('bytes', Buffer.from([0xff]), 'string'), notThat);
  await assert.rejects(sunk('bytes', '1', 'decimal(5,2)'), notThat);
  await assert.rejects(sunk('string', 'x', 'decimal(5,2)'), notThat);
  await assert.rejects(sunk('string', '1', 'date'), notThat);
});
