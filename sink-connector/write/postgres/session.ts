import type pg from 'pg';
import type { Changes, ColumnValue } from '../../decode/change.ts';
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
import { offsetStatements, outboxStatements, type TableStatements } from './statements.ts';
import { ArrayLiteral } from './types.ts';

/** How many keys are read at once. */
const keysOfPage = 10_000;

/** Parameters of one row of afterwrite_offsets: its key first. */
type Parameters = readonly (string | number | bigint | boolean)[];

/** One connection to PostgreSQL, and all that is ever said on it while batches are written. */
export class PostgresSession implements Session {
  readonly #client: pg.Client;
  readonly #sink: string;
  readonly #offsets: ReturnType<typeof offsetStatements>;
  readonly #outbox: ReturnType<typeof outboxStatements>;
  readonly #statementsOf: (table: TargetTable) => TableStatements;
  #begun: Promise<unknown> = Promise.resolve();

  constructor(client: pg.Client, schema: string, sink: string, statementsOf: (table: TargetTable) => TableStatements) {
    this.#client = client;
    this.#sink = sink;
    this.#offsets = offsetStatements(schema);
    this.#outbox = outboxStatements(schema);
    this.#statementsOf = statementsOf;
  }

  /** Sends it, and lets `apply` make its parameters meanwhile. */
  async begin(): Promise<void> {
    const begun = this.#client.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE');
    // What is asked next is told of its failure, and sends nothing outside a transaction.
    begun.catch(() => undefined);
    this.#begun = begun;
    await Promise.resolve();
  }

  async commit(): Promise<void> {
    await this.#client.query('COMMIT');
  }

  async rollback(): Promise<void> {
    await this.#client.query('ROLLBACK');
  }

  async close(): Promise<void> {
    await this.#client.end().catch(() => undefined);
  }

