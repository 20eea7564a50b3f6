import type { Column, ColumnValue, KeyColumn } from '../../schemas/index.ts';
import type { MergedChanges } from '../merge/last-event.ts';

/** The table that the events of one topic are written to, as the configuration wants it. */
export interface TargetTable {
  readonly topic: string;
  readonly mapping: string;
  /** Its name, without the schema and without quotes. */
  readonly name: string;
  /** The primary key, in the order of the mapping: at least one column. */
  readonly keyColumns: readonly KeyColumn[];
  /** The other columns, in the order of the mapping; may be none. */
  readonly valueColumns: readonly Column[];
  /** Which of them tells when the key expires (timestamp-millis), if one does. */
  readonly expiryColumn?: string | undefined;
  /** The guard column: it holds the version of the row's last event. */
  readonly versionColumn: string | undefined;
  /** Whether this sink acknowledges events of the topic that have an id (rule 22). */
  readonly acknowledges?: boolean | undefined;
}

export interface PartitionName {
  readonly topic: string;
  readonly partition: number;
}

/** The row of `afterwrite_offsets` for one partition: the only place where a sink's offset is committed. */
export interface StoredOffset {
  /** Id of the Kafka cluster that the offset counts in. */
  readonly clusterId: string;
  /** The first offset that is not in the database yet. */
  readonly nextOffset: bigint;
  /** Counts the fills of the table: a replay starts another one. */
  readonly epoch: bigint;
  /** Counts the assignments: whoever claimed the partition last holds the greatest number. */
  readonly owner: bigint;
  /**
   * When it was last known that the topic, from `nextOffset` on, tells all that the table's rows of this partition lack:
   * at the end of the partition, or before a table without such rows is filled. By the database's clock; null while
   * nobody knows that.
   */
  readonly caughtUpAt: Date | null;
}

/** The last statement of a transaction: it must hit exactly one row, or this writer is not the owner any more. */
export interface OffsetMove extends PartitionName {
  readonly owner: bigint;
  readonly epoch: bigint;
  readonly from: bigint;
  readonly to: bigint;
  /** Whether `caughtUpAt` is set: `to` is the end of the partition, and the table lacks nothing of what is before. */
  readonly caughtUp: boolean;
}

/**
 * What an error of the database means:
 * - `outage`: it ends by itself; try again for ever;
 * - `access`: the login was refused; a person or a rotation of secrets must act;
 * - `structure`: a table, column or right is not what it was; look at the tables again;
 * - `data`: some row cannot be stored;
 * - `dependency`: a row names a row of another table that is not there yet; wait for whoever writes that one;
 * - `unknown`: nothing that this program knows how to handle.
 */
export type FailureKind = 'outage' | 'access' | 'structure' | 'data' | 'dependency' | 'unknown';

/** Where a replay begins, for whoever finds the row under this epoch still. */
export interface OffsetReset extends PartitionName {
  readonly epoch: bigint;
  readonly nextOffset: bigint;
}

/** A row that stands in a table. */
export interface StoredKey {
  /** Values of the key columns, in the order of the mapping, as an event carries them. */
  readonly keyValues: readonly ColumnValue[];
  /** The version it was written at: that of the guard column, or its time stamp; undefined where nothing says it. */
  readonly version: bigint | undefined;
}

/**
 * A row of `afterwrite_acknowledgements`, the outbox of a sink: what is to be said of an event, until it has been said.
 * There is one an event at most, under its offset.
 */
export interface OutboxRow {
  readonly offset: bigint;
  /** That of the event, microseconds. */
  readonly version: bigint;
  /** ASCII. */
  readonly entry: string;
}

