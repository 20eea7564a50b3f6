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
import { outboxRow } from '../sql/bookkeeping-rows.ts';
import { storedKey } from '../sql/stored-key.ts';
import { isOffsetsTable, mendedOffset, offsetOf, offsetStatements, outboxStatements, timeOf } from './bookkeeping.ts';
import type { SnowflakeConnection } from './connection.ts';
import type { Names } from './names.ts';
import type { TableStatements } from './statements.ts';

/** How many keys are handed on at once. */
const keysOfPage = 10_000;

/** One session of Snowflake, and all that is ever said in it while batches are written. */
export class SnowflakeSession implements Session {
  readonly #connection: SnowflakeConnection;
  readonly #offsets: ReturnType<typeof offsetStatements>;
  readonly #outbox: ReturnType<typeof outboxStatements>;
  readonly #statementsOf: (table: TargetTable) => TableStatements;
  /** The id of the open transaction. */
  #transaction: Promise<string> = Promise.resolve('');
  #offsetsTables: readonly string[] = [];

  constructor(
    connection: SnowflakeConnection,
    names: Names,
    sink: string,
    statementsOf: (table: TargetTable) => TableStatements,
  ) {
    this.#connection = connection;
    this.#offsets = offsetStatements(names, sink);
    this.#outbox = outboxStatements(names, sink);
    this.#statementsOf = statementsOf;
  }

  /** Sends it, and lets `apply` make its binds meanwhile. */
  async begin(): Promise<void> {
    const transaction = this.#begin();
    // What is asked next is told of its failure, and sends nothing outside a transaction.
    transaction.catch(() => undefined);
    this.#transaction = transaction;
    await Promise.resolve();
  }

  async commit(): Promise<void> {
    await this.#connection.rows('COMMIT');
  }

  async rollback(): Promise<void> {
    await this.#connection.rows('ROLLBACK');
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async apply(table: TargetTable, changes: MergedChanges): Promise<void> {
    const { binds: bindsOf, merge, rememberDeleted } = this.#statementsOf(table);
    // All binds are made before anything is waited for: the values of the changes are garbage by then.
    const binds = bindsOf(changes);
    const transaction = await this.#transaction;
    if (binds.length === 0) return;
    await this.#connection.run(merge(binds.length), [...binds, transaction]);
    if (rememberDeleted !== undefined && changes.deletes.length > 0) {
      await this.#connection.run(rememberDeleted(binds.length), [...binds, transaction]);
    }
  }

  /**
   * There are no savepoints, and none is needed: a statement that fails undoes itself, and the transaction goes on. The
   * rows are written by the first one; the second one, of deletes under a guard, has nothing that could be refused.
   */
  async attempt(table: TargetTable, changes: MergedChanges): Promise<void> {
    await this.apply(table, changes);
  }

  async keepInOutbox(partition: PartitionName, rows: readonly OutboxRow[]): Promise<void> {
    const cells = rows.map(({ offset, version, entry }) => [String(offset), String(version), entry]);
    await this.#connection.run(this.#outbox.keep(partition), [JSON.stringify(cells), await this.#transaction]);
  }

  async readOutbox(partition: PartitionName, limit: number): Promise<OutboxRow[]> {
    return (await this.#connection.rows(this.#outbox.read(partition, limit))).map(outboxRow);
  }

  async dropFromOutbox(partition: PartitionName, rows: readonly OutboxRow[]): Promise<void> {
    if (rows.length === 0) return;
    await this.#connection.run(
      this.#outbox.drop(
        partition,
        rows.map(({ offset }) => offset),
      ),
    );
  }

  async moveOffset(move: OffsetMove): Promise<number> {
    return await this.#connection.run(this.#offsets.move(move, await this.#transaction));
  }

  async markCaughtUp(move: OffsetMove): Promise<number> {
    return await this.#connection.run(this.#offsets.markCaughtUp(move));
  }

  /**
   * Each statement commits by itself, and the one that claims counts only where the owner of before still stands: a
   * transaction could be ended by the server without a word, and what was read in it would be the row of before.
   */
  async claim(
    partition: PartitionName,
    initial: { readonly clusterId: string; readonly nextOffset: bigint },
  ): Promise<StoredOffset> {
    for (;;) {
      const rows = (await this.#connection.rows(this.#offsets.read(partition))).map(offsetOf);
      const row = mendedOffset(rows);
      if (row === undefined) {
        await this.#connection.run(this.#offsets.create(partition, initial));
      } else if (rows.length > 1) {
        await this.#mend(row);
      } else if ((await this.#connection.run(this.#offsets.claim(row))) === 1) {
        return { ...row, owner: row.owner + 1n };
      }
    }
  }

  /** Makes one row of those of a partition. */
  async #mend(row: PartitionName & StoredOffset): Promise<void> {
    const transaction = await this.#begin();
    await this.#connection.run(this.#offsets.remove(row, transaction));
    await this.#connection.run(this.#offsets.insert(row, transaction));
    await this.commit();
  }

  async readOffset(partition: PartitionName): Promise<StoredOffset | undefined> {
    return mendedOffset((await this.#connection.rows(this.#offsets.read(partition))).map(offsetOf));
  }

  async now(): Promise<Date> {
    const [row] = await this.#connection.rows(this.#offsets.now);
    return timeOf(row?.[0] ?? '');
  }

  async readOffsets(): Promise<(PartitionName & StoredOffset)[]> {
    // Asked every second: the tables are looked for once, and the same words may be answered without a warehouse.
    if (this.#offsetsTables.length === 0) {
      const tables = await this.#connection.show(this.#offsets.tables);
      this.#offsetsTables = tables.map(({ name }) => String(name)).filter(isOffsetsTable);
    }
    if (this.#offsetsTables.length === 0) return [];
    return (await this.#connection.rows(this.#offsets.readAll(this.#offsetsTables))).map(offsetOf);
  }

  async reset(reset: OffsetReset): Promise<number> {
    return await this.#connection.run(this.#offsets.reset(reset));
  }

  /** One result, whatever is written meanwhile, in parts. */
  async *keys(table: TargetTable): AsyncGenerator<StoredKey[]> {
    let page: StoredKey[] = [];
    for await (const row of this.#connection.stream(this.#statementsOf(table).keys)) {
      page.push(...[storedKey(table, row) ?? []].flat());
      if (page.length < keysOfPage) continue;
      yield page;
      page = [];
    }
    if (page.length > 0) yield page;
  }

  /** @returns the id of the transaction */
  async #begin(): Promise<string> {
    await this.#connection.rows('BEGIN TRANSACTION');
    const [row] = await this.#connection.rows('SELECT CURRENT_TRANSACTION()');
    return row?.[0] ?? '';
  }
}
