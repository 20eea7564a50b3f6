import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ColumnValue } from '../../../schemas/index.ts';
import type { Change } from '../../decode/change.ts';
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
import { outboxRow, storedOffset, utcTime } from '../sql/bookkeeping-rows.ts';
import type { Connection, SqlRow, SqlValue } from './connection.ts';
import { offsetStatements, outboxStatements, type TableStatements } from './statements.ts';

/** The statements of a table, and how the values of its columns become their parameters. */
export interface TableWriting extends TableStatements {
  readonly keyEncoders: readonly ((value: ColumnValue) => SqlValue)[];
  readonly valueEncoders: readonly ((value: ColumnValue) => SqlValue)[];
}

/** How many keys are read at once. */
const keysOfPage = 5_000;

/** The driver does its work inside the call. After this long, heartbeats and the other partitions get their turn, ms. */
const sliceMs = 10;

/** One connection to the file, and all that is ever said on it while batches are written. */
export class SqliteSession implements Session {
  readonly #connection: Connection;
  readonly #sink: string;
  readonly #writingOf: (table: TargetTable) => TableWriting;

  constructor(connection: Connection, sink: string, writingOf: (table: TargetTable) => TableWriting) {
    this.#connection = connection;
    this.#sink = sink;
    this.#writingOf = writingOf;
  }

  async begin(): Promise<void> {
    await this.#connection.begin();
  }

  async commit(): Promise<void> {
    this.#connection.commit();
    await Promise.resolve();
  }

  async rollback(): Promise<void> {
    this.#connection.rollback();
    await Promise.resolve();
  }

  async close(): Promise<void> {
    this.#connection.close();
    await Promise.resolve();
  }

