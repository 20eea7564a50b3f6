import type { ColumnValue } from '../../schemas/index.ts';
import type { Cleanup } from '../cleanup.ts';

/** How the benchmarks use a kind of database. A new one is a file with this and a line in index.ts. */
export interface DatabaseKind {
  /** As people write it. */
  readonly label: string;
  /** Starts an empty one. @param folder where an embedded one may keep its file @returns its address */
  start(cleanup: Cleanup, folder: string): Promise<string>;
  /** The options of a sink that writes there: its kind, and where that is. */
  sinkOptions(address: string): Readonly<Record<string, unknown>>;
  /** Opens a connection to look at what others write. */
  look(cleanup: Cleanup, address: string): Promise<Look>;
  /** Opens a connection that writes with the fastest plain statement of the driver, and nothing of afterwrite. */
  bulkWriter(address: string, table: string): Promise<BulkWriter>;
}

/** The ages of those of these persons that stand in a table, by id. Rejects while there is no such table. */
export type Look = (table: string, ids: readonly string[]) => Promise<ReadonlyMap<string, number>>;

/** A row as the driver is given it: person_id, first, last, age. */
export type BulkRow = readonly ColumnValue[];

export interface BulkWriter {
  /**
   * Brings rows, whose ids differ, into the form that the driver's function takes; what the driver does with it, it does
   * when the returned function is called, which upserts them and commits.
   */
  prepare(rows: readonly BulkRow[]): () => Promise<unknown>;
  close(): Promise<unknown>;
}

/** One column of rows. */
export function columnOf(rows: readonly BulkRow[], index: number): ColumnValue[] {
  return rows.map((row) => row[index] ?? null);
}
