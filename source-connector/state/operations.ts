import { AfterwriteError } from '../../ops/errors/index.ts';
import { copyBytes, lengthSize, writeLength } from '../packed-hash.ts';
import { entrySize, writeEntry, type EncodedEntry } from './entry.ts';
import type { Table } from './table.ts';

/*
 * The operations of a batch, one after the other:
 *
 *   put      := 1 db key entry      key, entry := length bytes (entry.ts; of a bucket, its packed fields)
 *   remove   := 2 db key
 *   complete := 4 sequence          every live entry was put since this batch's beginning: older segments can go
 *   db, length, sequence := LEB128
 */
const PUT = 1;
const REMOVE = 2;
const COMPLETE = 4;

/** A larger entry, or a larger bucket of a wide hash, is refused: V8's strings end at 512 MiB. */
const MAX_ENTRY_BYTES = 256 << 20;
/** A larger batch is refused; the log's reader takes such a length for damage. */
export const MAX_BATCH_BYTES = 1 << 30;
const FIRST_BYTES = 64 << 10;
/** A buffer that one large batch made larger than this is given back after it. */
const KEPT_BYTES = 8 << 20;

/** Collects the operations since the last seal. */
export class OperationWriter {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #at = 0;

  /** Bytes so far. */
  get size(): number {
    return this.#at;
  }

  /**
   * Appends a put.
   * @returns the encoded entry as a latin1 string, for the table
   */
  put(db: number, key: Buffer, entry: EncodedEntry, isOfWide: boolean): string {
    const size = entrySize(entry);
    this.#checkEntry(size, db, key);
    this.#room(24 + key.length);
    this.#begin(PUT, db, key.length);
    this.#copyKey(key, key.length);
    const start = this.#open(size);
    this.#at = writeEntry(this.#bytes, start, entry, isOfWide);
    return this.#bytes.toString('latin1', start, this.#at);
  }

  /**
   * Appends a put of the packed fields of a bucket, whose key ends at `keyEnd`.
   * @returns them as a latin1 string, for the table
   */
  putBucket(db: number, key: Buffer, keyEnd: number, packed: Buffer): string {
    this.#checkEntry(packed.length, db, key);
    this.#room(24 + keyEnd);
    this.#begin(PUT, db, keyEnd);
    this.#copyKey(key, keyEnd);
    const start = this.#open(packed.length);
    this.#at = start + packed.copy(this.#bytes, start);
    return this.#bytes.toString('latin1', start, this.#at);
  }

  /** Appends a put of what the table already holds, both as latin1. */
  copy(db: number, key: string, entry: string): void {
    this.#room(24 + key.length);
    this.#begin(PUT, db, key.length);
    this.#at += this.#bytes.write(key, this.#at, 'latin1');
    const start = this.#open(entry.length);
    this.#at = start + this.#bytes.write(entry, start, 'latin1');
  }

  remove(db: number, key: Buffer, keyEnd = key.length): void {
    this.#room(24 + keyEnd);
    this.#begin(REMOVE, db, keyEnd);
    this.#copyKey(key, keyEnd);
  }

  complete(sequence: number): void {
    this.#room(16);
    this.#at = this.#bytes.writeUInt8(COMPLETE, this.#at);
    this.#at = writeLength(this.#bytes, this.#at, sequence);
  }

  /** The operations so far, copied behind `room` free bytes; starts over. */
  take(room: number): Buffer {
    const taken = Buffer.allocUnsafeSlow(room + this.#at);
    this.#bytes.copy(taken, room, 0, this.#at);
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
    this.#at = 0;
    return taken;
  }

  #copyKey(key: Buffer, end: number): void {
    copyBytes(key, 0, end, this.#bytes, this.#at);
    this.#at += end;
  }

  #checkEntry(size: number, db: number, key: Buffer): void {
    if (size <= MAX_ENTRY_BYTES) return;
    throw new AfterwriteError('STATE_FULL', `a hash takes ${size} bytes, and ${MAX_ENTRY_BYTES} are possible`, {
      where: { db, key: key.toString() },
      remedy: 'Split this hash, or take its prefix out of the mappings.',
    });
  }

  /** Writes the operation, a database, and the key's length: at most 24 bytes. */
  #begin(operation: number, db: number, keyLength: number): void {
    this.#at = this.#bytes.writeUInt8(operation, this.#at);
    this.#at = writeLength(this.#bytes, this.#at, db);
    this.#at = writeLength(this.#bytes, this.#at, keyLength);
  }

  /** Writes an entry's length and makes room for it; returns where it begins. */
  #open(size: number): number {
    this.#room(lengthSize(size) + size);
    return writeLength(this.#bytes, this.#at, size);
  }

  #room(more: number): void {
    const needed = this.#at + more;
    if (needed <= this.#bytes.length) return;
    if (needed > MAX_BATCH_BYTES) {
      throw new AfterwriteError('STATE_FULL', `more than ${MAX_BATCH_BYTES} bytes changed since the last commit`, {
        remedy: 'Lower the limits of one Kafka transaction, so that it commits more often.',
      });
    }
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, needed));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
  }
}

/**
 * Applies a batch's operations, whose checksum was right, to a table.
 * @returns the sequence of the batch's `complete`, when it has one
 */
export function applyOperations(bytes: Buffer, table: Table): number | undefined {
  let completeSince: number | undefined;
  let at = 0;
  const length = (): number => {
    let sum = 0;
    let unit = 1;
    let byte: number;
    do {
      byte = bytes.readUInt8(at++);
      sum += (byte & 127) * unit;
      unit *= 128;
    } while (byte > 127);
    return sum;
  };
  while (at < bytes.length) {
    const operation = bytes.readUInt8(at++);
    if (operation === COMPLETE) {
      completeSince = length();
      continue;
    }
    const db = length();
    const keyLength = length();
    const key = at;
    const keyEnd = (at += keyLength);
    if (operation === PUT) {
      const size = length();
      table.set(db, bytes, key, keyEnd, bytes.toString('latin1', at, at + size));
      at += size;
    } else if (operation === REMOVE) {
      table.delete(db, bytes, key, keyEnd);
    } else {
      throw new AfterwriteError(
        'INTERNAL',
        `the state log holds an unknown operation ${operation} at byte ${at - 1} of a batch`,
      );
    }
  }
  return completeSince;
}
