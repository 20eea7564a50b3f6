import { Document } from 'yaml';
import { keyPatternProblem } from '../../schemas/index.ts';
import { unreadIn, type PythonValue } from './python-value.ts';
import type { Connection, Note, Recipe, Registration } from './recipe.ts';
import { sinkOf, type SinkPlace } from './sinks.ts';

interface Mapping {
  readonly key: string;
  readonly version?: string;
  readonly table: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly writeThrough?: true;
  readonly acknowledge?: readonly string[];
}

interface Sink {
  readonly place: SinkPlace;
  readonly mappings: string[];
}

/**
 * The configuration that carries what a recipe's registrations carried, as YAML. Its first lines are comments: what was
 * not read, what differs, and what a person has to fill in. Deterministic.
 */
export function configurationOf(pipeline: string, { registrations, notes }: Recipe): string {
  const all = [...notes];
  const mappings = new Map<string, Mapping>();
  const sinks = new Map<string, Sink>();
  const names = new Map<Connection, string>();
  // One through Redis often says no more of its keys than "__": a mapping of the same table does.
  const inOrder = [...registrations].sort((a, b) => Number(a.through) - Number(b.through));
  for (const registration of inOrder) {
    tellDifferences(registration, all);
    const mapping = registration.through ? throughOf(registration, mappings, all) : mappingOf(registration, all);
    if (typeof mapping === 'string') {
      all.push({ line: registration.line, text: `the registration is left out: ${mapping}` });
      continue;
    }
    const name = nameOfMapping(mapping, mappings);
    if (name === undefined) {
      const text = `${mapping.key} goes to two tables or with two sets of fields: only the first one is taken`;
      all.push({ line: registration.line, text });
      continue;
    }
    const { connection } = registration;
    const sinkName = names.get(connection) ?? freeName(connection.kind, sinks);
    names.set(connection, sinkName);
    const sink = sinks.get(sinkName) ?? { place: sinkOf(sinkName, connection, all), mappings: [] };
    if (!sink.mappings.includes(name)) sink.mappings.push(name);
    mappings.set(name, registration.through ? { ...mapping, writeThrough: true, acknowledge: [sinkName] } : mapping);
    sinks.set(sinkName, sink);
  }
  const document = new Document({
    pipeline,
    kafka: { brokers: ['${env:KAFKA_BROKER}'] },
    registry: { url: '${env:REGISTRY_URL}' },
    source: { url: '${env:REDIS_URL}' },
    mappings: Object.fromEntries([...mappings].map(([name, mapping]) => [name, withOperations(name, mapping, sinks)])),
    sinks: Object.fromEntries(
      [...sinks].map(([name, { place, mappings: written }]) => [name, { ...place, mappings: written }]),
    ),
  });
  document.commentBefore = commentOf(all);
  return document.toString({ lineWidth: 120 });
}

/** The recipe always honours the field #, and tells the client of each id when its database has committed. */
function withOperations(name: string, mapping: Mapping, sinks: ReadonlyMap<string, Sink>): object {
  const writers = [...sinks].filter(([, { mappings }]) => mappings.includes(name));
  return { ...mapping, operations: true, acknowledge: writers.map(([sink]) => sink) };
}

function commentOf(notes: readonly Note[]): string {
  const sorted = [...notes]
    .sort((a, b) => a.line - b.line)
    .map(({ line, text }) => (line === 0 ? text : `line ${line}: ${text}`));
  const general = [
    'Set KAFKA_BROKER (host:port), REGISTRY_URL and REDIS_URL, or write them here. Then: afterwrite check',
    'All columns are strings here, as they were for the recipe; where the table has other types, say so by { column, type }.',
    'No client writes the field #? Take operations and acknowledge away: they need rights to write, docs/operations.md.',
  ];
  return [...general, ...new Set(sorted)].map((line) => ` ${line}`).join('\n');
}

function tellDifferences({ parameters, line, exactlyOnce }: Registration, notes: Note[]): void {
  if (exactlyOnce)
    notes.push({ line, text: 'no exactly-once table is needed: afterwrite_offsets stands in its place' });
  const transform = parameters.get('transform');
  if (transform !== undefined) notes.push({ line, text: 'transform is left out: hashes are carried as they are' });
  if (parameters.has('eventTypes')) notes.push({ line, text: 'eventTypes is left out: every change counts' });
}

