import { AfterwriteError } from '../../ops/errors/index.ts';
import { ByteReader } from './byte-reader.ts';

/** Headers by name; repeated ones as an array. One without a value is left out. */
export type RecordHeaderValues = Readonly<Record<string, Buffer | string | readonly (Buffer | string)[] | undefined>>;

/** What the records of a batch have in common. */
export interface BatchBody {
  /** The records, decompressed. */
  readonly bytes: Buffer;
  readonly baseOffset: number;
  readonly baseTimestamp: number;
  /** Where the log's own time counts: that of the whole batch. */
  readonly appendedAt: number | undefined;
}

/** Numbers of a record in the table of a list: where it begins, behind its length, its offset delta, and its parts. */
const RECORD = 0;
const OFFSET_DELTA = 1;
const KEY_START = 2;
const KEY_END = 3;
const VALUE_START = 4;
const VALUE_END = 5;
const STRIDE = 6;

const noHeaders: RecordHeaderValues = {};

/**
 * Records of one batch, in their order. A sink has many of them in memory: they are bytes and a table of places in them,
 * which the garbage collector never looks at. What stands for a record is made for whoever asks, and lives as long as he
 * looks at it.
 *
 *   record := length attributes:int8 timestampDelta offsetDelta keyLength key valueLength value count header*
 *   header := keyLength key valueLength value        all numbers but the attributes are zigzag varints; −1 is null
 */
export class RecordList implements Iterable<FetchedRecord> {
  readonly batch: BatchBody;
  readonly #places: Int32Array;

  private constructor(batch: BatchBody, places: Int32Array) {
    this.batch = batch;
    this.#places = places;
  }

  /** Reads a batch of so many records. @throws RECORD_UNREADABLE when its bytes are others */
  static read(batch: BatchBody, count: number): RecordList {
    const reader = new ByteReader(batch.bytes);
    // A record takes seven bytes at least, whatever the batch says.
    const places = new Int32Array(Math.max(0, Math.min(count, Math.floor(batch.bytes.length / 7))) * STRIDE);
    for (let index = 0; index < count; index++) readPlaces(reader, batch.baseOffset, places, index * STRIDE);
    if (reader.at !== batch.bytes.length) {
      throw unreadable(`a batch at offset ${batch.baseOffset} with more than its records`);
    }
    return new RecordList(batch, places);
  }

  get length(): number {
    return this.#places.length / STRIDE;
  }

  *[Symbol.iterator](): Iterator<FetchedRecord> {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }

  /** @param index from 0 up to, not including, the length */
  at(index: number): FetchedRecord {
    return new FetchedRecord(this.batch, this.#places, index * STRIDE);
  }

  offsetAt(index: number): number {
    return this.batch.baseOffset + (this.#places[index * STRIDE + OFFSET_DELTA] ?? 0);
  }

  /** Bytes of a record, up to its headers. */
  sizeAt(index: number): number {
    const at = index * STRIDE;
    return (this.#places[at + VALUE_END] ?? 0) - (this.#places[at + RECORD] ?? 0);
  }

  slice(from: number, to = this.length): RecordList {
    return from === 0 && to === this.length
      ? this
      : new RecordList(this.batch, this.#places.subarray(from * STRIDE, to * STRIDE));
  }

  /** Those from an offset on. */
  since(offset: number): RecordList {
    let from = 0;
    while (from < this.length && this.offsetAt(from) < offset) from++;
    return this.slice(from);
  }
}

/** A record as a fetch brings it. Keys and values are views of the fetched bytes. */
export class FetchedRecord {
  readonly #batch: BatchBody;
  readonly #places: Int32Array;
  readonly #at: number;

  constructor(batch: BatchBody, places: Int32Array, at: number) {
    this.#batch = batch;
    this.#places = places;
    this.#at = at;
  }

  get offset(): number {
    return this.#batch.baseOffset + this.#place(OFFSET_DELTA);
  }

  /** When it was sent or, where the log's own time counts, appended; ms since the epoch. */
  get timestamp(): number {
    const { bytes, appendedAt, baseTimestamp } = this.#batch;
    return appendedAt ?? baseTimestamp + new ByteReader(bytes, this.#place(RECORD) + 1).varint();
  }

  /** Holds its key and value, among others. */
  get bytes(): Buffer {
    return this.#batch.bytes;
  }

  /** Where the key begins in the bytes; −1 when it is null. */
  get keyStart(): number {
    return this.#place(KEY_START);
  }

  get keyEnd(): number {
    return this.#place(KEY_END);
  }

  /** Where the value begins in the bytes; −1 when it is null. */
  get valueStart(): number {
    return this.#place(VALUE_START);
  }

  get valueEnd(): number {
    return this.#place(VALUE_END);
  }

  get key(): Buffer | null {
    return this.keyStart < 0 ? null : this.bytes.subarray(this.keyStart, this.keyEnd);
  }

  get value(): Buffer | null {
    return this.valueStart < 0 ? null : this.bytes.subarray(this.valueStart, this.valueEnd);
  }

  get headers(): RecordHeaderValues {
    return readHeaders(new ByteReader(this.bytes, this.valueEnd));
  }

  #place(what: number): number {
    return this.#places[this.#at + what] ?? 0;
  }
}

function readPlaces(reader: ByteReader, baseOffset: number, places: Int32Array, at: number): void {
  const length = reader.varint();
  const start = reader.at;
  reader.skip(1);
  reader.varint();
  const delta = reader.varint();
  places[at + RECORD] = start;
  places[at + OFFSET_DELTA] = delta;
  places[at + KEY_START] = sizedStart(reader);
  places[at + KEY_END] = reader.at;
  places[at + VALUE_START] = sizedStart(reader);
  places[at + VALUE_END] = reader.at;
  for (let left = reader.varint(); left > 0; left--) {
    sizedStart(reader);
    sizedStart(reader);
  }
  if (reader.at !== start + length) {
    throw unreadable(`a record at offset ${baseOffset + delta} that is not as long as it says`);
  }
}

/** Passes over sized bytes. @returns where they begin; −1 for null */
function sizedStart(reader: ByteReader): number {
  const length = reader.varint();
  if (length < 0) return -1;
  const start = reader.at;
  reader.skip(length);
  return start;
}

function readHeaders(reader: ByteReader): RecordHeaderValues {
  const count = reader.varint();
  if (count === 0) return noHeaders;
  const headers = new Map<string, Buffer | Buffer[]>();
  for (let index = 0; index < count; index++) {
    const name = reader.sized(reader.varint())?.toString() ?? '';
    const value = reader.sized(reader.varint());
    const before = headers.get(name);
    if (value === null) continue;
    if (before === undefined) headers.set(name, value);
    else if (Buffer.isBuffer(before)) headers.set(name, [before, value]);
    else before.push(value);
  }
  return Object.fromEntries(headers);
}

/** @param found what stands in the log */
export function unreadable(found: string, cause?: unknown): AfterwriteError {
  return new AfterwriteError('RECORD_UNREADABLE', `Kafka's log holds ${found}`, { cause });
}