  async apply(table: TargetTable, { upserts, deletes }: MergedChanges): Promise<void> {
    this.#requireTransaction();
    const writing = this.#writingOf(table);
    const guarded = table.versionColumn !== undefined;
    await this.#inSlices(deletes, (change) => {
      const key = keyOf(writing, change);
      this.#connection.run(writing.delete, guarded ? [...key, versionOf(change)] : key);
      if (writing.rememberDeleted === undefined) return;
      this.#connection.run(writing.rememberDeleted, [table.topic, change.key, versionOf(change)]);
    });
    await this.#inSlices(upserts, (change) => {
      const row = rowOf(writing, change);
      if (guarded) row.push(versionOf(change), table.topic, change.key);
      this.#connection.run(writing.upsert, row);
    });
  }

  async attempt(table: TargetTable, changes: MergedChanges): Promise<void> {
    this.#requireTransaction();
    this.#connection.exec('SAVEPOINT attempt');
    try {
      await this.apply(table, changes);
    } catch (error) {
      // After a full disk the whole transaction is gone already, and there is nothing to undo.
      if (this.#connection.inTransaction) this.#connection.exec('ROLLBACK TO attempt; RELEASE attempt');
      throw error;
    }
    this.#connection.exec('RELEASE attempt');
  }

  async keepInOutbox(partition: PartitionName, rows: readonly OutboxRow[]): Promise<void> {
    this.#requireTransaction();
    for (const { offset, version, entry } of rows) {
      this.#connection.run(outboxStatements.keep, this.#row(partition, [offset, version, entry]));
    }
    await Promise.resolve();
  }

  async readOutbox(partition: PartitionName, limit: number): Promise<OutboxRow[]> {
    const rows = this.#connection.all(outboxStatements.read, this.#row(partition, [BigInt(limit)]));
    return await Promise.resolve(rows.map(outboxRow));
  }

  async dropFromOutbox(partition: PartitionName, rows: readonly OutboxRow[]): Promise<void> {
    await this.#transact(() => {
      for (const { offset } of rows) this.#connection.run(outboxStatements.drop, this.#row(partition, [offset]));
    });
  }

  async moveOffset({ from, to, caughtUp, ...owned }: OffsetMove): Promise<number> {
    this.#requireTransaction();
    const parameters = [owned.owner, owned.epoch, from, to, caughtUp ? 1n : 0n];
    return await Promise.resolve(this.#connection.run(offsetStatements.move, this.#row(owned, parameters)));
  }

  async markCaughtUp({ to, ...owned }: OffsetMove): Promise<number> {
    const parameters = this.#row(owned, [owned.owner, owned.epoch, to]);
    return await this.#transact(() => this.#connection.run(offsetStatements.markCaughtUp, parameters));
  }

  async claim(
    partition: PartitionName,
    initial: { readonly clusterId: string; readonly nextOffset: bigint },
  ): Promise<StoredOffset> {
    const parameters = this.#row(partition, [initial.clusterId, initial.nextOffset]);
    const [row] = await this.#transact(() => this.#connection.all(offsetStatements.claim, parameters));
    if (row === undefined)
      throw new Error(`INSERT … RETURNING gave no row for ${partition.topic} ${partition.partition}`);
    return storedOffset(row);
  }

  async readOffset(partition: PartitionName): Promise<StoredOffset | undefined> {
    const [row] = await Promise.resolve(this.#connection.all(offsetStatements.read, this.#row(partition, [])));
    return row === undefined ? undefined : storedOffset(row);
  }

  async now(): Promise<Date> {
    const [row] = await Promise.resolve(this.#connection.all(offsetStatements.now, []));
    return utcTime(String(row?.[0]));
  }

  async readOffsets(): Promise<(PartitionName & StoredOffset)[]> {
    const rows = await Promise.resolve(this.#connection.all(offsetStatements.readAll, [this.#sink]));
    return rows.map((row) => storedOffset(row));
  }

  async reset({ epoch, nextOffset, ...partition }: OffsetReset): Promise<number> {
    const parameters = this.#row(partition, [epoch, nextOffset]);
    return await this.#transact(() => this.#connection.run(offsetStatements.reset, parameters));
  }

  async *keys(table: TargetTable): AsyncGenerator<StoredKey[]> {
    const { firstKeys, nextKeys, keyEncoders } = this.#writingOf(table);
    let statement = firstKeys;
    let after: SqlRow = [];
    for (;;) {
      const rows = this.#connection.all(statement, [keysOfPage, ...after]);
      const page = rows.map((row) => storedKey(table, row));
      if (page.length > 0) yield page;
      const last = page.at(-1);
      if (last === undefined || page.length < keysOfPage) return;
      statement = nextKeys;
      after = last.keyValues.map((value, index) => keyEncoders[index]?.(value) ?? null);
      await nextTurn();
    }
  }

  /** In the transaction that runs, or in one of its own. */
  async #transact<T>(action: () => T): Promise<T> {
    if (this.#connection.inTransaction) return action();
    await this.#connection.begin();
    const result = action();
    this.#connection.commit();
    return result;
  }

  async #inSlices(changes: Iterable<Change>, write: (change: Change) => void): Promise<void> {
    let end = performance.now() + sliceMs;
    for (const change of changes) {
      write(change);
      if (performance.now() < end) continue;
      await nextTurn();
      end = performance.now() + sliceMs;
    }
  }

  /** SQLite ends a transaction by itself when a disk is full; what follows would be committed alone. */
  #requireTransaction(): void {
    if (!this.#connection.inTransaction) throw new Error('There is no transaction to write in');
  }

  #row({ topic, partition }: PartitionName, rest: SqlRow): SqlRow {
    return [this.#sink, topic, BigInt(partition), ...rest];
  }
}

function keyOf({ keyEncoders }: TableWriting, { keyValues }: Change): SqlValue[] {
  return keyEncoders.map((encode, index) => encode(keyValues[index] ?? null));
}

function rowOf(writing: TableWriting, change: Change): SqlValue[] {
  const row = keyOf(writing, change);
  const { values } = change;
  for (const [index, encode] of writing.valueEncoders.entries()) row.push(encode(values?.[index] ?? null));
  return row;
}

/** For tables that keep versions, whose changes all have one: the decode stage lets no other through. */
function versionOf({ version }: Change): bigint {
  return version ?? 0n;
}

function storedKey(table: TargetTable, row: SqlRow): StoredKey {
  const keyValues = table.keyColumns.map((_, index) => keyValue(row[index] ?? null));
  const version = row[table.keyColumns.length];
  return { keyValues, version: typeof version === 'bigint' ? version : undefined };
}

/** A key's text, which was read as a blob, or its integer. */
function keyValue(value: SqlValue): ColumnValue {
  if (Buffer.isBuffer(value)) return value.toString();
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
