import type { Config, MappingConfig, SinkConfig } from '../config/index.ts';
import { AfterwriteError } from '../ops/errors/index.ts';
import { compileMapping, type Mapping } from '../schemas/index.ts';
import type { Acknowledger } from './acknowledge/outbox-entry.ts';
import type { TargetTable } from './write/port.ts';

/** A mapping and the table that its events go to. */
export interface SinkTarget {
  readonly mapping: Mapping;
  readonly table: TargetTable;
  /** As whom the sink acknowledges events of the mapping, if it does. */
  readonly acknowledger: Acknowledger | undefined;
}

/** The options of a sink. @throws CONFIG_INVALID when the configuration has no such sink */
export function sinkOf(config: Config, sink: string): SinkConfig {
  const found = config.sinks[sink];
  if (found !== undefined) return found;
  const known = Object.keys(config.sinks).join(', ');
  throw new AfterwriteError('CONFIG_INVALID', `There is no sink ${sink}; there are: ${known || 'none'}`);
}

/**
 * What a sink writes where, by the configuration.
 * @param acknowledging the sink's name, where it is to acknowledge
 * @throws MAPPING_INVALID, CONFIG_INVALID
 */
export function sinkTargets(config: Config, sink: SinkConfig, acknowledging?: string): SinkTarget[] {
  return sink.mappings.map((name) => {
    const mapping = compileMapping(name, mappingOf(config, name));
    const { name: table = mapping.table, versionColumn } = sink.tables[name] ?? {};
    const columns = mapping.fields.map(({ column, type }) => ({ name: column, type }));
    const index = acknowledging === undefined ? -1 : mapping.acknowledge.indexOf(acknowledging);
    const acknowledger =
      acknowledging === undefined || index < 0 ? undefined : { sink: acknowledging, index, database: mapping.database };
    return {
      mapping,
      acknowledger,
      table: {
        topic: mapping.topic,
        mapping: name,
        name: table,
        keyColumns: mapping.keyColumns,
        valueColumns: columns,
        expiryColumn: mapping.expiryColumn,
        versionColumn,
        acknowledges: acknowledger !== undefined,
      },
    };
  });
}

function mappingOf(config: Config, name: string): MappingConfig {
  const mapping = config.mappings[name];
  if (mapping === undefined) throw new AfterwriteError('CONFIG_INVALID', `There is no mapping ${name}`);
  return mapping;
}
