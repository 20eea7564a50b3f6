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
import { outboxRow, storedOffset } from '../sql/bookkeeping-rows.ts';
import { storedKey } from '../sql/stored-key.ts';
import { offsetStatements, outboxStatements, type BoundStatement } from './bookkeeping.ts';
import type { BindColumn, OracleConnection, ResultValue } from './connection.ts';
import { isDuplicate } from './errors.ts';
import type { BoundRows, RowBinder } from './rows.ts';
import { keysAfter, keysOfPage, type TableStatements } from './statements.ts';

/** Around rows that may be refused. */
export const savepoint = { set: 'SAVEPOINT attempt', undo: 'ROLLBACK TO SAVEPOINT attempt' } as const;

/** What is known of a table that was prepared. */
export interface PreparedTable {
  readonly statements: TableStatements;
  readonly binder: RowBinder;
}

/** Binds of a row of the outbox: sink, topic, partition, offset; then version and entry. */
const outboxColumns: readonly BindColumn[] = [
  { kind: 'text', size: 200 },
  { kind: 'text', size: 249 },
  { kind: 'number', size: 1 },
  { kind: 'number', size: 1 },
  { kind: 'number', size: 1 },
  { kind: 'clob', size: 1 },
];

/** One connection to Oracle, and all that is ever said on it while batches are written. */
export class OracleSession implements Session {
  readonly #connection: OracleConnection;
  readonly #offsets: ReturnType<typeof offsetStatements>;
  readonly #outbox: ReturnType<typeof outboxStatements>;
  readonly #preparedOf: (table: TargetTable) => PreparedTable;

  constructor(connection: OracleConnection, sink: string, preparedOf: (table: TargetTable) => PreparedTable) {
    this.#connection = connection;
    this.#offsets = offsetStatements(sink);
    this.#outbox = outboxStatements(sink);
    this.#preparedOf = preparedOf;
  }

  /** A transaction begins with its first statement: READ COMMITTED, as every one here. */
  async begin(): Promise<void> {
    await Promise.resolve();
  }

  async commit(): Promise<void> {
    await this.#connection.commit();
  }

  async rollback(): Promise<void> {
    await this.#connection.rollback();
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async apply(table: TargetTable, { upserts, deletes }: MergedChanges): Promise<void> {
    const { statements, binder } = this.#preparedOf(table);
    // All binds are made before anything is waited for: the values of the changes are garbage by then.
    const removed = binder.deletes(deletes);
    const remembered = statements.rememberDeleted === undefined ? [] : binder.deletedKeys(deletes);
    const written = binder.upserts(upserts);
    await this.#runEach(statements.delete, removed);
    if (statements.rememberDeleted !== undefined) await this.#runEach(statements.rememberDeleted, remembered);
    await this.#runEach(statements.upsert, written);
  }

  async attempt(table: TargetTable, changes: MergedChanges): Promise<void> {
    await this.#connection.run(savepoint.set);
    try {
      await this.apply(table, changes);
    } catch (error) {
      // On a broken connection, and after a deadlock, this may fail, too; the first error says why.
      await this.#connection.run(savepoint.undo).catch(() => undefined);
      throw error;
    }
  }

  async keepInOutbox(partition: PartitionName, rows: readonly OutboxRow[]): Promise<void> {
    await this.#runSame(
      rows.map((row) => this.#outbox.drop(partition, row)),
      outboxColumns.slice(0, 4),
    );
    await this.#runSame(
      rows.map((row) => this.#outbox.insert(partition, row)),
      outboxColumns,
    );
  }

  async readOutbox(partition: PartitionName, limit: number): Promise<OutboxRow[]> {
    return (await this.#rows(this.#outbox.read(partition, limit))).map(outboxRow);
  }

  async dropFromOutbox(partition: PartitionName, rows: readonly OutboxRow[]): Promise<void> {
    await this.#runSame(
      rows.map((row) => this.#outbox.drop(partition, row)),
      outboxColumns.slice(0, 4),
    );
    await this.#connection.commit();
  }

  async moveOffset(move: OffsetMove): Promise<number> {
    return await this.#run(this.#offsets.move(move));
  }

  /** Outside a transaction, it is one of its own. */
  async markCaughtUp(move: OffsetMove): Promise<number> {
    return await this.#runAlone(this.#offsets.markCaughtUp(move));
  }

  async reset(reset: OffsetReset): Promise<number> {
    return await this.#runAlone(this.#offsets.reset(reset));
  }

  async claim(
    partition: PartitionName,
    initial: { readonly clusterId: string; readonly nextOffset: bigint },
  ): Promise<StoredOffset> {
    // It locks the row, so that what is read then is what it wrote.
    if ((await this.#run(this.#offsets.takeOver(partition))) === 0) await this.#createRow(partition, initial);
    const row = await this.readOffset(partition);
    await this.#connection.commit();
    if (row === undefined) throw new Error(`The row of ${partition.topic} ${partition.partition} is gone again`);
    return row;
  }

  async readOffset(partition: PartitionName): Promise<StoredOffset | undefined> {
    const [row] = await this.#rows(this.#offsets.read(partition));
    return row === undefined ? undefined : storedOffset(row);
  }

  async now(): Promise<Date> {
    const [[now] = []] = await this.#rows(this.#offsets.now);
    if (!(now instanceof Date)) throw new Error('The server does not tell the time');
    return now;
  }

  async readOffsets(): Promise<(PartitionName & StoredOffset)[]> {
    return (await this.#rows(this.#offsets.readAll)).map((row) => storedOffset(row));
  }

  async *keys(table: TargetTable): AsyncGenerator<StoredKey[]> {
    const { firstKeys, nextKeys } = this.#preparedOf(table).statements;
    let last: (string | null)[] | undefined;
    for (;;) {
      const binds = last === undefined ? [] : keysAfter(last.slice(0, table.keyColumns.length));
      const found = await this.#connection.rows(last === undefined ? firstKeys : nextKeys, binds);
      const rows = found.map((row) => row.map((value) => (value === null ? null : String(value))));
      if (rows.length > 0) yield rows.flatMap((row) => storedKey(table, row) ?? []);
      last = rows.at(-1);
      if (last === undefined || rows.length < keysOfPage) return;
    }
  }

  /** Another worker that was faster has made it: then it is taken over. */
  async #createRow(
    partition: PartitionName,
    initial: { readonly clusterId: string; readonly nextOffset: bigint },
  ): Promise<void> {
    try {
      await this.#run(this.#offsets.create(partition, initial));
    } catch (error) {
      if (!isDuplicate(error)) throw error;
      await this.#run(this.#offsets.takeOver(partition));
    }
  }

  async #run({ sql, binds }: BoundStatement): Promise<number> {
    return await this.#connection.run(sql, binds);
  }

  async #runAlone(statement: BoundStatement): Promise<number> {
    const hit = await this.#run(statement);
    await this.#connection.commit();
    return hit;
  }

  /** Runs statements of one text together. */
  async #runSame(statements: readonly BoundStatement[], columns: readonly BindColumn[]): Promise<void> {
    const [first] = statements;
    if (first === undefined) return;
    await this.#connection.runEach(
      first.sql,
      columns,
      statements.map(({ binds }) => binds),
    );
  }

  async #runEach(sql: string, arrays: readonly BoundRows[]): Promise<void> {
    for (const { columns, rows } of arrays) await this.#connection.runEach(sql, columns, rows);
  }

  async #rows({ sql, binds }: BoundStatement): Promise<ResultValue[][]> {
    return await this.#connection.rows(sql, binds);
  }
}
