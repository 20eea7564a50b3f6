import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SchemaRegistry as KafkajsRegistry } from '@kafkajs/confluent-schema-registry';
import { AfterwriteError } from '../../ops/errors/index.ts';
import {
  EnvelopeEncoder,
  envelopeSchemaOf,
  EventDecoder,
  KeyEncoder,
  keySchemaOf,
  type MappingInput,
  registerSchemas,
  RowEncoder,
  SchemaRegistry,
  valueSubjectOf,
} from '../../schemas/index.ts';
import { fetched } from '../support/event-record.ts';
import { sampleMapping } from '../support/mapping.ts';
import { uniqueName } from '../support/names.ts';
import { shared } from '../support/servers.ts';

const url = shared('registry');
const registry = new SchemaRegistry(() => ({ url }));

/** A mapping with a topic of its own, or of another. */
function mappingOf(fields: MappingInput['fields'], topic = `test.${uniqueName('schemas')}`) {
  return sampleMapping({ topic, fields });
}

const age = { column: 'age', type: 'int' } as const;
const name = { column: 'name', type: 'string' } as const;

test('schemas keep their ids, and are found by them', async () => {
  const mapping = sampleMapping({ topic: `test.${uniqueName('schemas')}` });
  const first = await registerSchemas(registry, mapping);
  assert.deepEqual(await registerSchemas(registry, mapping), first);
  assert.deepEqual(JSON.parse(await registry.schemaById(first.key)), JSON.parse(JSON.stringify(keySchemaOf(mapping))));
  assert.deepEqual(
    JSON.parse(await registry.schemaById(first.value)),
    JSON.parse(JSON.stringify(envelopeSchemaOf(mapping))),
  );
});

test('workers that begin at once register the same schemas, and all get their ids', async () => {
  for (let round = 0; round < 10; round++) {
    const mapping = mappingOf({ age });
    const ids = await Promise.all(Array.from({ length: 6 }, () => registerSchemas(registry, mapping)));
    for (const one of ids) assert.deepEqual(one, ids[0]);
  }
});

test('a subject that nothing checks is told to check; a stricter level stays', async () => {
  const mapping = mappingOf({ age });
  const subject = valueSubjectOf(mapping.topic);
  await registerSchemas(registry, mapping);
  await registry.setCompatibility('NONE', subject);
  await registerSchemas(registry, mapping);
  assert.equal(await registry.compatibility(subject), 'BACKWARD');
  await registry.setCompatibility('FULL', subject);
  await registerSchemas(registry, mapping);
  assert.equal(await registry.compatibility(subject), 'FULL');
});

test('fields may be added and taken away, and an int may become a long', async () => {
  const before = mappingOf({ age });
  const first = await registerSchemas(registry, before);
  const subject = valueSubjectOf(before.topic);
  for (const fields of [{ age, name }, { name }, { name, age }, { name, age: { ...age, type: 'long' as const } }]) {
    const mapping = mappingOf(fields, before.topic);
    assert.equal(await registry.isCompatible(subject, envelopeSchemaOf(mapping)), true);
    const ids = await registerSchemas(registry, mapping);
    assert.equal(ids.key, first.key, 'rule 12: the key schema has the same id');
    assert.notEqual(ids.value, first.value);
  }
});

test('a field that changes its type is refused, with the subject and the reason', async () => {
  const before = mappingOf({ age });
  await registerSchemas(registry, before);
  const after = mappingOf({ age: { column: 'age', type: 'string' } }, before.topic);
  assert.equal(await registry.isCompatible(valueSubjectOf(before.topic), envelopeSchemaOf(after)), false);
  await assert.rejects(registerSchemas(registry, after), (error) => {
    assert.ok(error instanceof AfterwriteError && error.code === 'SCHEMA_INCOMPATIBLE');
    assert.equal(error.recovery, 'stop');
    assert.equal(error.where.subject, valueSubjectOf(before.topic));
    return true;
  });
});

test('key columns that change are refused', async () => {
  const before = mappingOf({ age });
  await registerSchemas(registry, before);
  const after = sampleMapping({ topic: before.topic, keyTypes: {}, fields: { age } });
  await assert.rejects(
    registerSchemas(registry, after),
    (error) => error instanceof AfterwriteError && error.code === 'SCHEMA_INCOMPATIBLE',
  );
});

test('a schema that nobody registered is unknown; a subject without versions takes anything', async () => {
  await assert.rejects(
    registry.schemaById(2_000_000_000),
    (error) => error instanceof AfterwriteError && error.code === 'SCHEMA_UNKNOWN',
  );
  assert.equal(await registry.isCompatible(`${uniqueName('nothing')}-value`, 'string'), true);
  assert.equal(await registry.compatibility(uniqueName('nothing')), undefined);
});

test('what we encode is read by @kafkajs/confluent-schema-registry and by ourselves', async () => {
  const mapping = sampleMapping({ topic: `test.${uniqueName('schemas')}` });
  const ids = await registerSchemas(registry, mapping);
  const parts = [Buffer.from('eu'), Buffer.from('42')];
  const row = new RowEncoder(mapping).encode(
    parts,
    ['ä', '-7', '42', '0.5', 'true', '2024-01-01'].map((text) => Buffer.from(text)),
  );
  assert.ok(Buffer.isBuffer(row));
  const source = {
    name: 'shop',
    shard: 0,
    db: 0,
    key: Buffer.from([0xff]),
    replid: 'r',
    offset: 1,
    command: 'HSET',
    snapshot: false,
    version: 1_700_000_000_000_001,
    atMs: 5,
  };
  const key = new KeyEncoder(mapping, ids.key).encode(parts);
  const value = new EnvelopeEncoder(mapping, ids.value).encode({
    before: null,
    after: row,
    op: 'c',
    atMs: 6,
    transaction: { id: 't', totalOrder: 1, mappingOrder: 1 },
    source,
  });

  const theirs = new KafkajsRegistry({ host: url });
  assert.deepEqual({ ...(await decodedBy(theirs, key)) }, { region: 'eu', id: 42 });
  const event: unknown = JSON.parse(JSON.stringify(await decodedBy(theirs, value)));
  assert.deepEqual(event, {
    before: null,
    after: {
      region: 'eu',
      id: 42,
      a_text: 'ä',
      an_int: -7,
      a_long: 42,
      a_double: 0.5,
      a_boolean: true,
      a_time: 1704067200000000,
    },
    source: {
      connector: 'afterwrite',
      name: 'shop',
      shard: 0,
      db: 0,
      key: { type: 'Buffer', data: [255] },
      replid: 'r',
      offset: 1,
      command: 'HSET',
      snapshot: 'false',
      version: 1_700_000_000_000_001,
      ts_ms: 5,
    },
    op: 'c',
    ts_ms: 6,
    transaction: { id: 't', total_order: 1, data_collection_order: 1 },
  });

  const decoder = new EventDecoder(mapping, registry);
  await decoder.prepare([fetched({ key, value })]);
  const ours = decoder.decode(fetched({ key, value }));
  assert.deepEqual(
    [ours.keyValues, ours.values],
    [
      ['eu', 42],
      ['ä', -7, 42, 0.5, true, 1704067200000000],
    ],
  );
});

async function decodedBy(theirs: KafkajsRegistry, bytes: Buffer): Promise<object> {
  const value: unknown = await theirs.decode(bytes);
  assert.ok(typeof value === 'object' && value !== null);
  return value;
}
