import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SchemaRegistry as KafkajsRegistry } from '@kafkajs/confluent-schema-registry';
import {
  type ColumnType,
  EnvelopeEncoder,
  envelopeSchemaOf,
  registerSchemas,
  RowEncoder,
  SchemaRegistry,
  valueSubjectOf,
} from '../../schemas/index.ts';
import { sampleMapping } from '../support/mapping.ts';
import { uniqueName } from '../support/names.ts';
import { shared } from '../support/servers.ts';

const url = shared('registry');
const registry = new SchemaRegistry(() => ({ url }));

function mappingOf(types: Readonly<Record<string, ColumnType>>, topic = `test.${uniqueName('types')}`) {
  const fields = Object.fromEntries(Object.entries(types).map(([column, type]) => [column, { column, type }]));
  return sampleMapping({ topic, fields });
}

const everyType = {
  text: 'string',
  i: 'int',
  l: 'long',
  f: 'float',
  d: 'double',
  money: 'decimal(12,2)',
  large: 'decimal(38,0)',
  flag: 'boolean',
  day: 'date',
  micros: 'timestamp',
  millis: 'timestamp-millis',
  guid: 'uuid',
  raw: 'bytes',
  doc: 'json',
} as const;

test('every type is taken by the registry and read by @kafkajs/confluent-schema-registry', async () => {
  const mapping = mappingOf(everyType);
  const ids = await registerSchemas(registry, mapping);
  const rows = new RowEncoder(mapping);
  const values = new EnvelopeEncoder(mapping, ids.value);
  const theirs = new KafkajsRegistry({ host: url });
  const afterOf = async (texts: readonly (string | null)[]): Promise<unknown> => {
    const parts = [Buffer.from('eu'), Buffer.from('1')];
    const after = rows.encode(
      parts,
      texts.map((text) => (text === null ? null : Buffer.from(text))),
    );
    assert.ok(Buffer.isBuffer(after), Buffer.isBuffer(after) ? '' : after.reason);
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
    const record = values.encode({ before: null, after, op: 'c', atMs: 1, transaction: null, source });
    const event: unknown = await theirs.decode(record);
    assert.ok(typeof event === 'object' && event !== null && 'after' in event && typeof event.after === 'object');
    return { ...event.after };
  };

  const uuid = '0190a6f0-1111-7222-8333-444455556666';
  const day = '2026-11-24';
  const texts = [
    'ä',
    '-7',
    '42',
    '0.1',
    '0.1',
    '-1234567890.5',
    `-${'9'.repeat(38)}`,
    'true',
    day,
    day,
    day,
    uuid,
    '\0ÿ',
    '{}',
  ];
  assert.deepEqual(await afterOf(texts), {
    region: 'eu',
    id: 1,
    guid: uuid,
    text: 'ä',
    i: -7,
    l: 42,
    f: Math.fround(0.1),
    d: 0.1,
    money: Buffer.from('e34166e5c6', 'hex'),
    large: Buffer.from('b4c4b357a5793b85f675ddc000000001', 'hex'),
    flag: true,
    day: 20_781,
    micros: Date.parse(day) * 1000,
    millis: Date.parse(day),
    raw: Buffer.from('\0ÿ'),
    doc: '{}',
  });
  const nulls = Object.fromEntries(Object.keys(everyType).map((name) => [name, null]));
  assert.deepEqual(await afterOf(texts.map(() => null)), { region: 'eu', id: 1, ...nulls });
});

test('columns of every type may be added and taken away, ints become floats and floats doubles, and nothing goes back', async () => {
  const before = mappingOf({ a: 'int', b: 'float' });
  await registerSchemas(registry, before);
  const isCompatible = (types: Readonly<Record<string, ColumnType>>): Promise<boolean> =>
    registry.isCompatible(valueSubjectOf(before.topic), envelopeSchemaOf(mappingOf(types, before.topic)));
  assert.equal(await isCompatible({ ...everyType, a: 'float', b: 'double' }), true);
  assert.equal(await isCompatible({}), true);
  for (const types of [
    { a: 'boolean' },
    { a: 'uuid' },
    { a: 'decimal(9,2)' },
    { b: 'int' },
    { b: 'decimal(9,2)' },
    { b: 'long' },
  ] as const) {
    assert.equal(await isCompatible(types), false, JSON.stringify(types));
  }
});
