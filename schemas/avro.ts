import { ofType, type TypeTable } from './column-type.ts';
import type { Mapping } from './mapping.ts';

/** A schema as JSON holds it. */
export type AvroSchema = string | readonly AvroSchema[] | { readonly [name: string]: unknown };

interface AvroField {
  readonly name: string;
  readonly type: AvroSchema;
  readonly default?: unknown;
}

export interface AvroRecord {
  readonly type: 'record';
  readonly name: string;
  readonly namespace: string;
  readonly fields: readonly AvroField[];
  readonly 'connect.name': string;
  readonly [name: string]: unknown;
}

/** Names under which the registry keeps a topic's schemas (TopicNameStrategy). */
export function keySubjectOf(topic: string): string {
  return `${topic}-key`;
}

export function valueSubjectOf(topic: string): string {
  return `${topic}-value`;
}

/**
 * A topic's name as an Avro namespace, made as Debezium makes it: what Avro does not allow becomes `_`.
 * https://debezium.io/documentation/reference/stable/configuration/avro.html (naming)
 */
export function namespaceOf(topic: string): string {
  return topic
    .split('.')
    .map((part) => part.replace(/[^A-Za-z0-9_]/g, '_').replace(/^(?![A-Za-z_])/, '_'))
    .join('.');
}

/**
 * Each type of column in Avro. Confluent's converter maps decimal, date and timestamp-millis by their logical types, and
 * refuses a connect.name beside those; a type that it does not map has Debezium's name. Other readers know all of the
 * logical types.
 */
const avroTypes: TypeTable<AvroSchema> = {
  string: 'string',
  int: 'int',
  long: 'long',
  float: 'float',
  double: 'double',
  decimal: ({ precision, scale }) => ({ type: 'bytes', logicalType: 'decimal', precision, scale }),
  boolean: 'boolean',
  date: { type: 'int', logicalType: 'date' },
  timestamp: debezium('io.debezium.time.MicroTimestamp', { type: 'long', logicalType: 'timestamp-micros' }),
  'timestamp-millis': { type: 'long', logicalType: 'timestamp-millis' },
  uuid: debezium('io.debezium.data.Uuid', { type: 'string', logicalType: 'uuid' }),
  bytes: 'bytes',
  json: debezium('io.debezium.data.Json', { type: 'string' }),
};

function debezium(name: string, schema: Readonly<Record<string, string>>): AvroSchema {
  return { ...schema, 'connect.version': 1, 'connect.name': name };
}

function record(namespace: string, name: string, fields: readonly AvroField[]): AvroRecord {
  return { type: 'record', name, namespace, fields, 'connect.name': `${namespace}.${name}` };
}

function keyFields(mapping: Mapping): AvroField[] {
  return mapping.keyColumns.map(({ name, type }) => ({ name, type: ofType(avroTypes, type) }));
}

/** The schema of a mapping's record keys. It depends on nothing but the topic and the key columns (rule 12). */
export function keySchemaOf(mapping: Mapping): AvroRecord {
  return record(namespaceOf(mapping.topic), 'Key', keyFields(mapping));
}

/** The schema of a row: the key columns, then the others, each of which may be null. */
export function rowSchemaOf(mapping: Mapping): AvroRecord {
  const others = mapping.fields.map(({ column, type }) => ({
    name: column,
    type: ['null', ofType(avroTypes, type)],
    default: null,
  }));
  return record(namespaceOf(mapping.topic), 'Value', [...keyFields(mapping), ...others]);
}

/** Where an event comes from. The same for all mappings; the order is the order on the wire. */
const sourceBlock = record('afterwrite', 'Source', [
  { name: 'connector', type: 'string' },
  { name: 'name', type: 'string' },
  { name: 'shard', type: 'int' },
  { name: 'db', type: 'int' },
  // Redis keys are any bytes.
  { name: 'key', type: 'bytes' },
  { name: 'replid', type: 'string' },
  { name: 'offset', type: 'long' },
  { name: 'command', type: 'string' },
  {
    name: 'snapshot',
    type: {
      type: 'string',
      'connect.version': 1,
      'connect.parameters': { allowed: 'true,first,last,false' },
      'connect.default': 'false',
      'connect.name': 'io.debezium.data.Enum',
    },
    default: 'false',
  },
  { name: 'version', type: 'long' },
  { name: 'ts_ms', type: 'long' },
]);

/** Debezium's block for events of one transaction. */
const transactionBlock: AvroRecord = {
  type: 'record',
  name: 'block',
  namespace: 'event',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'total_order', type: 'long' },
    { name: 'data_collection_order', type: 'long' },
  ],
  'connect.version': 1,
  'connect.name': 'event.block',
};

/** The schema of a mapping's events: Debezium's envelope around the row. */
export function envelopeSchemaOf(mapping: Mapping): AvroRecord {
  const namespace = namespaceOf(mapping.topic);
  return {
    ...record(namespace, 'Envelope', [
      { name: 'before', type: ['null', rowSchemaOf(mapping)], default: null },
      { name: 'after', type: ['null', `${namespace}.Value`], default: null },
      { name: 'source', type: sourceBlock },
      { name: 'op', type: 'string' },
      { name: 'ts_ms', type: ['null', 'long'], default: null },
      { name: 'transaction', type: ['null', transactionBlock], default: null },
    ]),
    'connect.version': 1,
  };
}