  async apply(table: TargetTable, { upserts, deletes }: MergedChanges): Promise<void> {
    const statements = this.#statementsOf(table);
    // All parameters are made before anything is waited for: the values of the changes are garbage by then.
    const removals = deletes.length === 0 ? undefined : arraysOf(table, deletes);
    const rows = upserts.length === 0 ? undefined : arraysOf(table, upserts);
    await this.#begun;
    if (removals !== undefined) {
      const { keys, versions, recordKeys } = removals;
      await this.#client.query(
        statements.delete,
        statements.rememberDeleted === undefined ? [...keys] : [...keys, versions],
      );
      if (statements.rememberDeleted !== undefined) {
        await this.#client.query(statements.rememberDeleted, [table.topic, recordKeys, versions]);
      }
    }
    if (rows !== undefined) {
      const { keys, values, versions, recordKeys } = rows;
      const guard = table.versionColumn === undefined ? [] : [versions, recordKeys, table.topic];
      await this.#client.query(statements.upsert, [...keys, ...values, ...guard]);
    }
  }

  async attempt(table: TargetTable, changes: MergedChanges): Promise<void> {
    await this.#begun;
    await this.#client.query('SAVEPOINT attempt');
    try {
      await this.apply(table, changes);
    } catch (error) {
      // On a broken connection this fails, too; the first error says why.
      await this.#client.query('ROLLBACK TO SAVEPOINT attempt').catch(() => undefined);
      throw error;
    }
    await this.#client.query('RELEASE SAVEPOINT attempt');
  }

  async keepInOutbox({ topic, partition }: PartitionName, rows: readonly OutboxRow[]): Promise<void> {
    const columns = [offsetsOf(rows), rows.map(({ version }) => version), rows.map(({ entry }) => entry)];
    await this.#begun;
    await this.#client.query(this.#outbox.keep, [this.#sink, topic, partition, ...columns]);
  }

  async readOutbox({ topic, partition }: PartitionName, limit: number): Promise<OutboxRow[]> {
    const values = [this.#sink, topic, partition, limit];
    const { rows } = await this.#client.query<unknown[]>({ text: this.#outbox.read, values, rowMode: 'array' });
    return rows.map(outboxRow);
  }

  async dropFromOutbox({ topic, partition }: PartitionName, rows: readonly OutboxRow[]): Promise<void> {
    await this.#client.query(this.#outbox.drop, [this.#sink, topic, partition, offsetsOf(rows)]);
  }

  async moveOffset({ from, to, caughtUp, ...owned }: OffsetMove): Promise<number> {
    await this.#begun;
    const { rowCount } = await this.#ask(this.#offsets.move, owned, [owned.owner, owned.epoch, from, to, caughtUp]);
    return rowCount ?? 0;
  }

  async markCaughtUp({ to, ...owned }: OffsetMove): Promise<number> {
    const { rowCount } = await this.#ask(this.#offsets.markCaughtUp, owned, [owned.owner, owned.epoch, to]);
    return rowCount ?? 0;
  }

  async claim(
    partition: PartitionName,
    initial: { readonly clusterId: string; readonly nextOffset: bigint },
  ): Promise<StoredOffset> {
    const { rows } = await this.#ask(this.#offsets.claim, partition, [initial.clusterId, initial.nextOffset]);
    const [row] = rows;
    if (row === undefined)
      throw new Error(`INSERT … RETURNING gave no row for ${partition.topic} ${partition.partition}`);
    return storedOffset(row);
  }

  async readOffset(partition: PartitionName): Promise<StoredOffset | undefined> {
    const { rows } = await this.#ask(this.#offsets.read, partition, []);
    return rows[0] === undefined ? undefined : storedOffset(rows[0]);
  }

  async now(): Promise<Date> {
    const { rows } = await this.#client.query<{ now: Date }>(this.#offsets.now);
    if (rows[0] === undefined) throw new Error('The server does not tell the time');
    return rows[0].now;
  }

  async readOffsets(): Promise<(PartitionName & StoredOffset)[]> {
    const values = [this.#sink];
    const { rows } = await this.#client.query<unknown[]>({ text: this.#offsets.readAll, values, rowMode: 'array' });
    return rows.map((row) => storedOffset(row));
  }

  async reset({ epoch, nextOffset, ...partition }: OffsetReset): Promise<number> {
    const { rowCount } = await this.#ask(this.#offsets.reset, partition, [epoch, nextOffset]);
    return rowCount ?? 0;
  }

  async *keys(table: TargetTable): AsyncGenerator<StoredKey[]> {
    const { firstKeys, nextKeys } = this.#statementsOf(table);
    let last: readonly (string | null)[] | undefined;
    for (;;) {
      const { rows } = await this.#client.query<(string | null)[]>({
        text: last === undefined ? firstKeys : nextKeys,
        values: [keysOfPage, ...(last ?? []).slice(0, table.keyColumns.length)],
        rowMode: 'array',
      });
      if (rows.length > 0) yield rows.flatMap((row) => storedKey(table, row) ?? []);
      last = rows.at(-1);
      if (last === undefined || rows.length < keysOfPage) return;
    }
  }

  #ask(text: string, { topic, partition }: PartitionName, rest: Parameters): Promise<pg.QueryArrayResult<unknown[]>> {
    const values = [this.#sink, topic, partition, ...rest];
    return this.#client.query<unknown[]>({ text, values, rowMode: 'array' });
  }
}

/** Changes as array literals, one a column. */
interface ColumnArrays {
  readonly keys: readonly string[];
  /** Of deleted rows they say nothing. */
  readonly values: readonly string[];
  /** Empty for tables that do not keep versions. */
  readonly versions: string;
  readonly recordKeys: string;
}

function arraysOf(table: TargetTable, changes: Changes): ColumnArrays {
  const guarded = table.versionColumn !== undefined;
  const keys = table.keyColumns.map(({ type }) => new ArrayLiteral(type));
  const values = table.valueColumns.map(({ type }) => new ArrayLiteral(type));
  const versions = new ArrayLiteral('long');
  const recordKeys = new ArrayLiteral('bytes');
  for (let index = 0; index < changes.length; index++) {
    const change = changes.at(index);
    if (change === undefined) continue;
    addRow(keys, change.keyValues);
    addRow(values, change.values);
    if (!guarded) continue;
    // The changes of a table that keeps versions all have one: the decode stage lets no other through.
    versions.add(change.version ?? 0n);
    recordKeys.add(change.key);
  }
  const texts = (arrays: readonly ArrayLiteral[]): string[] => arrays.map(({ text }) => text);
  return { keys: texts(keys), values: texts(values), versions: versions.text, recordKeys: recordKeys.text };
}

function addRow(arrays: readonly ArrayLiteral[], row: readonly ColumnValue[] | null): void {
  for (let index = 0; index < arrays.length; index++) arrays[index]?.add(row?.[index] ?? null);
}

function offsetsOf(rows: readonly OutboxRow[]): bigint[] {
  return rows.map(({ offset }) => offset);
}
