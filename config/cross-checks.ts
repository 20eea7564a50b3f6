import { KeyPattern, MAX_PRECISION } from '../schemas/index.ts';
import { completeField } from './config.ts';
import { deadLettersTopic, marksTopic, positionsTopic } from './names.ts';
import type { Finding, Path } from './problem.ts';
import type { ParsedMapping, ParsedSink } from './schema.ts';

/**
 * The parts of a configuration that are right by themselves. Cross checks work on these, so that one wrong option
 * does not hide what else is wrong.
 */
export interface SoundParts {
  readonly pipeline: string | undefined;
  /** source.mode, where it is a right one. */
  readonly mode: string | undefined;
  /** Names of all mappings, of the wrong ones too. */
  readonly mappingNames: readonly string[];
  readonly mappings: Readonly<Record<string, ParsedMapping>>;
  /** Names of all sinks, of the wrong ones too. */
  readonly sinkNames: readonly string[];
  readonly sinks: Readonly<Record<string, ParsedSink>>;
  /** Whether the source is a Redis Cluster. */
  readonly isCluster: boolean;
}

/** What is wrong between options that are right by themselves. */
export function crossFindings(parts: SoundParts): Finding[] {
  const mappings = Object.entries(parts.mappings);
  return [
    ...mappings.flatMap(([name, mapping]) => [
      ...keyFindings(name, mapping),
      ...columnFindings(name, mapping),
      ...decimalFindings(name, mapping),
      ...operationFindings(name, mapping, parts),
    ]),
    ...overlapFindings(mappings),
    ...stagingFindings(mappings),
    ...topicFindings(parts),
    ...Object.entries(parts.sinks).flatMap(([name, sink]) => [
      ...nameFindings(name),
      ...sinkFindings(name, sink, parts),
    ]),
  ];
}

function finding(path: Path, wrong: string, allowed: string): Finding {
  return { path, wrong, allowed };
}

function keyFindings(name: string, mapping: ParsedMapping): Finding[] {
  const columns = keyColumns(mapping);
  return Object.keys(mapping.keyTypes)
    .filter((column) => !columns.includes(column))
    .map((column) =>
      finding(['mappings', name, 'keyTypes', column], 'is no placeholder of the key', columns.join(', ')),
    );
}

function keyColumns(mapping: ParsedMapping): string[] {
  return new KeyPattern(mapping.key).columns.map((column) => column.name);
}

/** Columns are compared without case, since databases do not agree on whether it counts. */
function columnFindings(name: string, mapping: ParsedMapping): Finding[] {
  const keys = keyColumns(mapping);
  const owners = new Map(keys.map((column) => [column.toLowerCase(), `the key column ${column}`]));
  const findings: Finding[] = [];
  if (owners.size < keys.length) {
    findings.push(
      finding(['mappings', name, 'key'], 'names one column twice', 'columns that differ in more than case'),
    );
  }
  for (const [field, spelled] of Object.entries(mapping.fields)) {
    const { column } = completeField(spelled, field);
    const path = ['mappings', name, 'fields', field];
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(column)) {
      findings.push(finding(path, 'is no column name', 'name a column: a letter or "_", then letters, digits and "_"'));
      continue;
    }
    const owner = owners.get(column.toLowerCase());
    if (owner !== undefined) findings.push(finding(path, `has the column ${column} of ${owner}`, 'another column'));
    else owners.set(column.toLowerCase(), `the field ${field}`);
  }
  const owner = owners.get(mapping.expiryColumn?.toLowerCase() ?? '');
  if (owner !== undefined) {
    const wrong = `is ${mapping.expiryColumn ?? ''}, the column of ${owner}`;
    findings.push(finding(['mappings', name, 'expiryColumn'], wrong, 'another column'));
  }
  return findings;
}

