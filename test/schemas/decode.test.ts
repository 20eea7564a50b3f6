import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AfterwriteError } from '../../ops/errors/index.ts';
import {
  type DecodedEvent,
  EnvelopeEncoder,
  envelopeSchemaOf,
  EventDecoder,
  KeyEncoder,
  keySchemaOf,
  type Mapping,
  type MappingInput,
  RowEncoder,
  VERSION_HEADER,
} from '../../schemas/index.ts';
import { fetched, type SentRecord } from '../support/event-record.ts';
import { sampleMapping } from '../support/mapping.ts';

/** A registry in memory; it counts how often it is asked. */
class Schemas {
  asked = 0;
  readonly #texts: string[] = [];

  add(schema: object): number {
    return this.#texts.push(JSON.stringify(schema)) - 1;
  }

  schemaById(id: number): Promise<string> {
    this.asked++;
    const text = this.#texts[id];
    return text === undefined
      ? Promise.reject(new AfterwriteError('SCHEMA_UNKNOWN', `There is no schema ${id}`))
      : Promise.resolve(text);
  }
}

const keyParts = [Buffer.from('eu'), Buffer.from('9007199254740993')];

/** A record as the source writes it under a mapping. */
function record(schemas: Schemas, mapping: Mapping, op: 'c' | 'u' | 'd' | 'r', values: (string | null)[]): SentRecord {
  const encoded = new RowEncoder(mapping).encode(
    keyParts,
    values.map((value) => (value === null ? null : Buffer.from(value))),
  );
  assert.ok(Buffer.isBuffer(encoded));
  const source = {
    name: 'shop',
    shard: 0,
    db: 0,
    key: Buffer.from('sample:eu:1'),
    replid: 'abc',
    offset: 99,
    command: 'HSET',
    snapshot: true,
    version: 1_700_000_000_000_001,
    atMs: 5,
  };
  const facts = { before: null, after: op === 'd' ? null : encoded, op, atMs: 6, transaction: null, source };
  return {
    key: new KeyEncoder(mapping, schemas.add(keySchemaOf(mapping))).encode(keyParts),
    value: new EnvelopeEncoder(mapping, schemas.add(envelopeSchemaOf(mapping))).encode(facts),
    offset: 17,
  };
}

async function read(schemas: Schemas, mapping: Mapping, sent: SentRecord) {
  const decoder = new EventDecoder(mapping, schemas);
  const event = fetched(sent);
  await decoder.prepare([event]);
  return decoder.decode(event);
}

function facts({ key, keyText, keyValues, isRemoval, values, version, offset }: DecodedEvent) {
  assert.equal(keyText, key.toString('latin1'));
  return { key, keyValues, isRemoval, values, version, offset };
}

/** Mappings with these fields, all with one topic. */
const mappingOf = (fields: MappingInput['fields']) => sampleMapping({ fields });

test('an event is the values of its row, and its version', async () => {
  const mapping = sampleMapping();
  const schemas = new Schemas();
  const values = ['ä', '-7', '9223372036854775807', '0.5', '1', '9999-12-31'];
  const sent = record(schemas, mapping, 'u', values);
  assert.deepEqual(facts(await read(schemas, mapping, sent)), {
    key: sent.key,
    keyValues: ['eu', 9007199254740993n],
    isRemoval: false,
    values: ['ä', -7, 9223372036854775807n, 0.5, true, 253402214400000000n],
    version: 1_700_000_000_000_001n,
    offset: 17,
  });
  for (const op of ['c', 'r'] as const) {
    assert.equal((await read(schemas, mapping, record(schemas, mapping, op, values))).values?.length, 6);
  }
});

test('a delete has no values, but the version and the key', async () => {
  const mapping = sampleMapping();
  const schemas = new Schemas();
  const event = await read(schemas, mapping, record(schemas, mapping, 'd', [null]));
  const { values, isRemoval, version, keyValues } = event;
  assert.deepEqual([values, isRemoval, version, keyValues[0]], [null, true, 1_700_000_000_000_001n, 'eu']);
});

test('rule 11: a bare tombstone is a delete with what its headers say', async () => {
  const mapping = sampleMapping();
  const schemas = new Schemas();
  const { key } = record(schemas, mapping, 'd', []);
  const headers = { [VERSION_HEADER]: Buffer.from('1700000000000002') };
  assert.deepEqual(facts(await read(schemas, mapping, { key, value: null, headers, offset: 3 })), {
    key,
    keyValues: ['eu', 9007199254740993n],
    isRemoval: true,
    values: null,
    version: 1_700_000_000_000_002n,
    offset: 3,
  });
  const bare = await read(schemas, mapping, { key, value: null });
  assert.deepEqual([bare.values, bare.version], [null, undefined]);
  assert.equal(
    (await read(schemas, mapping, { key, value: null, headers: { [VERSION_HEADER]: 'x' } })).version,
    undefined,
  );
});

