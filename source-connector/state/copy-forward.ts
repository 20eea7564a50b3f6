import type { OperationWriter } from './operations.ts';
import { HEADER_BYTES } from './segment.ts';
import type { Table } from './table.ts';

/** When the log is shortened, and by which steps. */
export interface LogLimits {
  /** A log below this many bytes is left alone. */
  readonly floorBytes: number;
  /** A longer one is left alone while it is shorter than its live bytes times this. */
  readonly factor: number;
  /** Bytes that are copied with a batch, at least; more when the batch itself is larger. */
  readonly copyBytes: number;
}

/** 256 KiB are copied in about a millisecond, so no batch waits noticeably. */
export const LOG_LIMITS: LogLimits = { floorBytes: 64 << 20, factor: 3, copyBytes: 256 << 10 };

/** A segment of the log, by its first sequence, and its bytes when all sealed batches are written. */
export interface Segment {
  readonly first: number;
  bytes: number;
}

/**
 * Keeps the log short without ever stopping for it: a pass begins a new segment and appends to each batch a few copies
 * of live entries, until each entry that there was has been put again; then the segments before it can go.
 *
 * Why that is right. Let a reader apply the log from the pass's first batch on, beginning with an empty table. Every
 * operation does there what it did here, and a copy puts what is true at that batch, so each entry that the reader has
 * is true; it may only miss some. It cannot miss, after the last batch of the pass, an entry put during the pass. Any
 * other entry has stood in its database object since the pass began: the pass goes through all those objects and copies
 * each key that is still there, under the number that the database has at that batch. SWAPDB renumbers the objects
 * here and the reader's in the same way; a key that was removed and put again was put during the pass. The same holds
 * for a reader that begins even earlier. So the table is exact from the pass's last batch on, which says so by `complete`.
 *
 * The older segments go only when Kafka has committed that last batch, or a later one: until then, recovery may be
 * asked for a state before it.
 */
export class CopyForward {
  readonly #table: Table;
  readonly #limits: LogLimits;
  readonly #segments: Segment[];
  #pass: { readonly first: number; readonly entries: Iterator<LiveEntry> } | undefined;
  #complete: { readonly since: number; readonly at: number } | undefined;

  /** @param segments the log's segments, ascending; the last one is written to */
  constructor(table: Table, segments: readonly Segment[], limits: LogLimits) {
    this.#table = table;
    this.#segments = [...segments];
    this.#limits = limits;
  }

  get logBytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  /**
   * Is asked when a batch is sealed, before its operations are taken: begins a pass when one is due, and appends the
   * batch's share of copies.
   * @returns whether the batch begins a new segment
   */
  extend(sequence: number, writer: OperationWriter): boolean {
    let begins = false;
    if (this.#isDue()) {
      this.#pass = { first: sequence, entries: liveEntries(this.#table) };
      // The folder may just have been opened, which began a segment for this very batch.
      begins = this.#segments.at(-1)?.first !== sequence;
      if (begins) this.#segments.push({ first: sequence, bytes: HEADER_BYTES });
    }
    if (this.#pass !== undefined && this.#copy(this.#pass.entries, writer)) {
      writer.complete(this.#pass.first);
      this.#complete = { since: this.#pass.first, at: sequence };
      this.#pass = undefined;
    }
    return begins;
  }

  /** Tells the size of the batch that was sealed. */
  sealed(bytes: number): void {
    const last = this.#segments.at(-1);
    if (last !== undefined) last.bytes += bytes;
  }

  /** Tells that Kafka has committed a batch. @returns the first sequences of the segments that can go now, ascending */
  committed(sequence: number): number[] {
    if (this.#complete === undefined || sequence < this.#complete.at) return [];
    const { since } = this.#complete;
    this.#complete = undefined;
    const kept = this.#segments.findIndex((segment) => segment.first >= since);
    return this.#segments.splice(0, kept).map((segment) => segment.first);
  }

  #isDue(): boolean {
    if (this.#pass !== undefined || this.#complete !== undefined) return false;
    return this.logBytes > Math.max(this.#limits.floorBytes, this.#limits.factor * this.#table.liveBytes);
  }

  /** Appends as many bytes of copies as the batch has itself, or the minimum. @returns whether nothing is left */
  #copy(entries: Iterator<LiveEntry>, writer: OperationWriter): boolean {
    const until = writer.size + Math.max(writer.size, this.#limits.copyBytes);
    while (writer.size < until) {
      const next = entries.next();
      if (next.done === true) return true;
      const [db, key, entry] = next.value;
      writer.copy(db, key, entry);
    }
    return false;
  }
}

type LiveEntry = readonly [db: number, key: string, entry: string];

/** Each entry that is there now and still is when its turn comes, with what it then holds and where it then is. */
function* liveEntries(table: Table): Generator<LiveEntry, void, void> {
  for (const database of table.databases()) {
    for (const shard of database.shards) {
      for (const key of [...shard.keys()]) {
        const entry = shard.get(key);
        if (entry !== undefined) yield [database.number, key, entry];
      }
    }
  }
}
