import { HashEditor } from '../hash-editor.ts';
import { copyBytes, PackedCursor } from '../packed-hash.ts';
import type { BucketShelf } from './bucketed-hash.ts';
import { decodeHead, type WideLimits } from './buckets.ts';
import { EntryReader } from './entry.ts';
import type { OperationWriter } from './operations.ts';
import type { Table } from './table.ts';

/** The buckets of a database's wide hashes stand in the table and in the log as a database of this number more (port.ts: `ASIDE`). */
const BUCKETS = 2 ** 40;
/** A bucket's key is that of its hash and four bytes, its number. */
const NUMBER_BYTES = 4;

/**
 * Buckets are entries of their own, so that recovery and copying forward need to know nothing of them: a batch of the log has a hash's
 * buckets together with its head.
 */
export class Shelf implements BucketShelf {
  readonly limits: WideLimits;
  readonly editor = new HashEditor();
  readonly cursor = new PackedCursor();
  readonly #table: Table;
  readonly #operations: OperationWriter;
  readonly #reader = new EntryReader();
  #key = Buffer.alloc(256);

  constructor(table: Table, operations: OperationWriter, limits: WideLimits) {
    this.#table = table;
    this.#operations = operations;
    this.limits = limits;
  }

  read(db: number, key: Buffer, bucket: number): Buffer | null {
    const packed = this.#table.get(BUCKETS + db, this.#key, 0, this.#keyOf(key, bucket));
    return packed === undefined ? null : this.#reader.bytes(packed);
  }

  write(db: number, key: Buffer, bucket: number, packed: Buffer | null): void {
    const end = this.#keyOf(key, bucket);
    if (packed !== null && packed.length > 0) {
      const encoded = this.#operations.putBucket(BUCKETS + db, this.#key, end, packed);
      this.#table.set(BUCKETS + db, this.#key, 0, end, encoded);
    } else if (this.#table.delete(BUCKETS + db, this.#key, 0, end) !== undefined) {
      this.#operations.remove(BUCKETS + db, this.#key, end);
    }
  }

  /** How many buckets the wide hash of this encoded entry has. */
  bucketsOf(encoded: string): number {
    const head = this.#reader.read(encoded).current;
    return head === null ? 0 : decodeHead(head).buckets;
  }

  /** Makes a bucket's key. @returns its end */
  #keyOf(key: Buffer, bucket: number): number {
    const end = key.length + NUMBER_BYTES;
    if (end > this.#key.length) this.#key = Buffer.alloc(end * 2);
    copyBytes(key, 0, key.length, this.#key, 0);
    this.#key.writeUInt32LE(bucket, key.length);
    return end;
  }
}
