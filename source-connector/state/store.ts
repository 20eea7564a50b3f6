import { AfterwriteError } from '../../ops/errors/index.ts';
import type { CopyForward } from './copy-forward.ts';
import { EntryReader } from './entry.ts';
import type { FolderLock } from './lock.ts';
import type { StateLog } from './log.ts';
import { OperationWriter } from './operations.ts';
import type { Entry, SealedBatch, StateStore } from './port.ts';
import { FRAME_BYTES } from './segment.ts';
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
}

interface WaitingBatch {
  readonly batch: Buffer;
  readonly beginsSegment: boolean;
}

/** The state store: the table, the operations since the last seal, and the log. */
export class LoggedStore implements StateStore {
  readonly #parts: StoreParts;
  readonly #operations = new OperationWriter();
  readonly #reader = new EntryReader();
  /** Sealed batches that were not given to the log yet, in their order. */
  readonly #waiting = new Map<number, WaitingBatch>();
  #sequence: number;
  #marked: boolean;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.#sequence = parts.sequence;
    this.#marked = parts.committed;
  }

  get unsealedBytes(): number {
    return this.#operations.size;
  }

  get(db: number, key: Buffer): Entry | undefined {
    const encoded = this.#parts.table.get(db, key);
    return encoded === undefined ? undefined : this.#reader.read(encoded);
  }

  put(db: number, key: Buffer, entry: Entry): void {
    const { table } = this.#parts;
    if (entry.current === null && entry.published === null && entry.mark === null) {
      if (table.delete(db, key, 0, key.length)) this.#operations.remove(db, key);
    } else {
      table.set(db, key, 0, key.length, this.#operations.put(db, key, entry));
    }
  }

  databases(): number[] {
    return this.#parts.table.databases().map((database) => database.number);
  }

  count(db: number): number {
    return this.#parts.table.count(db);
  }

  keys(db: number): IterableIterator<Buffer> {
    return this.#parts.table.keys(db);
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
}