/** One connection to the database. After an error it is closed and never used again, except for `attempt`. */
export interface Session {
  begin(): Promise<void>;
  /**
   * Deletes and upserts, in one statement each where the database can. The order of the rows is that of the changes. A
   * delete under a guard removes a row whose version is not above its own.
   */
  apply(table: TargetTable, changes: MergedChanges): Promise<void>;
  /**
   * As `apply`, but when the database does not take the rows, just they are undone: the error is thrown, and the
   * transaction goes on. Where rows carry their versions (`commit: 'timestamp'`), trying them is writing them.
   */
  attempt(table: TargetTable, changes: MergedChanges): Promise<void>;
  /**
   * Keeps rows in the outbox of a partition, in the transaction of the batch; one that stands there at an offset is
   * replaced. Where there are no transactions, one that was dropped does not come back, and those of negative offsets are
   * written when all others are.
   */
  keepInOutbox(partition: PartitionName, rows: readonly OutboxRow[]): Promise<void>;
  /** The first rows of a partition's outbox, by offset. */
  readOutbox(partition: PartitionName, limit: number): Promise<readonly OutboxRow[]>;
  /** Takes rows out of the outbox, outside a batch. */
  dropFromOutbox(partition: PartitionName, rows: readonly OutboxRow[]): Promise<void>;
  /** @returns how many offset rows were hit: 1, or 0 when another owner or position stands there. */
  moveOffset(move: OffsetMove): Promise<number>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  /** Takes the partition over (owner + 1), in a transaction of its own; creates its row when there is none. */
  claim(
    partition: PartitionName,
    initial: { readonly clusterId: string; readonly nextOffset: bigint },
  ): Promise<StoredOffset>;
  readOffset(partition: PartitionName): Promise<StoredOffset | undefined>;
  /** The time by the clock that `caughtUpAt` is set by. */
  now(): Promise<Date>;
  /** The rows of all partitions of this sink. */
  readOffsets(): Promise<readonly (PartitionName & StoredOffset)[]>;
  /** Begins a replay: moves the offset, wherever it is, under the next epoch. Its owner stays. @returns the rows hit. */
  reset(reset: OffsetReset): Promise<number>;
  /**
   * The rows that stand in a table, page by page; what is written meanwhile may be among them or not. A row whose key no
   * event can have may be left out.
   */
  keys(table: TargetTable): AsyncIterable<readonly StoredKey[]>;
  /** Notes, outside a batch, that nothing is lacking but what follows `to` (see `caughtUpAt`). @returns the rows hit. */
  markCaughtUp(move: OffsetMove): Promise<number>;
  /** Never throws. */
  close(): Promise<void>;
}

/** What a database can do; the writer asks this and never which database it is. */
export interface Capabilities {
  /**
   * How rows and offset come to agree:
   * - `transaction`: they are committed together;
   * - `timestamp`: rows are written at their versions, an older one never wins, and the offset follows them. `begin`,
   *   `commit` and `rollback` do nothing then, and every change must have a version.
   */
  readonly commit: 'transaction' | 'timestamp';
  /**
   * Whether every event is added to what was written before, and no row is ever replaced: then changes are not reduced
   * (merge/every-event.ts), and there are no rows that a topic could lack.
   */
  readonly appends?: true;
}

/** What a sink may do to tables that do not fit. */
export interface SetupOptions {
  /** Whether missing tables are made. */
  readonly create: boolean;
  /** Whether missing columns are added to tables that exist; nothing is ever dropped or narrowed. */
  readonly evolve: boolean;
}

/** One kind of database. */
export interface Dialect {
  readonly kind: string;
  readonly capabilities: Capabilities;
  /** Opens a connection; references to secrets are resolved anew. */
  connect(): Promise<Session>;
  /**
   * Looks at all tables and remembers their columns' types for `apply`. Before, on a connection of its own, makes the
   * bookkeeping tables, and whatever else the options allow.
   * @returns every problem found, each a sentence with its remedy; none when all is well.
   */
  prepare(tables: readonly TargetTable[], options: SetupOptions): Promise<readonly string[]>;
  classify(error: unknown): FailureKind;
}

/** The options of a kind that its dialect looks at; the others mean the same for every kind, and are settled elsewhere. */
export type DialectOptions<Options> = Omit<Options, 'mappings' | 'tables' | 'rejectedRows' | 'orphans'>;

/** What a dialect's module exports. */
export interface DialectModule<Config> {
  createDialect(config: Config, sink: string): Dialect;
}
