import { getHeapStatistics } from 'node:v8';
import { AfterwriteError } from '../../ops/errors/index.ts';

/*
 * Why strings: a Buffer a hash is two heap objects, an ArrayBuffer and a malloc, three to four times the memory of its
 * bytes. A latin1 string is one object of its bytes plus a header, which V8's compacting collector moves and packs.
 *
 * Why many Maps a database: a Map holds at most 2^24 entries, and doubling a large one pauses the process.
 */
const SHARDS = 256;

/** What an entry takes beyond its bytes: two string headers, their padding, its place in the Map. Measured. */
const ENTRY_OVERHEAD = 100;
/** The part of the heap that the table may fill; the rest is for what is under way. */
const HEAP_SHARE = 0.8;
/** How many new keys may come between two looks at the heap's limit. */
const KEYS_BETWEEN_LOOKS = 4096;
/** What an entry takes in the log beyond its key and its encoded bytes, about. */
const OPERATION_OVERHEAD = 6;

type Shard = Map<string, string>;

/** One database: a key's bytes as latin1 → its encoded entry as latin1 (entry.ts). */
export class Database {
  readonly number: number;
  readonly shards: readonly Shard[] = Array.from({ length: SHARDS }, () => new Map<string, string>());

  constructor(number: number) {
    this.number = number;
  }

  get size(): number {
    let size = 0;
    for (const shard of this.shards) size += shard.size;
    return size;
  }

  /** The Map that holds, or would hold, the key at these bounds. */
  shard(bytes: Buffer, start: number, end: number): Shard {
    // FNV-1a: a few instructions a byte, and keys that differ in their last digits spread well.
    let hash = 0x811c9dc5;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
    const shard = this.shards[((hash >>> 16) ^ hash) & (SHARDS - 1)];
    if (shard === undefined) throw new AfterwriteError('INTERNAL', 'a database of the state has too few shards');
    return shard;
  }
}

/** The entries of all databases, encoded, in memory. Keys are given as bounds into a buffer. */
export class Table {
  readonly #databases = new Map<number, Database>();
  readonly #heapBytes: number;
  #liveBytes = 0;
  #entries = 0;

  /** @param heapBytes what the table may take; unless told, a share of V8's heap limit */
  constructor(heapBytes = getHeapStatistics().heap_size_limit * HEAP_SHARE) {
    this.#heapBytes = heapBytes;
  }

  /** About how many bytes a log takes that holds each entry once. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  get entries(): number {
    return this.#entries;
  }

  get(db: number, bytes: Buffer, start = 0, end = bytes.length): string | undefined {
    return this.#databases
      .get(db)
      ?.shard(bytes, start, end)
      .get(bytes.toString('latin1', start, end));
  }

  /**
   * @returns what stood there before
   * @throws STATE_FULL when the table is about to outgrow the heap, instead of the crash that V8 would make of it
   */
  set(db: number, bytes: Buffer, start: number, end: number, entry: string): string | undefined {
    let database = this.#databases.get(db);
    if (database === undefined) this.#databases.set(db, (database = new Database(db)));
    const shard = database.shard(bytes, start, end);
    const key = bytes.toString('latin1', start, end);
    const old = shard.get(key);
    shard.set(key, entry);
    if (old === undefined) {
      this.#liveBytes += key.length + entry.length + OPERATION_OVERHEAD;
      if (++this.#entries % KEYS_BETWEEN_LOOKS === 0) this.#checkRoom();
    } else {
      this.#liveBytes += entry.length - old.length;
    }
    return old;
  }

  /** Removes the key. @returns what stood there */
  delete(db: number, bytes: Buffer, start: number, end: number): string | undefined {
    const shard = this.#databases.get(db)?.shard(bytes, start, end);
    if (shard === undefined) return undefined;
    const key = bytes.toString('latin1', start, end);
    const old = shard.get(key);
    if (old === undefined) return undefined;
    shard.delete(key);
    this.#entries--;
    this.#liveBytes -= key.length + old.length + OPERATION_OVERHEAD;
    return old;
  }

  /** Databases that hold entries, ascending by number. */
  databases(): Database[] {
    return [...this.#databases.values()].filter((one) => one.size > 0).sort((a, b) => a.number - b.number);
  }

  /** The part of a database that holds, or would hold, a key; undefined without such a database. */
  shard(db: number, key: Buffer): ReadonlyMap<string, string> | undefined {
    return this.#databases.get(db)?.shard(key, 0, key.length);
  }

  count(db: number): number {
    return this.#databases.get(db)?.size ?? 0;
  }

  /**
   * Keys of a database. One shard's keys are copied at a time, so whatever is put or removed meanwhile, the iteration
   * ends, and no key comes twice.
   */
  *keys(db: number): Generator<Buffer, void, void> {
    for (const shard of this.#databases.get(db)?.shards ?? []) {
      for (const key of [...shard.keys()]) if (shard.has(key)) yield Buffer.from(key, 'latin1');
    }
  }

  #checkRoom(): void {
    const taken = this.#liveBytes + this.#entries * ENTRY_OVERHEAD;
    if (taken <= this.#heapBytes) return;
    const mib = (bytes: number): number => Math.ceil(bytes / 1024 / 1024);
    throw new AfterwriteError(
      'STATE_FULL',
      `the state's ${this.#entries} entries take about ${mib(taken)} MiB, and this process may use ${mib(this.#heapBytes)} MiB for them`,
    );
  }
}
