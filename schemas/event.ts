/** What `source.connector` says in every event. */
export const CONNECTOR = 'afterwrite';

/** Debezium's operations: created, updated, deleted, read in a snapshot. */
export type Operation = 'c' | 'u' | 'd' | 'r';

/** Where an event comes from. */
export interface EventSource {
  /** The pipeline's name. */
  readonly name: string;
  readonly shard: number;
  /** The Redis database. */
  readonly db: number;
  /** The Redis key. */
  readonly key: Buffer;
  readonly replid: string;
  /** Replication offset after the command. */
  readonly offset: number;
  /** The command in capitals; of a removal, its cause. */
  readonly command: string;
  /** Whether the row was read from a snapshot; `first` and `last` mark its ends. */
  readonly snapshot: boolean | 'first' | 'last';
  /** Orders all events, microseconds since the epoch, strictly increasing. */
  readonly version: number;
  /** When the change was captured, ms since the epoch. */
  readonly atMs: number;
}

/** Everything that one event says. */
export interface EventFacts {
  /** Rows as `RowEncoder` encodes them; null where there is none. */
  readonly before: Buffer | null;
  readonly after: Buffer | null;
  readonly op: Operation;
  /** When the event was made, ms since the epoch. */
  readonly atMs: number;
  /** The MULTI that the event belongs to, with its place in it, counted from 1, in all and among the mapping's. */
  readonly transaction: { readonly id: string; readonly totalOrder: number; readonly mappingOrder: number } | null;
  readonly source: EventSource;
}

/**
 * Headers of a tombstone: compaction takes the `d` event before it, so it says by itself what it deletes (rule 11).
 * The version is decimal text.
 */
export const VERSION_HEADER = 'afterwrite.version';
export const CAUSE_HEADER = 'afterwrite.cause';
/** Of an event, and of no tombstone: the id of the command that caused it, which its client waits for. */
export const ACK_HEADER = 'afterwrite.ack';
