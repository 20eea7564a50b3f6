import type { MergedChanges } from '../../merge/last-event.ts';
import type {
  OffsetMove,
  OffsetReset,
  OutboxRow,
  PartitionName,
  Session,
  StoredKey,
  StoredOffset,
  TargetTable,
} from '../port.ts';
import { storedKey } from '../sql/stored-key.ts';
import type { CassandraClient } from './connection.ts';
import { told } from './errors.ts';
import { eachInFlight } from './in-flight.ts';
import type { OffsetRows } from './offset-rows.ts';
import type { OutboxRows } from './outbox.ts';
import type { RowStatements } from './row-statements.ts';

/** How many keys are read at once. */
const keysOfPage = 5000;

/**
 * Connections to Cassandra, and all that is ever said on them while batches are written. There are no transactions: rows
 * are written at their versions, at a quorum, before the offset moves, so that writing them again changes nothing.
 */
export class CassandraSession implements Session {
  readonly #client: CassandraClient;
  readonly #offsets: OffsetRows;
  readonly #outbox: OutboxRows;
  readonly #concurrency: number;
  readonly #rowsOf: (table: TargetTable) => RowStatements;

  constructor(
    client: CassandraClient,
    { offsets, outbox }: { readonly offsets: OffsetRows; readonly outbox: OutboxRows },
    concurrency: number,
    rowsOf: (table: TargetTable) => RowStatements,
  ) {
    this.#client = client;
    this.#offsets = offsets;
    this.#outbox = outbox;
    this.#concurrency = concurrency;
    this.#rowsOf = rowsOf;
  }

  async begin(): Promise<void> {
    // Nothing to begin.
  }

  async commit(): Promise<void> {
    // Each statement has been committed.
  }

  async rollback(): Promise<void> {
    // What was written is right at its version, whoever owns the partition.
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async apply(table: TargetTable, { upserts, deletes }: MergedChanges): Promise<void> {
    const rows = this.#rowsOf(table);
    const now = Date.now();
    try {
      await eachInFlight([...deletes, ...upserts], this.#concurrency, async (change) => {
        const { query, parameters } = rows.of(change, now);
        await this.#client.execute(query, [...parameters], { prepare: true, isIdempotent: true });
      });
    } catch (error) {
      throw told(error);
    }
  }

  async attempt(table: TargetTable, changes: MergedChanges): Promise<void> {
    await this.apply(table, changes);
  }

  async keepInOutbox(partition: PartitionName, rows: readonly OutboxRow[]): Promise<void> {
    await this.#outbox.keep(partition, rows);
  }

  async readOutbox(partition: PartitionName, limit: number): Promise<OutboxRow[]> {
    return await this.#outbox.read(partition, limit);
  }

  async dropFromOutbox(partition: PartitionName, rows: readonly OutboxRow[]): Promise<void> {
    await this.#outbox.drop(partition, rows);
  }

  async moveOffset(move: OffsetMove): Promise<number> {
    return await this.#offsets.move(move);
  }

  async markCaughtUp(move: OffsetMove): Promise<number> {
    return await this.#offsets.markCaughtUp(move);
  }

  async claim(
    partition: PartitionName,
    initial: { readonly clusterId: string; readonly nextOffset: bigint },
  ): Promise<StoredOffset> {
    return await this.#offsets.claim(partition, initial);
  }

  async readOffset(partition: PartitionName): Promise<StoredOffset | undefined> {
    return await this.#offsets.read(partition);
  }

  async now(): Promise<Date> {
    return await this.#offsets.now();
  }

  async readOffsets(): Promise<readonly (PartitionName & StoredOffset)[]> {
    return await this.#offsets.readAll();
  }

  async reset(reset: OffsetReset): Promise<number> {
    return await this.#offsets.reset(reset);
  }

  async *keys(table: TargetTable): AsyncGenerator<StoredKey[]> {
    const { keys } = this.#rowsOf(table).texts;
    const keyCount = table.keyColumns.length;
    let page: StoredKey[] = [];
    // The iterator asks for the next rows when it has given those that it has.
    for await (const row of await this.#client.execute(keys, [], { prepare: true, fetchSize: keysOfPage })) {
      const values: unknown[] = row.values();
      const stored = storedKey(table, [...values.slice(0, keyCount).map(keyText), latest(values.slice(keyCount))]);
      if (stored !== undefined) page.push(stored);
      if (page.length < keysOfPage) continue;
      yield page;
      page = [];
    }
    if (page.length > 0) yield page;
  }
}

function keyText(value: unknown): string | null {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' ? String(value) : null;
}

/** A row is as new as its newest column; one that has none but its key does not say when it was written. */
function latest(times: readonly unknown[]): string | null {
  const known = times.filter((time) => typeof time === 'bigint');
  return known.length === 0 ? null : String(known.reduce((newest, time) => (time > newest ? time : newest)));
}