test('columns that came later are null, columns that went are left out, in any order', async () => {
  const old = mappingOf({ a: { column: 'a', type: 'string' }, b: { column: 'b', type: 'int' } });
  const now = mappingOf({ c: { column: 'c', type: 'double' }, b: { column: 'b', type: 'int' } });
  const schemas = new Schemas();
  assert.deepEqual((await read(schemas, now, record(schemas, old, 'c', ['x', '5']))).values, [null, 5]);
  assert.deepEqual((await read(schemas, old, record(schemas, now, 'c', ['0.5', '6']))).values, [null, 6]);
});

test('ints are read as longs and doubles, longs as doubles, and nothing else as another type', async () => {
  const old = mappingOf({
    a: { column: 'a', type: 'int' },
    b: { column: 'b', type: 'int' },
    c: { column: 'c', type: 'long' },
  });
  const now = mappingOf({
    a: { column: 'a', type: 'long' },
    b: { column: 'b', type: 'double' },
    c: { column: 'c', type: 'double' },
  });
  const schemas = new Schemas();
  assert.deepEqual((await read(schemas, now, record(schemas, old, 'c', ['1', '2', '9223372036854775807']))).values, [
    1,
    2,
    2 ** 63,
  ]);
  const strings = mappingOf({ a: { column: 'a', type: 'string' } });
  await assert.rejects(
    read(schemas, now, record(schemas, strings, 'c', ['1'])),
    unreadable(/column a was written as another type than long/),
  );
});

function unreadable(reason: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof AfterwriteError && error.code === 'RECORD_UNREADABLE', String(error));
    assert.match(error.what, reason);
    return true;
  };
}

test('bytes that are no event are an error that says where and why', async () => {
  const mapping = sampleMapping();
  const schemas = new Schemas();
  const good = record(schemas, mapping, 'u', ['x', null, null, null, null, null]);
  const { key, value } = good;
  assert.ok(key !== null && value !== null);
  await assert.rejects(read(schemas, mapping, { key: null, value }), unreadable(/no key/));
  await assert.rejects(read(schemas, mapping, { key, value: Buffer.from('{"a":1}') }), unreadable(/schema id/));
  await assert.rejects(read(schemas, mapping, { key, value: Buffer.from([0]) }), unreadable(/schema id/));
  await assert.rejects(
    read(schemas, mapping, { key, value: value.subarray(0, -1) }),
    unreadable(/not what its schema 1 says/),
  );
  await assert.rejects(
    read(schemas, mapping, { key, value: Buffer.concat([value, value]) }),
    unreadable(/not what its schema/),
  );
  await assert.rejects(read(schemas, mapping, { key, value: key }), unreadable(/no source block/));
  const odd = schemas.add({ type: 'bogus' });
  const framed = Buffer.from([0, 0, 0, 0, odd]);
  await assert.rejects(read(schemas, mapping, { key, value: framed }), unreadable(/is no Avro schema/));
  await assert.rejects(read(schemas, mapping, { key: framed, value: null, offset: 5 }), (error) => {
    assert.ok(error instanceof AfterwriteError);
    assert.deepEqual(error.where, { topic: 'shop-eu.sample', offset: 5 });
    return true;
  });
  const unknown = { key, value: Buffer.from([0, 0, 0, 9, 9]) };
  await assert.rejects(
    read(schemas, mapping, unknown),
    (error) => error instanceof AfterwriteError && error.code === 'SCHEMA_UNKNOWN',
  );
});

test('each schema is fetched once, and never while decoding', async () => {
  const mapping = sampleMapping();
  const schemas = new Schemas();
  const { key, value } = record(schemas, mapping, 'u', []);
  const event = fetched({ key, value });
  const decoder = new EventDecoder(mapping, schemas);
  assert.throws(() => decoder.decode(event), /not prepared/);
  await decoder.prepare([event, event, fetched({ key, value: null })]);
  await decoder.prepare([event]);
  for (let i = 0; i < 3; i++) decoder.decode(event);
  assert.equal(schemas.asked, 2);
});

test('a record cut anywhere is an error or a whole event, never a crash', async () => {
  const mapping = sampleMapping();
  const schemas = new Schemas();
  const good = record(schemas, mapping, 'u', ['text', '1', '2', '3', '1', '4']);
  const decoder = new EventDecoder(mapping, schemas);
  await decoder.prepare([fetched(good)]);
  const { value } = good;
  assert.ok(value !== null);
  for (let length = 5; length < value.length; length++) {
    assert.throws(
      () => decoder.decode(fetched({ key: good.key, value: value.subarray(0, length) })),
      unreadable(/not what its schema/),
    );
  }
});
