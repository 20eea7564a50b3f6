import type { Change, Changes } from '../../decode/change.ts';
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
import { storedKey } from '../sql/stored-key.ts';
import { offsetStatements } from './bookkeeping.ts';
import type { MysqlConnection, TextRow } from './connection.ts';
import { outboxStatements } from './outbox.ts';
import {
  cutStatements,
  type GuardStatements,
  type Rows,
  type RowsStatement,
  type TableStatements,
} from './statements.ts';

/** How many keys are read at once. */
const keysOfPage = 10_000;
/** After this long without a statement, s, the server ends a transaction whose worker is gone. */
const idleInTransaction = 60;
/** The same for a connection without a transaction: the server's own default. */
const idle = 28_800;

/** One connection to MySQL or MariaDB, and all that is ever said on it while batches are written. */
export class MysqlSession implements Session {
  readonly #connection: MysqlConnection;
  readonly #offsets: ReturnType<typeof offsetStatements>;
  readonly #outbox: ReturnType<typeof outboxStatements>;
  readonly #statementsOf: (table: TargetTable) => TableStatements;

  constructor(connection: MysqlConnection, sink: string, statementsOf: (table: TargetTable) => TableStatements) {
    this.#connection = connection;
    this.#offsets = offsetStatements(sink);
    this.#outbox = outboxStatements(sink);
    this.#statementsOf = statementsOf;
  }

  async begin(): Promise<void> {
    // MySQL has no time-out for idle transactions, but one for connections; rollback and commit set it back.
    await this.#connection.run(`SET SESSION wait_timeout = ${idleInTransaction}`);
    await this.#connection.run('START TRANSACTION READ WRITE');
  }

  async commit(): Promise<void> {
    await this.#connection.run('COMMIT');
    this.#staysIdle();
  }

  async rollback(): Promise<void> {
    await this.#connection.run('ROLLBACK');
    this.#staysIdle();
  }

  /** Nobody waits for the answer: statements are sent one after another, and an error shows at the next one, too. */
  #staysIdle(): void {
    this.#connection.run(`SET SESSION wait_timeout = ${idle}`).catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async apply(table: TargetTable, { upserts, deletes }: MergedChanges): Promise<void> {
    const { upsert, delete: deletion, guard } = this.#statementsOf(table);
    await this.#run(deletion, deletes);
    if (guard !== undefined) await this.#run(guard.rememberDeleted, deletes);
    await this.#run(upsert, guard === undefined ? upserts : await this.#notDeletedSince(guard, upserts));
  }

  async attempt(table: TargetTable, changes: MergedChanges): Promise<void> {
    await this.#connection.run('SAVEPOINT attempt');
    try {
      await this.apply(table, changes);
    } catch (error) {
      // On a broken connection, and after a deadlock, this fails, too; the first error says why.
      await this.#connection.run('ROLLBACK TO SAVEPOINT attempt').catch(() => undefined);
      throw error;
    }
    await this.#connection.run('RELEASE SAVEPOINT attempt');
  }

  async keepInOutbox(partition: PartitionName, rows: readonly OutboxRow[]): Promise<void> {
    await this.#run(this.#outbox.keep(partition), rows);
  }

  async readOutbox(partition: PartitionName, limit: number): Promise<OutboxRow[]> {
    return (await this.#connection.rows(this.#outbox.read(partition, limit))).map(outboxRow);
  }

  async dropFromOutbox(partition: PartitionName, rows: readonly OutboxRow[]): Promise<void> {
    await this.#run(this.#outbox.drop(partition), rows);
  }

  async moveOffset(move: OffsetMove): Promise<number> {
    return await this.#connection.run(this.#offsets.move(move));
  }

  async markCaughtUp(move: OffsetMove): Promise<number> {
    return await this.#connection.run(this.#offsets.markCaughtUp(move));
  }

  async claim(
    partition: PartitionName,
    initial: { readonly clusterId: string; readonly nextOffset: bigint },
  ): Promise<StoredOffset> {
    await this.begin();
    // It locks the row, so that what is read then is what it wrote.
    await this.#connection.run(this.#offsets.claim(partition, initial));
    const row = await this.readOffset(partition);
    await this.commit();
    if (row === undefined) throw new Error(`The row of ${partition.topic} ${partition.partition} is gone again`);
    return row;
  }

  async readOffset(partition: PartitionName): Promise<StoredOffset | undefined> {
    const [row] = await this.#connection.rows(this.#offsets.read(partition));
    return row === undefined ? undefined : storedOffset(row);
  }

  async now(): Promise<Date> {
    const [row] = await this.#connection.rows(this.#offsets.now);
    return utcTime(row?.[0] ?? '');
  }

  async readOffsets(): Promise<(PartitionName & StoredOffset)[]> {
    return (await this.#connection.rows(this.#offsets.readAll)).map((row) => storedOffset(row));
  }

  async reset(reset: OffsetReset): Promise<number> {
    return await this.#connection.run(this.#offsets.reset(reset));
  }

  async *keys(table: TargetTable): AsyncGenerator<StoredKey[]> {
    const { keysPage } = this.#statementsOf(table);
    let last: TextRow | undefined;
    for (;;) {
      const rows = await this.#connection.rows(keysPage(keysOfPage, last));
      if (rows.length > 0) yield rows.flatMap((row) => storedKey(table, row) ?? []);
      last = rows.at(-1);
      if (last === undefined || rows.length < keysOfPage) return;
    }
  }

  async #run<Row>(statement: RowsStatement<Row>, rows: Rows<Row>): Promise<void> {
    for (const sql of cutStatements(statement, rows, this.#connection.maxPacket)) await this.#connection.run(sql);
  }

  /**
   * Leaves out the rows whose keys were deleted at their version or above. Only the owner of a partition remembers
   * deletes of its keys, and a worker that is the owner no more misses the offset row: no lock is needed.
   */
  async #notDeletedSince({ readDeleted }: GuardStatements, upserts: Changes): Promise<Rows<Change>> {
    const deleted = new Map<string, bigint>();
    for (const sql of cutStatements(readDeleted, upserts, this.#connection.maxPacket)) {
      for (const [key, version] of await this.#connection.rows(sql)) deleted.set(key ?? '', BigInt(version ?? 0));
    }
    if (deleted.size === 0) return upserts;
    return [...upserts].filter(({ key, version }) => (deleted.get(key.toString('hex')) ?? -1n) < (version ?? 0n));
  }
}