/** The mapping of a registration through Redis, whose prefix is that of staging keys, or why there is none. */
function throughOf(
  registration: Registration,
  mappings: ReadonlyMap<string, Mapping>,
  notes: Note[],
): Mapping | string {
  const { parameters, table } = registration;
  const staged = parameters.get('keysPrefix');
  if (staged?.kind !== 'text') return `its keysPrefix is not read${sourceOf(staged)}`;
  const [, prefix] = /^__\{([^{}]+?):?$/.exec(staged.text) ?? [];
  if (prefix !== undefined) {
    return mappingOf(
      { ...registration, parameters: new Map([...parameters, ['keysPrefix', { kind: 'text', text: prefix }]]) },
      notes,
    );
  }
  const same = [...mappings.values()].find((mapping) => table.kind === 'text' && mapping.table === table.text);
  return same ?? `${staged.text} does not say which keys it is for: add a mapping with writeThrough: true`;
}

/** The mapping of a registration, or why there is none. */
function mappingOf({ parameters, table, primaryKey, line }: Registration, notes: Note[]): Mapping | string {
  const prefix = parameters.get('keysPrefix');
  const columns = parameters.get('mappings');
  if (prefix?.kind !== 'text') return `its keysPrefix is not read${sourceOf(prefix)}`;
  if (table.kind !== 'text') return `the table of its connector is not read${sourceOf(table)}`;
  if (primaryKey.kind !== 'text') return `the key of its connector is not read${sourceOf(primaryKey)}`;
  const key = `${prefix.text}:{${primaryKey.text}}`;
  const problem = keyPatternProblem(key);
  if (problem !== undefined) return `${key} ${problem}`;
  if (prefix.text.includes(':')) {
    const here = `here it is all behind ${prefix.text}:`;
    notes.push({ line, text: `the recipe took the part behind the first ":" of a key as ${primaryKey.text}; ${here}` });
  }
  if (columns?.kind !== 'dict') return `its mappings are not read${sourceOf(columns)}`;
  const version = parameters.get('version');
  return {
    key,
    ...(version?.kind === 'text' && /^\d+\.\d+\.\d+$/.test(version.text) ? { version: version.text } : {}),
    table: table.text,
    fields: fieldsOf(columns.entries, primaryKey.text, line, notes),
  };
}

function fieldsOf(
  entries: readonly (readonly [PythonValue, PythonValue])[],
  primaryKey: string,
  line: number,
  notes: Note[],
): Record<string, string> {
  const fields: Record<string, string> = {};
  const leftOut = (field: string, why: string): void => {
    notes.push({ line, text: `the field ${field} is left out: ${why}` });
  };
  for (const [field, column] of entries) {
    if (field.kind !== 'text' || column.kind !== 'text') {
      notes.push({ line, text: `a field of the mappings is left out${sourceOf(field)}${sourceOf(column)}` });
      continue;
    }
    // The recipe passes such fields over, too.
    if (field.text.startsWith('_')) continue;
    if (column.text.toLowerCase() === primaryKey.toLowerCase()) {
      leftOut(field.text, 'its column is that of the key, which has the value');
    } else if (!/^[A-Za-z_]\w*$/.test(column.text)) leftOut(field.text, `${column.text} is no name of a column`);
    else fields[field.text] = column.text;
  }
  return fields;
}

function sourceOf(value: PythonValue | undefined): string {
  const unread = value === undefined ? undefined : unreadIn(value);
  return unread === undefined ? '' : `: ${unread}`;
}

/** The name of the same mapping if there is one, or a free one; undefined where other rows come from the same keys. */
function nameOfMapping(mapping: Mapping, mappings: ReadonlyMap<string, Mapping>): string | undefined {
  for (const [name, before] of mappings) {
    if (before.key === mapping.key) return sameRows(before, mapping) ? name : undefined;
  }
  const [prefix = ''] = mapping.key.split(':{');
  return freeName(prefix.replace(/[^A-Za-z0-9._-]/g, '-'), mappings);
}

/** The versions of registrations may differ that read the same rows. */
function sameRows(a: Mapping, b: Mapping): boolean {
  return a.table === b.table && JSON.stringify(a.fields) === JSON.stringify(b.fields);
}

function freeName(wish: string, taken: ReadonlyMap<string, unknown>): string {
  if (!taken.has(wish)) return wish;
  for (let number = 2; ; number++) if (!taken.has(`${wish}-${number}`)) return `${wish}-${number}`;
}
