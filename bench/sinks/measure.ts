import { Cleanup } from '../cleanup.ts';
import type { DatabaseKind } from '../databases/index.ts';
import type { Pair } from '../figure.ts';
import { fillBySink, fillRaw, type Fill, type Filled } from '../fill.ts';
import { agesOfOlder } from '../hashes.ts';
import type { Marks } from '../marks.ts';
import type { Servers } from '../servers.ts';
import type { Setup } from '../setup.ts';
import type { MappingName } from './topics.ts';

/** Who fills a table: a sink, its dialect's statements alone, or the plainest statements of the driver. */
export const writers = ['sink', 'dialect', 'driver'] as const;
export type Writer = (typeof writers)[number];

/** A database that runs, and what it is called in the configuration. */
export interface Database {
  readonly name: string;
  readonly kind: DatabaseKind;
  readonly address: string;
}

export interface Measuring {
  readonly servers: Servers;
  readonly setup: Setup;
  readonly marks: Readonly<Record<MappingName, Marks>>;
  /** How long a table that is being filled is watched, ms. */
  readonly longestMs: number;
  readonly say: (line: string) => void;
}

/** What one round found of a database. */
export interface Round {
  readonly inserts: Readonly<Record<Writer, number>>;
  readonly updates: Readonly<Record<Writer, number>>;
  /** The most memory of the process of the sink that filled the table, bytes. */
  readonly peakMemory: number;
}

/** The table of a writer in a round; a database has no other that is called so. */
export function tableOf(writer: Writer, round: number | 'backlog'): string {
  return `person_${writer}_${round}`;
}

/** A sink for each topic: that of a topic which is filled later begins at its start. */
export function sinkOf({ name }: Database, table: string, mapping: MappingName): string {
  return `${name}_${table}_${mapping}`;
}

/** One round: each writer fills a table of its own, and changes all its rows. */
export async function measureRound(measuring: Measuring, database: Database, round: number): Promise<Round> {
  const results = { sink: NaN, dialect: NaN, driver: NaN };
  const inserts = { ...results };
  const updates = { ...results };
  let peakMemory = NaN;
  for (const writer of writers) {
    const table = tableOf(writer, round);
    const filled = await fill(measuring, database, { writer, table, mapping: 'fill' });
    const changed = await fill(measuring, database, { writer, table, mapping: 'change' });
    inserts[writer] = filled.rate;
    updates[writer] = changed.rate;
    if (writer === 'sink') peakMemory = filled.peakMemory;
  }
  return { inserts, updates, peakMemory };
}

/** The most memory of a sink with a large backlog, beside that of one with a small one; MiB. */
export async function measureMemory(measuring: Measuring, database: Database, smallPeak: number): Promise<Pair> {
  const table = tableOf('sink', 'backlog');
  const { peakMemory } = await fill(measuring, database, { writer: 'sink', table, mapping: 'backlog' });
  return { value: peakMemory / 2 ** 20, limit: smallPeak / 2 ** 20 };
}

interface FillOf {
  readonly writer: Writer;
  readonly table: string;
  readonly mapping: MappingName;
}

/** @returns of a writer that is no sink, the rate alone means something. */
async function fill(
  { servers, setup, marks, longestMs, say }: Measuring,
  database: Database,
  { writer, table, mapping }: FillOf,
): Promise<{ rate: number; peakMemory: number }> {
  const { kind, address } = database;
  const sink = sinkOf(database, table, mapping);
  const cleanup = new Cleanup();
  try {
    const look = await kind.look(cleanup, address);
    const minAge = mapping === 'change' ? agesOfOlder : 0;
    const watched: Fill = { look, table, marks: marks[mapping], minAge, longestMs };
    const task = { configFile: setup.configFile, sink, broker: servers.kafka.address, address };
    const told = ({ rate, busy }: Filled): string =>
      `${kind.label}, ${mapping}, ${writer}: ${rate.toFixed(0)} rows/s; cores at work ${(busy * 100).toFixed(0)} %`;
    if (writer === 'sink') {
      const found = await fillBySink(cleanup, setup, sink, watched);
      say(`${told(found)}; ${found.cpuMicros.toFixed(1)} µs of CPU a row in the sink, with its start`);
      return found;
    }
    const found = await fillRaw(cleanup, setup, { ...task, statements: writer }, watched);
    say(told(found));
    return { ...found, peakMemory: NaN };
  } finally {
    await cleanup.close();
  }
}
