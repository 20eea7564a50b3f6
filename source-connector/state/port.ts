import type { HeldHash } from '../wide-hash.ts';

/**
 * What the source knows of one captured key. Absent parts are null.
 * - `current`: what Redis holds now, a packed hash, or a wide one in pieces; null when the key is no hash there.
 * - `published`: the encoded Avro row that the topic holds now; null when it holds none.
 * - `mark`: what topics cannot say (a kept row, a rejected hash), as bytes that fold understands.
 * An entry without `current`, `published` and `mark` is not stored.
 */
export interface Entry {
  readonly current: HeldHash | null;
  /** When the key expires on the master's clock, ms since the epoch; 0 without expiry. */
  readonly expireAt: number;
  readonly published: Buffer | null;
  readonly mark: Buffer | null;
}

/** Ties a log batch to the Kafka transaction that it was written for (rule 1). */
export interface StateTag {
  /** Names this state folder since it was created. */
  readonly logId: string;
  /** Counts sealed batches from 1. */
  readonly sequence: number;
}

/** From this number on, databases hold what is none of Redis' keys. */
export const ASIDE = 2 ** 32;

/** The changes since the last seal, ready to be written. */
export interface SealedBatch {
  readonly tag: StateTag;
  readonly bytes: number;
}

/** The keys that a state held at some moment, to be crossed off one by one. */
export interface Census {
  /** Is told each key before it is put, from that moment on. */
  crossOff(db: number, key: Buffer): void;
  /** Whether the key was there then, and was not crossed off. */
  has(db: number, key: Buffer): boolean;
}

/** The current and the published value of each captured hash, in memory, with a log on disk behind it. */
export interface StateStore {
  /**
   * The entry of a key. Its buffers are views, valid until the next call on the store (but for calls on its own wide hash, which is
   * valid until `get` is called again, or the key is put).
   */
  get(db: number, key: Buffer): Entry | undefined;
  /**
   * Stores (copies) the entry, or removes the key when all its parts are null. The parts may be views that `get` just
   * returned, of this key or another. A packed hash that is large becomes a wide one.
   */
  put(db: number, key: Buffer, entry: Entry): void;
  /** Databases of Redis that hold entries, ascending: those below `ASIDE`. */
  databases(): number[];
  /** How many entries a database holds. */
  count(db: number): number;
  /**
   * Keys of a database, in no order, as copies, none twice. Puts on any key are allowed while iterating; keys that are
   * added meanwhile may or may not appear, all that were there at the start and still are do.
   */
  keys(db: number): IterableIterator<Buffer>;
  /** The keys that there are now. */
  census(): Census;
  /** Bytes of changes since the last seal: a bound on memory that records alone do not give. */
  readonly unsealedBytes: number;
  /** Ends a batch: what was put since the last seal belongs to the returned tag. */
  seal(): SealedBatch;
  /**
   * Appends the sealed batch to the log and syncs it to disk. Batches are given in the order of their sequence, without
   * waiting for the one before. A rejection means that the store is of no use any more: open the state again.
   */
  sync(batch: SealedBatch): Promise<void>;
  /** Tells that Kafka has committed up to this sequence: recovery will never ask for an earlier one. */
  committed(sequence: number): void;
  /** Ends the syncs under way and frees the folder. What was not synced is lost, as in a crash. */
  close(): Promise<void>;
}
