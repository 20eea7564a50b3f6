import { AfterwriteError } from '../../ops/errors/index.ts';
import type { HeldHash } from '../wide-hash.ts';
import { BucketedHash } from './bucketed-hash.ts';
import { decodeHead, type WideLimits } from './buckets.ts';
import { TableCensus } from './census.ts';
import type { CopyForward } from './copy-forward.ts';
import { EntryReader, isWide, type EncodedEntry } from './entry.ts';
import type { FolderLock } from './lock.ts';
import type { StateLog } from './log.ts';
import { OperationWriter } from './operations.ts';
import { ASIDE, type Census, type Entry, type SealedBatch, type StateStore } from './port.ts';
import { FRAME_BYTES } from './segment.ts';
import { Shelf } from './shelf.ts';
import type { Table } from './table.ts';

/** What a store is made of; open.ts puts it together. */
export interface StoreParts {
  readonly logId: string;
  /** The sequence that the table is at. */
  readonly sequence: number;
  /** Whether the folder already knows that Kafka has committed a batch of this log. */
  readonly committed: boolean;
  readonly table: Table;
  readonly log: StateLog;
  readonly copying: CopyForward;
  readonly lock: FolderLock;
  readonly wide: WideLimits;
}

interface WaitingBatch {
  readonly batch: Buffer;
  readonly beginsSegment: boolean;
}

/** A wide hash is put together again when it is so many times below where it became one. */
const NARROWER = 4;

/** The state store: the table, the operations since the last seal, and the log. */
export class LoggedStore implements StateStore {
  readonly #parts: StoreParts;
  readonly #operations = new OperationWriter();
  readonly #reader = new EntryReader();
  readonly #shelf: Shelf;
  /** Sealed batches that were not given to the log yet, in their order. */
  readonly #waiting = new Map<number, WaitingBatch>();
  #sequence: number;
  #marked: boolean;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.#shelf = new Shelf(parts.table, this.#operations, parts.wide);
    this.#sequence = parts.sequence;
    this.#marked = parts.committed;
  }

  get unsealedBytes(): number {
    return this.#operations.size;
  }

  get(db: number, key: Buffer): Entry | undefined {
    const encoded = this.#parts.table.get(db, key);
    if (encoded === undefined) return undefined;
    const entry = this.#reader.read(encoded);
    if (entry.current === null || !isWide(encoded)) return entry;
    return { ...entry, current: new BucketedHash(this.#shelf, db, key, decodeHead(entry.current)) };
  }

  put(db: number, key: Buffer, entry: Entry): void {
    const { table } = this.#parts;
    const { current, expireAt, published, mark } = entry;
    if (current === null && published === null && mark === null) {
      const old = table.delete(db, key, 0, key.length);
      if (old === undefined) return;
      this.#operations.remove(db, key);
      if (isWide(old)) this.#dropBuckets(db, key, old);
    } else if (current === null || (Buffer.isBuffer(current) && current.length < this.#parts.wide.fromBytes)) {
      this.#set(db, key, { current, expireAt, published, mark });
    } else {
      this.#putLarge(db, key, current, entry);
    }
  }

  databases(): number[] {
    return this.#parts.table
      .databases()
      .map((database) => database.number)
      .filter((db) => db < ASIDE);
  }

  count(db: number): number {
    return this.#parts.table.count(db);
  }

  keys(db: number): IterableIterator<Buffer> {
    return this.#parts.table.keys(db);
  }

  census(): Census {
    return new TableCensus(this.#parts.table);
  }

  seal(): SealedBatch {
    const { logId, copying } = this.#parts;
    const sequence = ++this.#sequence;
    const beginsSegment = copying.extend(sequence, this.#operations);
    const batch = this.#operations.take(FRAME_BYTES);
    copying.sealed(batch.length);
    this.#waiting.set(sequence, { batch, beginsSegment });
    return { tag: { logId, sequence }, bytes: batch.length };
  }

  sync({ tag }: SealedBatch): Promise<void> {
    const { logId, log } = this.#parts;
    const [next] = this.#waiting.keys();
    const waiting = this.#waiting.get(tag.sequence);
    if (waiting === undefined || next !== tag.sequence || tag.logId !== logId) {
      const what = `batch ${tag.sequence} of state log ${tag.logId} is synced out of turn: the next is ${next ?? 'not sealed yet'} of ${logId}`;
      return Promise.reject(new AfterwriteError('INTERNAL', what));
    }
    this.#waiting.delete(tag.sequence);
    const synced = log.append(waiting.batch, tag.sequence, waiting.beginsSegment);
    // The caller may be busy with a transaction that already went wrong, and look at this promise late or never.
    synced.catch(() => undefined);
    return synced;
  }

  committed(sequence: number): void {
    const { copying, log } = this.#parts;
    if (!this.#marked) log.markCommitted();
    this.#marked = true;
    const unneeded = copying.committed(sequence);
    if (unneeded.length > 0) log.remove(unneeded);
  }

  async close(): Promise<void> {
    await this.#parts.log.close();
    await this.#parts.lock.release();
  }

  /** Puts an entry of a hash in one piece, or of none. */
  #set(db: number, key: Buffer, entry: EncodedEntry): void {
    const encoded = this.#operations.put(db, key, entry, false);
    const old = this.#parts.table.set(db, key, 0, key.length, encoded);
    if (old !== undefined && isWide(old)) this.#dropBuckets(db, key, old);
  }

  /** Puts an entry of a hash that is wide, or becomes it. */
  #putLarge(db: number, key: Buffer, current: HeldHash, { expireAt, published, mark }: Entry): void {
    const { table, wide } = this.#parts;
    let held: BucketedHash;
    if (Buffer.isBuffer(current)) {
      const old = table.get(db, key);
      const before = old !== undefined && isWide(old) ? this.#shelf.bucketsOf(old) : 0;
      held = BucketedHash.put(this.#shelf, db, key, current, before);
    } else if (!(current instanceof BucketedHash) || !current.isOf(db, key)) {
      this.put(db, key, { current: current.whole(), expireAt, published, mark });
      return;
    } else if (current.bytes * NARROWER < wide.fromBytes) {
      const whole = current.whole();
      BucketedHash.drop(this.#shelf, db, key, current.buckets);
      this.#set(db, key, { current: whole, expireAt, published, mark });
      return;
    } else {
      held = current;
    }
    const entry = { current: held.head(), expireAt, published, mark };
    table.set(db, key, 0, key.length, this.#operations.put(db, key, entry, true));
  }

  #dropBuckets(db: number, key: Buffer, old: string): void {
    BucketedHash.drop(this.#shelf, db, key, this.#shelf.bucketsOf(old));
  }
}
