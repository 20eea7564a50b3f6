import { AfterwriteError } from '../ops/errors/index.ts';
import { FirstBytes } from './bytes.ts';

/**
 * The bytes of a whole Redis hash in one buffer, as decode makes them, fold changes them and state keeps them:
 *
 *   packed := ( length name length value )*      length := LEB128, 7 bits a byte, low bits first
 *
 * Field names are unique except in the fields of one HSET, where the last of equal names wins. The order of the
 * fields means nothing. A packed hash of zero bytes has no fields, which for Redis is a key that does not exist.
 */

/** A length up to 2^56 takes at most this many bytes. */
const LENGTH_SIZE_MAX = 8;

/** More than any state can hold, bytes: what grows beyond it is given up before this process runs out of memory. */
const LARGEST = 1024 * 1024 * 1024;

/** How many bytes a length takes. */
export function lengthSize(length: number): number {
  let size = 1;
  for (let rest = length; rest > 127; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Writes a length at `at`; returns the position after it. */
export function writeLength(into: Buffer, at: number, length: number): number {
  let rest = length;
  let to = at;
  while (rest > 127) {
    into[to++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  into[to++] = rest;
  return to;
}

const ZERO = 48;

/** Below this size a loop beats Buffer.copy, which makes a view of its source for each call. */
const LOOP_BELOW = 64;

/** Copies the bytes [start, end) of one buffer to `at` in another. */
export function copyBytes(from: Buffer, start: number, end: number, into: Buffer, at: number): void {
  if (end - start >= LOOP_BELOW) {
    from.copy(into, at, start, end);
    return;
  }
  let to = at;
  for (let i = start; i < end; i++) into[to++] = from[i] ?? 0;
}

/** A cursor over a packed hash that makes no objects: `next()` moves to a field and sets the four bounds. */
export class PackedCursor {
  bytes: Buffer = Buffer.alloc(0);
  nameStart = 0;
  nameEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  #at = 0;
  #end = 0;

  /** Starts over on another packed hash. */
  reset(bytes: Buffer): this {
    this.bytes = bytes;
    this.#at = 0;
    this.#end = bytes.length;
    return this;
  }

  /** Moves to the next field; false at the end. */
  next(): boolean {
    if (this.#at >= this.#end) return false;
    const nameLength = this.#length();
    this.nameStart = this.#at;
    this.nameEnd = this.#at += nameLength;
    const valueLength = this.#length();
    this.valueStart = this.#at;
    this.valueEnd = this.#at += valueLength;
    return true;
  }

  name(): Buffer {
    return this.bytes.subarray(this.nameStart, this.nameEnd);
  }

  value(): Buffer {
    return this.bytes.subarray(this.valueStart, this.valueEnd);
  }

  #length(): number {
    let byte = this.bytes.readUInt8(this.#at++);
    if (byte < 128) return byte;
    let length = byte - 128;
    let unit = 128;
    do {
      byte = this.bytes.readUInt8(this.#at++);
      length += (byte % 128) * unit;
      unit *= 128;
    } while (byte > 127);
    return length;
  }
}

const SMALLEST = 4096;
/** What one large hash took beyond this is given back when the next one begins, bytes. */
const KEPT = 4 * 1024 * 1024;

/** Collects fields into a packed hash; grows as needed, up to `largest` bytes (STATE_FULL); reused by its owner. */
export class PackedWriter {
  #bytes: Buffer;
  #at = 0;
  #views: FirstBytes;
  readonly #largest: number;

  constructor(capacity = SMALLEST, largest = LARGEST) {
    this.#largest = largest;
    this.#bytes = Buffer.allocUnsafeSlow(capacity);
    this.#views = new FirstBytes(this.#bytes);
  }

  reset(): this {
    if (this.#bytes.length > KEPT) {
      this.#bytes = Buffer.allocUnsafeSlow(SMALLEST);
      this.#views = new FirstBytes(this.#bytes);
    }
    this.#at = 0;
    return this;
  }

  /** Appends one field whose name and value stand at these bounds of two buffers. */
  add(names: Buffer, nameStart: number, nameEnd: number, values: Buffer, valueStart: number, valueEnd: number): void {
    this.append(names, nameStart, nameEnd);
    this.append(values, valueStart, valueEnd);
  }

  /** Appends one string: a name and its value in turn. */
  append(from: Buffer, start: number, end: number): void {
    this.#room(end - start + LENGTH_SIZE_MAX);
    const at = writeLength(this.#bytes, this.#at, end - start);
    copyBytes(from, start, end, this.#bytes, at);
    this.#at = at + end - start;
  }

  /** Appends the strings whose starts and ends stand in turn in `bounds`, from one index up to another. */
  appendAll(from: Buffer, bounds: Int32Array, first: number, end: number): void {
    if (end <= first) return;
    this.#room((bounds[end - 1] ?? 0) - (bounds[first] ?? 0) + ((end - first) / 2) * LENGTH_SIZE_MAX);
    const into = this.#bytes;
    let to = this.#at;
    for (let i = first; i < end; i += 2) {
      const start = bounds[i] ?? 0;
      const stop = bounds[i + 1] ?? 0;
      const length = stop - start;
      if (length < LOOP_BELOW) {
        into[to++] = length;
        for (let at = start; at < stop; at++) into[to++] = from[at] ?? 0;
      } else {
        to = writeLength(into, to, length);
        from.copy(into, to, start, stop);
        to += length;
      }
    }
    this.#at = to;
  }

  /** Appends an integer as decimal text, the way Redis shows a value that it keeps as a number. */
  appendInteger(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0 && value < 100) {
      this.#room(3);
      const tens = Math.floor(value / 10);
      this.#bytes[this.#at++] = tens > 0 ? 2 : 1;
      if (tens > 0) this.#bytes[this.#at++] = ZERO + tens;
      this.#bytes[this.#at++] = ZERO + value - 10 * tens;
      return;
    }
    const text = String(value);
    this.#room(text.length + LENGTH_SIZE_MAX);
    let at = writeLength(this.#bytes, this.#at, text.length);
    for (let i = 0; i < text.length; i++) this.#bytes[at++] = text.charCodeAt(i);
    this.#at = at;
  }

  /** The packed hash so far: a view that is valid until the next reset or add, and may be the same object then. */
  view(): Buffer {
    return this.#views.of(this.#at);
  }

  #room(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    if (this.#at + more > this.#largest) {
      throw new AfterwriteError('STATE_FULL', `a hash takes more than the ${this.#largest} bytes that are possible`, {
        remedy: 'Split the hash into several keys: one of this size cannot be carried.',
      });
    }
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + more));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
    this.#views = new FirstBytes(grown);
  }
}

/** Packs names and values that stand in turn, as HGETALL answers them. */
export function packNamesAndValues(strings: readonly Buffer[]): Buffer {
  const writer = new PackedWriter(256);
  for (const string of strings) writer.append(string, 0, string.length);
  return Buffer.from(writer.view());
}

/** Packs name/value pairs: for tests and for paths that are not hot. Strings are taken as UTF-8. */
export function packHash(pairs: Iterable<readonly [Buffer | string, Buffer | string]>): Buffer {
  const writer = new PackedWriter(256);
  for (const [name, value] of pairs) {
    const n = Buffer.from(name);
    const v = Buffer.from(value);
    writer.add(n, 0, n.length, v, 0, v.length);
  }
  return Buffer.from(writer.view());
}

/** The strings that were appended to a writer, in order: views. */
export function unpackStrings(packed: Buffer): Buffer[] {
  const strings: Buffer[] = [];
  let at = 0;
  while (at < packed.length) {
    let length = 0;
    let unit = 1;
    let byte: number;
    do {
      byte = packed.readUInt8(at++);
      length += (byte % 128) * unit;
      unit *= 128;
    } while (byte > 127);
    strings.push(packed.subarray(at, (at += length)));
  }
  return strings;
}

/** The fields of a packed hash as pairs of fresh buffers: for tests, dead letters and tools. */
export function unpackHash(packed: Buffer): [name: Buffer, value: Buffer][] {
  const pairs: [Buffer, Buffer][] = [];
  const cursor = new PackedCursor().reset(packed);
  while (cursor.next()) pairs.push([Buffer.from(cursor.name()), Buffer.from(cursor.value())]);
  return pairs;
}

/** How many fields a packed hash has. */
export function countFields(packed: Buffer): number {
  const cursor = new PackedCursor().reset(packed);
  let fields = 0;
  while (cursor.next()) fields++;
  return fields;
}