/** A decimal says how many digits it has; no other type does. */
function decimalFindings(name: string, mapping: ParsedMapping): Finding[] {
  return Object.entries(mapping.fields).flatMap(([field, spelled]) => {
    if (typeof spelled === 'string') return [];
    const { type, precision, scale } = spelled;
    const path = ['mappings', name, 'fields', field];
    if (type !== 'decimal') {
      return Object.entries({ precision, scale })
        .filter(([, value]) => value !== undefined)
        .map(([option]) => finding([...path, option], `is an option of decimals, and the type is ${type}`, 'nothing'));
    }
    if (precision === undefined) {
      return [finding([...path, 'precision'], 'is missing', `how many digits the decimal has, 1 to ${MAX_PRECISION}`)];
    }
    if (scale === undefined || scale <= precision) return [];
    return [finding([...path, 'scale'], `is ${scale}, more digits than the precision`, `at most ${precision}`)];
  });
}

/** Who acknowledges commands writes their rows; and the field that names the operation is no column. */
function operationFindings(name: string, mapping: ParsedMapping, parts: SoundParts): Finding[] {
  const { acknowledge, fields, writeThrough } = mapping;
  const operations = mapping.operations || writeThrough !== false;
  const findings: Finding[] = [];
  if (operations && Object.hasOwn(fields, '#')) {
    findings.push(finding(['mappings', name, 'fields', '#'], 'is the operation, which is in no row', 'other fields'));
  }
  if (operations && parts.mode === 'notifications') {
    const wrong = 'is true, and key events tell neither every operation nor its id';
    findings.push(finding(['mappings', name, 'operations'], wrong, 'source.mode: replication, or false'));
  }
  if (!operations && acknowledge.length > 0) {
    const wrong = 'is set, and the mapping has no operations';
    findings.push(finding(['mappings', name, 'acknowledge'], wrong, 'operations: true, or nothing'));
  }
  if (writeThrough !== false && acknowledge.length === 0) {
    const wrong = 'is set, and no sink says when it has written a row';
    findings.push(finding(['mappings', name, 'writeThrough'], wrong, 'acknowledge: with at least one sink'));
  }
  if (writeThrough !== false && parts.isCluster) {
    const wrong = 'is set, and the source is a Redis Cluster, where a slot may move while a write is pending';
    findings.push(finding(['mappings', name, 'writeThrough'], wrong, 'nothing'));
  }
  for (const [index, sink] of acknowledge.entries()) {
    const path = ['mappings', name, 'acknowledge', index];
    const writes = parts.sinks[sink]?.mappings;
    if (!parts.sinkNames.includes(sink)) {
      findings.push(finding(path, `is ${sink}, which is no sink`, parts.sinkNames.join(', ') || 'nothing'));
    } else if (writes?.includes(name) === false) {
      findings.push(finding(path, `is ${sink}, which does not write this mapping`, 'sinks that do'));
    } else if (acknowledge.indexOf(sink) !== index) {
      findings.push(finding(path, `is ${sink} for the second time`, 'each sink once'));
    }
  }
  return findings;
}

/** Two hashes never share a row, and one hash never feeds two mappings (rule 9). */
function overlapFindings(mappings: readonly (readonly [string, ParsedMapping])[]): Finding[] {
  return pairs(mappings).flatMap(([[first, a], [second, b]]) => {
    if (a.database !== b.database || !new KeyPattern(a.key).overlaps(new KeyPattern(b.key))) return [];
    const wrong = `is ${b.key}, which overlaps ${a.key} of the mapping ${first} in database ${a.database}`;
    return [finding(['mappings', second, 'key'], wrong, 'patterns of which none begins with the other one’s prefix')];
  });
}

/** Keys at which rows are staged are none of another mapping's. */
function stagingFindings(mappings: readonly (readonly [string, ParsedMapping])[]): Finding[] {
  return mappings.flatMap(([name, { writeThrough, key, database }]) => {
    if (writeThrough === false) return [];
    const staged = `__{${new KeyPattern(key).prefix.toString()}`;
    const other = mappings.find(([, one]) => {
      const prefix = new KeyPattern(one.key).prefix.toString();
      return one.database === database && (prefix.startsWith(staged) || staged.startsWith(prefix));
    });
    if (other === undefined) return [];
    const wrong = `is ${other[1].key}, which overlaps the keys at which ${name} is staged, __{${key}}`;
    return [finding(['mappings', other[0], 'key'], wrong, 'another pattern')];
  });
}

