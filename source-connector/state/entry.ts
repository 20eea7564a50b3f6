import { copyBytes, lengthSize, writeLength } from '../packed-hash.ts';

/*
 * An entry in one piece, as the table and the log hold it:
 *
 *   entry    := parts [ expireAt ] part*       part := length bytes, in the order current, published, mark
 *   parts    := u8, the sum of the flags below; with WIDE, `current` is the head of a wide hash (buckets.ts)
 *   expireAt := f64, little endian, ms since the epoch
 *   length   := LEB128, as in packed-hash.ts
 */
const CURRENT = 1;
const PUBLISHED = 2;
const MARK = 4;
const EXPIRES = 8;
const WIDE = 16;

/** Entries up to this many bytes are decoded in place; for a larger one memory is taken, and given back after it. */
const SCRATCH_BYTES = 1 << 20;

/** An entry as it is encoded (port.ts): `current` is a packed hash or, of a wide one, its head. */
export interface EncodedEntry {
  readonly current: Buffer | null;
  readonly expireAt: number;
  readonly published: Buffer | null;
  readonly mark: Buffer | null;
}

/** Whether the entry whose encoded bytes are this latin1 string is of a wide hash. */
export function isWide(encoded: string): boolean {
  return (encoded.charCodeAt(0) & WIDE) !== 0;
}

/** How many bytes an encoded entry takes. */
export function entrySize(entry: EncodedEntry): number {
  const expiry = entry.expireAt === 0 ? 0 : 8;
  return 1 + expiry + partSize(entry.current) + partSize(entry.published) + partSize(entry.mark);
}

/** Writes an encoded entry at `at`, where there must be room; returns the position after it. */
export function writeEntry(into: Buffer, at: number, entry: EncodedEntry, isOfWide = false): number {
  const { current, published, mark, expireAt } = entry;
  into.writeUInt8(
    (current === null ? 0 : CURRENT) +
      (published === null ? 0 : PUBLISHED) +
      (mark === null ? 0 : MARK) +
      (expireAt === 0 ? 0 : EXPIRES) +
      (isOfWide ? WIDE : 0),
    at,
  );
  let to = at + 1;
  if (expireAt !== 0) to = into.writeDoubleLE(expireAt, to);
  to = writePart(into, to, current);
  to = writePart(into, to, published);
  return writePart(into, to, mark);
}

function partSize(part: Buffer | null): number {
  return part === null ? 0 : lengthSize(part.length) + part.length;
}

function writePart(into: Buffer, at: number, part: Buffer | null): number {
  if (part === null) return at;
  const from = writeLength(into, at, part.length);
  copyBytes(part, 0, part.length, into, from);
  return from + part.length;
}

/** Decodes entries into memory that is used again: what `read` returned is valid until the next `read`. */
export class EntryReader {
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #bytes = this.#scratch;
  #at = 0;

  /** The bytes of this latin1 string. */
  bytes(encoded: string): Buffer {
    const into = encoded.length <= SCRATCH_BYTES ? this.#scratch : Buffer.allocUnsafeSlow(encoded.length);
    return into.subarray(0, into.write(encoded, 0, 'latin1'));
  }

  /** The entry whose encoded bytes are this latin1 string. */
  read(encoded: string): EncodedEntry {
    this.#bytes = encoded.length <= SCRATCH_BYTES ? this.#scratch : Buffer.allocUnsafeSlow(encoded.length);
    this.#bytes.write(encoded, 0, 'latin1');
    const parts = this.#bytes.readUInt8(0);
    this.#at = 1;
    let expireAt = 0;
    if ((parts & EXPIRES) !== 0) {
      expireAt = this.#bytes.readDoubleLE(1);
      this.#at = 9;
    }
    const current = (parts & CURRENT) === 0 ? null : this.#part();
    const published = (parts & PUBLISHED) === 0 ? null : this.#part();
    const mark = (parts & MARK) === 0 ? null : this.#part();
    this.#bytes = this.#scratch;
    return { current, expireAt, published, mark };
  }

  #part(): Buffer {
    let length = 0;
    let unit = 1;
    let byte: number;
    do {
      byte = this.#bytes.readUInt8(this.#at++);
      length += (byte & 127) * unit;
      unit *= 128;
    } while (byte > 127);
    const from = this.#at;
    this.#at += length;
    return this.#bytes.subarray(from, this.#at);
  }
}
