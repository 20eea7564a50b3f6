import type { HeldHash } from '../wide-hash.ts';

/** Why a published row has no hash behind it any more. Each cause has its own policy. */
export type RemovalCause = 'deleted' | 'expired' | 'evicted' | 'flushed' | 'vanished' | 'ambiguous';

/** What a removal does to the published row: delete it, or keep it as it is. */
export type RemovalPolicy = 'delete' | 'keep';

/** What a removal did, for counters and logs. */
export interface Removal {
  readonly cause: RemovalCause;
  readonly policy: RemovalPolicy;
}

/**
 * What a key's slot is to this shard, in a cluster (rule 10): published from here; perhaps on its way to another shard, so
 * that a key that goes may have moved; or another shard's, of which nothing is published from here.
 */
export type KeyPlace = 'owned' | 'leaving' | 'foreign';

/** A captured hash read as a row of its mapping, or the reason why it cannot be one. */
export type RowReading<Problem> =
  | { readonly kind: 'row'; readonly row: Buffer }
  | { readonly kind: 'rejected'; readonly digest: Buffer; readonly problem: Problem };

/** What a mapping says of operations. */
export interface OperationView<Problem> {
  /** Whether a record can name this key. */
  names(key: Buffer): boolean;
  /** What is wrong with this value of the field `#`, which is no operation. */
  unknown(value: Buffer): Problem;
  /** Whether sinks acknowledge the commands that events tell of. */
  readonly awaited: boolean;
}

/**
 * How fold sees a mapping; record implements it. `row` buffers begin with the id of the schema that wrote them, so that
 * two rows are equal exactly when they say the same under the same schema. They may be views, valid until the next read.
 */
export interface RowView<Problem> {
  readonly name: string;
  /** Whether the row tells when the key expires, so that another expiry may be another row. */
  readonly readsExpiry: boolean;
  /** Whether a row that was kept without its hash keeps the values of fields that the hash lacks when it is back. */
  readonly keepsAbsent: boolean;
  /** Not there: the field `#` is one like any other. */
  readonly operations?: OperationView<Problem> | undefined;
  /** The names of the fields that a row is made of. */
  readonly fieldNames: readonly Buffer[] | 'all';
  /** The fields of a packed hash that become columns, packed, as a copy. */
  mappedFields(hash: Buffer): Buffer;
  /** @param hash packed; of a wide one the mapped fields do. @param expireAt ms since the epoch; 0 without expiry */
  read(key: Buffer, hash: Buffer, expireAt: number): RowReading<Problem>;
  policy(cause: RemovalCause): RemovalPolicy;
}

/** A real difference between what was published and what is: one event. Buffers are views, valid during the call. */
export interface Change<View> {
  readonly view: View;
  readonly db: number;
  readonly key: Buffer;
  /** Debezium's: created, updated, deleted, read in a snapshot. */
  readonly op: 'c' | 'u' | 'd' | 'r';
  readonly before: Buffer | null;
  readonly after: Buffer | null;
  /** The command that caused it, in capitals; of a removal, its cause. */
  readonly command: string;
  /** The id for which the command's client waits; null for none. */
  readonly acknowledge?: Buffer | null;
}

/** What is to be done in Redis for an operation, once what it publishes is committed. Nothing of it is a view. */
export interface Effect {
  readonly db: number;
  readonly key: Buffer;
  /** What the field `#` holds: nothing is done once it holds anything else, or once it is there where this is null. */
  readonly value: Buffer | null;
  /** The hash, packed, where nothing is done once it is another one; null: the field alone decides. */
  readonly hash: Buffer | null;
  /** Whether the hash is removed; else the field is. */
  readonly removes: boolean;
  /** The id of a command that no event tells of; null for none. */
  readonly id: Buffer | null;
  /** Whether the command of this id has failed. */
  readonly failed: boolean;
  /** Whether nobody knows if it was done before. */
  readonly again: boolean;
}

/** What fold finds out; the pipeline carries each to where it belongs. */
export interface FoldOutput<Problem, View extends RowView<Problem>> {
  change(change: Change<View>): void;
  /** A hash that cannot be a row: a dead letter. */
  rejected(view: View, db: number, key: Buffer, hash: HeldHash, problem: Problem): void;
  /** The mark of a key is another one now; null is none. */
  marked(view: View, db: number, key: Buffer, mark: Buffer | null): void;
  removed(view: View, removal: Removal): void;
  /**
   * Something is to be done in Redis once what was put out before it is committed.
   * @param problem why its command has failed
   */
  effect(view: View, effect: Effect, problem?: Problem): void;
}

/** What fold cannot decide from the stream alone; the pipeline reads the key, or answers with a full resync. */
export interface Unresolved {
  readonly kind: 'unresolved';
  readonly reason: string;
  readonly db: number;
  readonly key: Buffer;
}

export function unresolved(reason: string, db: number, key: Buffer): Unresolved {
  return { kind: 'unresolved', reason, db, key: Buffer.from(key) };
}

/** Values that fold cannot know by itself: the command's name, and the proven bounds of its time on the master's clock. */
export interface FoldTime {
  readonly command: string;
  /** ms since the epoch; 0 when nothing is proven. */
  readonly notBefore: number;
  /** ms since the epoch; Infinity when nothing is proven. */
  readonly notAfter: number;
  /** Whether the removal of a key by this command was an eviction. */
  evicted(db: number, key: Buffer, hasExpiry: boolean): 'yes' | 'no' | 'maybe';
}
