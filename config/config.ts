import { type ColumnType, decimalType, MAX_PRECISION, type RemovalPolicies } from '../schemas/index.ts';
import type { ParsedConfig, ParsedMapping, ParsedSink } from './schema.ts';

export interface FieldConfig {
  readonly column: string;
  readonly type: ColumnType;
}

/** A mapping with every default filled in. */
export interface MappingConfig extends Omit<ParsedMapping, 'topic' | 'table' | 'fields' | 'removals'> {
  readonly topic: string;
  readonly table: string;
  /** By the hash field's name, in the order of the file. */
  readonly fields: Readonly<Record<string, FieldConfig>>;
  readonly removals: RemovalPolicies;
}

/** The target of one mapping in one sink. */
export interface TableConfig {
  readonly name: string;
  readonly versionColumn: string | undefined;
}

/** What `completeConfig` adds to every kind of sink. */
interface CompleteSink {
  /** Names of the mappings that the sink writes. */
  readonly mappings: readonly string[];
  /** By mapping; there is one for each of `mappings`. */
  readonly tables: Readonly<Record<string, TableConfig>>;
}

type Complete<S> = S extends unknown ? Omit<S, keyof CompleteSink> & CompleteSink : never;

/** A sink with every default filled in: a union by `kind`. */
export type SinkConfig = Complete<ParsedSink>;

export type KafkaConfig = ParsedConfig['kafka'];
export type RegistryConfig = ParsedConfig['registry'];
export type SourceConfig = ParsedConfig['source'];
export type TlsConfig = NonNullable<KafkaConfig['ssl']>;
export type HttpConfig = SourceConfig['http'];

/**
 * The whole configuration. Durations are milliseconds, sizes are bytes. Texts still hold their `${env:…}`,
 * `${file:…}` and `${command:…}` references: see `resolveSecrets`.
 */
export interface Config {
  readonly pipeline: string;
  readonly kafka: KafkaConfig;
  readonly registry: RegistryConfig;
  readonly source: SourceConfig;
  readonly mappings: Readonly<Record<string, MappingConfig>>;
  readonly sinks: Readonly<Record<string, SinkConfig>>;
}

/** Fills in the defaults that depend on other options. */
export function completeConfig(parsed: ParsedConfig): Config {
  const mappings = mapValues(parsed.mappings, (mapping, name) => completeMapping(parsed, name, mapping));
  return { ...parsed, mappings, sinks: mapValues(parsed.sinks, (sink) => completeSink(sink, mappings)) };
}

function completeMapping(parsed: ParsedConfig, name: string, mapping: ParsedMapping): MappingConfig {
  const overrides = mapping.removals;
  const defaults = parsed.source.removals;
  return {
    ...mapping,
    topic: mapping.topic ?? `${parsed.pipeline}.${name}`,
    table: mapping.table ?? name,
    operations: mapping.operations || mapping.writeThrough !== false,
    fields: mapValues(mapping.fields, completeField),
    removals: mapValues(defaults, (policy, cause) => overrides[cause] ?? policy),
  };
}

/** A field's column and type, from either spelling. */
export function completeField(field: ParsedMapping['fields'][string], name: string): FieldConfig {
  if (typeof field === 'string') return { column: field, type: 'string' };
  const { column = name, type, precision = MAX_PRECISION, scale = 0 } = field;
  return { column, type: type === 'decimal' ? decimalType({ precision, scale }) : type };
}

function completeSink(sink: ParsedSink, mappings: Config['mappings']): SinkConfig {
  const names = sink.mappings ?? Object.keys(mappings);
  const tables: Record<string, TableConfig> = {};
  for (const name of names) {
    const override = sink.tables[name];
    tables[name] = {
      name: override?.name ?? mappings[name]?.table ?? name,
      versionColumn: override?.versionColumn ?? sink.versionColumn,
    };
  }
  return { ...sink, mappings: names, tables };
}

function mapValues<K extends string, V, W>(record: Record<K, V>, change: (value: V, name: K) => W): Record<K, W>;
function mapValues<V, W>(record: Record<string, V>, change: (value: V, name: string) => W): Record<string, W> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value, name)]));
}
