import { AfterwriteError } from '../ops/errors/index.ts';
import type { ColumnType } from './column-type.ts';
import { KeyPattern, type KeyType } from './key-pattern.ts';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

/** A column of the key: part of the record's key, never null. */
export interface KeyColumn {
  readonly name: string;
  readonly type: KeyType;
}

/** A field of the hash and the column that it becomes; or what is known of the hash beside its fields. */
export interface MappedField {
  /** The field's name as Redis holds it; null for the moment when the key expires, which is no field. */
  readonly field: Buffer | null;
  readonly column: string;
  readonly type: ColumnType;
}

/** Why a row may have to go; each cause has its policy. */
export type RemovalCause = 'deleted' | 'expired' | 'evicted' | 'flushed' | 'vanished' | 'ambiguous';
export type RemovalPolicy = 'delete' | 'keep';
export type RemovalPolicies = Readonly<Record<RemovalCause, RemovalPolicy>>;

/** What happens to a hash with a value that its column's type does not allow. */
export type BadValuePolicy = 'dead-letter' | 'null' | 'stop';

/** What becomes of the columns of a kept row whose fields the hash lacks when it is back. */
export type AbsentFieldsPolicy = 'null' | 'keep';

/** What a mapping is made of: a mapping of the configuration, with all defaults filled in, fits. */
export interface MappingInput {
  readonly key: string;
  readonly keyTypes: Readonly<Record<string, KeyType>>;
  readonly database: number;
  readonly topic: string;
  readonly table: string;
  /** Three numbers; undefined: it has none. */
  readonly version?: string | undefined;
  /** By the hash field's name; the order is the order of the columns. */
  readonly fields: Readonly<Record<string, { readonly column: string; readonly type: ColumnType }>>;
  /** The column that tells when the key expires, behind those of the fields; undefined: none does. */
  readonly expiryColumn?: string | undefined;
  /** Whether the field `#` of a hash is an operation; default: it is a field like any other. */
  readonly operations?: boolean | undefined;
  /** Sinks that acknowledge commands; default: none does. */
  readonly acknowledge?: readonly string[] | undefined;
  /** Whether rows may be written to the databases first, and how long these have for it, ms; default: they are not. */
  readonly writeThrough?: { readonly timeout: number } | false | undefined;
  readonly before: boolean;
  readonly onBadValue: BadValuePolicy;
  readonly absentFields: AbsentFieldsPolicy;
  readonly removals: RemovalPolicies;
}

/** Which hashes become rows of one table, and how: what both sides of the pipeline agree on. */
export interface Mapping {
  readonly name: string;
  readonly topic: string;
  readonly table: string;
  /** Three numbers; undefined: it has none, which is older than any. */
  readonly version: string | undefined;
  /** The Redis database that is read. */
  readonly database: number;
  readonly key: KeyPattern;
  readonly keyColumns: readonly KeyColumn[];
  /** The columns beside the key columns, in the order of the row. */
  readonly fields: readonly MappedField[];
  /** The column of `fields` that tells when the key expires. */
  readonly expiryColumn: string | undefined;
  /** Whether the field `#` of a hash is an operation, and in no row. */
  readonly operations: boolean;
  /** Sinks that tell the client of a command with an id when they have committed it, in order. */
  readonly acknowledge: readonly string[];
  /** How long the sinks of `acknowledge` have for a row that is written through, ms; undefined: none is. */
  readonly writeThroughMs: number | undefined;
  /** Whether events carry the row before the change. */
  readonly before: boolean;
  readonly onBadValue: BadValuePolicy;
  readonly absentFields: AbsentFieldsPolicy;
  readonly removals: RemovalPolicies;
}

/** @throws MAPPING_INVALID when the key pattern is wrong or two columns have one name. */
export function compileMapping(name: string, input: MappingInput): Mapping {
  const { topic, table, version, database, expiryColumn, before, onBadValue, absentFields, removals } = input;
  const { operations = false, acknowledge = [], writeThrough = false } = input;
  const key = new KeyPattern(input.key, input.keyTypes);
  const fields: MappedField[] = Object.entries(input.fields).map(([field, { column, type }]) => ({
    field: Buffer.from(field),
    column,
    type,
  }));
  if (expiryColumn !== undefined) fields.push({ field: null, column: expiryColumn, type: 'timestamp-millis' });
  const columns = [...key.columns.map((column) => column.name), ...fields.map((field) => field.column)];
  const twice = columns.find((column, index) => columns.indexOf(column) !== index);
  if (twice !== undefined) {
    throw new AfterwriteError('MAPPING_INVALID', `Two columns are called ${twice}`, { where: { mapping: name } });
  }
  const keyColumns = key.columns;
  return {
    name,
    topic,
    table,
    version,
    database,
    key,
    keyColumns,
    fields,
    expiryColumn,
    operations,
    acknowledge,
    writeThroughMs: writeThrough === false ? undefined : writeThrough.timeout,
    before,
    onBadValue,
    absentFields,
    removals,
  };
}