function topicFindings(parts: SoundParts): Finding[] {
  const { pipeline } = parts;
  if (pipeline === undefined) return [];
  const owners = new Map([positionsTopic, marksTopic, deadLettersTopic].map((of) => [of(pipeline), 'the pipeline']));
  return Object.entries(parts.mappings).flatMap(([name, mapping]) => {
    const topic = mapping.topic ?? `${pipeline}.${name}`;
    const owner = owners.get(topic);
    owners.set(topic, `the mapping ${name}`);
    if (owner === undefined) return [];
    const path = mapping.topic === undefined ? ['mappings', name] : ['mappings', name, 'topic'];
    return [finding(path, `has the topic ${topic} of ${owner}`, 'a topic of its own')];
  });
}

/** A sink's name names its consumer group, beside that of the source. */
function nameFindings(name: string): Finding[] {
  return name === 'source' ? [finding(['sinks', name], 'has the name of the source', 'another name')] : [];
}

function sinkFindings(name: string, sink: ParsedSink, parts: SoundParts): Finding[] {
  const written = sink.mappings ?? parts.mappingNames;
  const unknown = written.flatMap((mapping, index) =>
    parts.mappingNames.includes(mapping)
      ? []
      : [
          finding(
            ['sinks', name, 'mappings', index],
            `is ${mapping}, which is no mapping`,
            parts.mappingNames.join(', '),
          ),
        ],
  );
  const twice = written.flatMap((mapping, index) =>
    written.indexOf(mapping) === index
      ? []
      : [finding(['sinks', name, 'mappings', index], `is ${mapping} for the second time`, 'each mapping once')],
  );
  const strangers = Object.keys(sink.tables)
    .filter((mapping) => !written.includes(mapping))
    .map((mapping) => finding(['sinks', name, 'tables', mapping], 'is no mapping of this sink', written.join(', ')));
  return [...unknown, ...twice, ...strangers, ...tableFindings(name, sink, parts)];
}

function tableFindings(name: string, sink: ParsedSink, parts: SoundParts): Finding[] {
  const owners = new Map<string, string>();
  const written = (sink.mappings ?? parts.mappingNames).filter((mapping, index, all) => all.indexOf(mapping) === index);
  return written.flatMap((mappingName) => {
    const mapping = parts.mappings[mappingName];
    if (mapping === undefined) return [];
    const override = sink.tables[mappingName];
    const table = override?.name ?? mapping.table ?? mappingName;
    const guard = override?.versionColumn ?? sink.versionColumn;
    const path = override === undefined ? ['sinks', name] : ['sinks', name, 'tables', mappingName];
    const columns = [
      ...keyColumns(mapping),
      ...Object.entries(mapping.fields).map(([field, spelled]) => completeField(spelled, field).column),
      ...(mapping.expiryColumn === undefined ? [] : [mapping.expiryColumn]),
    ];
    const findings: Finding[] = [];
    const owner = owners.get(table);
    owners.set(table, mappingName);
    if (owner !== undefined) {
      findings.push(
        finding(path, `writes the mappings ${owner} and ${mappingName} into one table, ${table}`, 'a table each'),
      );
    }
    if (guard !== undefined && columns.some((column) => column.toLowerCase() === guard.toLowerCase())) {
      findings.push(
        finding(
          [...path, 'versionColumn'],
          `is ${guard}, a column of the mapping ${mappingName}`,
          'a column of its own',
        ),
      );
    }
    return findings;
  });
}

function pairs<T>(items: readonly T[]): (readonly [T, T])[] {
  return items.flatMap((second, index) => items.slice(0, index).map((first) => [first, second] as const));
}
