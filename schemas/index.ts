export {
  type AvroRecord,
  type AvroSchema,
  envelopeSchemaOf,
  keySchemaOf,
  keySubjectOf,
  namespaceOf,
  rowSchemaOf,
  valueSubjectOf,
} from './avro.ts';
export {
  type ColumnType,
  type DecimalType,
  decimalType,
  type Digits,
  MAX_PRECISION,
  ofType,
  type PlainType,
  plainTypes,
  type TypeTable,
} from './column-type.ts';
export type { ColumnValue } from './column-value.ts';
export { EventDecoder, type SchemaSource } from './decode.ts';
export type { DecodedEvent, EventRecord } from './decoded-event.ts';
export { EventList, type RecordSource } from './event-list.ts';
export { EnvelopeEncoder, type FieldProblem, KeyEncoder, RowEncoder } from './encode.ts';
export {
  ACK_HEADER,
  CAUSE_HEADER,
  CONNECTOR,
  type EventFacts,
  type EventSource,
  type Operation,
  VERSION_HEADER,
} from './event.ts';
export { KeyPattern, keyPatternProblem, type KeyType } from './key-pattern.ts';
export {
  type AbsentFieldsPolicy,
  type BadValuePolicy,
  type Column,
  compileMapping,
  type KeyColumn,
  type MappedField,
  type Mapping,
  type MappingInput,
  type RemovalCause,
  type RemovalPolicies,
  type RemovalPolicy,
} from './mapping.ts';
export { partitionOf } from './partitioner.ts';
export { type PublishedRow, PublishedRowReader } from './published-row.ts';
export { readableText } from './readable-text.ts';
export { registerSchemas, type SchemaIds } from './register.ts';
export { SchemaRegistry, type RegistryOptions } from './registry.ts';
