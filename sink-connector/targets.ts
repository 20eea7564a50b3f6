import type { Config, MappingConfig, SinkConfig } from '../config/index.ts';
import { AfterwriteError } from '../ops/errors/index.ts';
import { compileMapping, type Mapping } from '../schemas/index.ts';
import type { TargetTable } from './write/port.ts';

/** A mapping and the table that its events go to. */
export interface SinkTarget {
  readonly mapping: Mapping;
  readonly table: TargetTable;
}

/** The options of a sink. @throws CONFIG_INVALID when the configuration has no such sink */
export function sinkOf(config: Config, sink: string): SinkConfig {
  const found = config.sinks[sink];
  if (found !== undefined) return found;
  const known = Object.keys(config.sinks).join(', ');
  throw new AfterwriteError('CONFIG_INVALID', `There is no sink ${sink}; there are: ${known || 'none'}`);
}

/** What a sink writes where, by the configuration. @throws MAPPING_INVALID, CONFIG_INVALID */
export function sinkTargets(config: Config, sink: SinkConfig): SinkTarget[] {
  return sink.mappings.map((name) => {
    const mapping = compileMapping(name, mappingOf(config, name));
    const { name: table = mapping.table, versionColumn } = sink.tables[name] ?? {};
    const columns = mapping.fields.map(({ column, type }) => ({ name: column, type }));
    return {
      mapping,
      table: {
        topic: mapping.topic,
        mapping: name,
        name: table,
        keyColumns: mapping.keyColumns,
        valueColumns: columns,
        expiryColumn: mapping.expiryColumn,
        versionColumn,
      },
    };
  });
}

function mappingOf(config: Config, name: string): MappingConfig {
  const mapping = config.mappings[name];
  if (mapping === undefined) throw new AfterwriteError('CONFIG_INVALID', `There is no mapping ${name}`);
  return mapping;
}
