import type { Census } from './port.ts';
import type { Table } from './table.ts';

/**
 * The keys that a table held when the census began, without those that were crossed off. A part of the table is looked at when the first
 * of its keys is named, so that nothing pauses for millions of them: until then no key of it was put. Sets share the table's own
 * strings, and there are as many sets as the table has parts, since one holds at most 2^24.
 */
export class TableCensus implements Census {
  readonly #table: Table;
  /** Those that held keys then: whatever stands in another one has come since. */
  readonly #databases: ReadonlySet<number>;
  readonly #left = new Map<ReadonlyMap<string, string>, Set<string>>();

  constructor(table: Table) {
    this.#table = table;
    this.#databases = new Set(table.databases().map(({ number }) => number));
  }

  crossOff(db: number, key: Buffer): void {
    this.#of(db, key)?.delete(key.toString('latin1'));
  }

  has(db: number, key: Buffer): boolean {
    return this.#of(db, key)?.has(key.toString('latin1')) ?? false;
  }

  #of(db: number, key: Buffer): Set<string> | undefined {
    const shard = this.#databases.has(db) ? this.#table.shard(db, key) : undefined;
    if (shard === undefined) return undefined;
    let left = this.#left.get(shard);
    if (left === undefined) this.#left.set(shard, (left = new Set(shard.keys())));
    return left;
  }
}
