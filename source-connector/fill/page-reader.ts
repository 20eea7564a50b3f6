import { setTimeout as pause } from 'node:timers/promises';
import { SCAN_START } from '../../clients/redis/index.ts';
import { reasonOf } from '../../ops/errors/index.ts';
import { retryUntilDone } from '../../ops/retry.ts';
import type { KeyPage, KeyspaceReader } from '../capture/keyspace-reader.ts';
import type { Fill, FillCursor } from '../position.ts';
import type { Shard } from '../shard.ts';
import type { StateStore } from '../state/port.ts';
import { isUnreadHash } from '../unread-hash.ts';
import type { Fills, KeyRange } from './fills.ts';
import type { KeysToRead, UnreadKeys } from './unread-keys.ts';

/** Keys of a page, at least and at most: as many as about so many bytes. */
const LEAST_KEYS = 16;
const MOST_KEYS = 512;
const PAGE_BYTES = 512 * 1024;
/** Keys of a page of those that are marked in the state, and how many keys are looked at for it, at most. */
const MARKED_KEYS = 64;
const LOOKED_A_TURN = 20_000;
/** After a page the next one is not asked for as long as that one took, but no longer than this, ms. */
const LONGEST_REST = 200;

/** A page that was read, or the end of the keys. */
export interface ReadPage {
  readonly kind: 'scanned' | 'marked' | 'end';
  readonly db: number;
  readonly offset: number;
  readonly values: KeyPage['values'];
  /** Where SCAN goes on once this page is folded; undefined when more of the same answer follows. */
  readonly cursor: FillCursor | undefined;
}

/** One answer of SCAN whose keys are being read. */
interface Found {
  readonly run: string;
  readonly db: number;
  readonly keys: readonly Buffer[];
  readonly after: FillCursor;
}

/**
 * Reads, one page at a time, the keys that a mapping is filled with: those that the stream has named, so that they do not
 * stay behind, then those that SCAN shows, then those that are marked in the state and were not shown.
 */
export class PageReader {
  readonly #reader: KeyspaceReader;
  readonly #fills: Fills;
  readonly #unread: UnreadKeys;
  #replid = '';
  #asking: Promise<void> | undefined;
  #ending = new AbortController();
  #found: Found | undefined;
  #ended = false;
  /** Whether the last page was of keys that the stream had named. */
  #wasNamed = false;
  #marked: Iterator<KeysToRead, undefined> | undefined;
  #nextMarked: KeysToRead | undefined;
  #pageKeys = LEAST_KEYS;
  #tookMs = 0;
  /** What is being read of the marked keys: it is read again when the answer does not count. */
  #reading: KeysToRead | undefined;

  constructor(reader: KeyspaceReader, fills: Fills, unread: UnreadKeys) {
    this.#reader = reader;
    this.#fills = fills;
    this.#unread = unread;
  }

  get replid(): string {
    return this.#replid;
  }

  /** Settles when the page that was asked for is there. */
  get asking(): Promise<void> | undefined {
    return this.#asking;
  }

  follow(replid: string): void {
    this.stop();
    this.#replid = replid;
  }

  /** Ends what is under way; keys whose values were not folded are read again. */
  stop(): void {
    this.#ending.abort();
    this.#ending = new AbortController();
    this.#asking = undefined;
    this.#reader.close();
    this.#found = undefined;
    for (const key of this.#reading?.keys ?? []) this.#unread.add(this.#reading?.db ?? 0, key);
    this.#reading = undefined;
    this.#unread.endWatch();
  }

  /** Whether all that there is was read. */
  hasRead(range: KeyRange, state: StateStore): boolean {
    if (!this.#ended || !this.#unread.isEmpty) return false;
    if (this.#marked === undefined) {
      this.#unread.overflowed = false;
      this.#marked = markedIn(range, this.#fills, state);
    }
    this.#nextMarked ??= this.#marked.next().value;
    if (this.#nextMarked !== undefined) return false;
    if (!this.#unread.overflowed) return true;
    this.#marked = undefined;
    return this.hasRead(range, state);
  }

  /** The mapping is filled; the next one begins. */
  done(): void {
    this.#ended = false;
    this.#found = undefined;
    this.#marked = undefined;
    this.#nextMarked = undefined;
  }

  /** Reads the next page. @param arrived is told of it, or why it cannot be read */
  ask(range: KeyRange, fill: Fill, shard: Shard, arrived: (page: ReadPage | string) => void): void {
    const { signal } = this.#ending;
    const waits = AbortSignal.any([signal, shard.stopping]);
    this.#unread.watch();
    // In turns: keys that come and go are named without end.
    const scansNow = !this.#ended && this.#wasNamed;
    this.#reading = scansNow ? undefined : this.#unread.take(this.#pageKeys);
    this.#wasNamed = this.#reading !== undefined;
    if (this.#reading === undefined && this.#ended) {
      this.#reading = this.#nextMarked;
      this.#nextMarked = undefined;
    }
    const marked = this.#reading;
    const read = async (): Promise<ReadPage> => {
      const began = performance.now();
      const run = await this.#reader.open(waits);
      const page = marked === undefined ? await this.#scan(range, fill, run) : await this.#read('marked', marked);
      this.#tookMs = performance.now() - began;
      return page;
    };
    const asking = pause(Math.min(this.#tookMs, LONGEST_REST), undefined, { signal: waits })
      .then(() =>
        retryUntilDone(read, {
          signal: waits,
          firstWaitMs: 100,
          longestWaitMs: 10_000,
          onWait: ({ error, waitMs }) => {
            shard.told.fillWaits(error, waitMs);
          },
        }),
      )
      .then(
        (page) => {
          if (!signal.aborted) arrived(page);
        },
        (error: unknown) => {
          if (!waits.aborted) arrived(reasonOf(error));
        },
      )
      .finally(() => {
        if (this.#asking === asking) this.#asking = undefined;
      });
    this.#asking = asking;
  }

  /** The page is folded. */
  folded(page: ReadPage): void {
    this.#reading = undefined;
    if (page.kind === 'end') this.#ended = true;
    if (page.kind !== 'scanned' || this.#found === undefined) return;
    const left = this.#found.keys.slice(page.values.length);
    this.#found = left.length === 0 ? undefined : { ...this.#found, keys: left };
  }

  /** The page does not count: its keys, as far as nobody has read them yet, are read again. */
  readAgain(page: ReadPage, isUnread: (db: number, key: Buffer) => boolean): void {
    this.#reading = undefined;
    this.#unread.endWatch();
    if (page.kind !== 'marked') return;
    for (const { key } of page.values) if (isUnread(page.db, key)) this.#unread.add(page.db, key);
  }

  async #scan({ prefix }: KeyRange, { cursor: folded }: Fill, run: string): Promise<ReadPage> {
    // The cursor of another run says nothing: the keys are gone over from the first on.
    const cursor = folded?.run === run ? folded : { run, db: 0, at: SCAN_START };
    if (this.#found?.run !== run) this.#found = undefined;
    if (this.#found === undefined) {
      const db = (await this.#reader.databases()).find((one) => one >= cursor.db);
      if (db === undefined) return await this.#end(cursor);
      const { next, keys } = await this.#reader.scan(db, db === cursor.db ? cursor.at : SCAN_START, prefix);
      const after = next === undefined ? { run, db: db + 1, at: SCAN_START } : { run, db, at: next };
      this.#found = { run, db, keys: distinct(keys), after };
    }
    const { db, keys, after } = this.#found;
    const page = keys.slice(0, this.#pageKeys);
    return {
      ...(await this.#read('scanned', { db, keys: page })),
      cursor: page.length < keys.length ? undefined : after,
    };
  }

  /** What was created before SCAN had come to its end is named by the stream up to here. */
  async #end(cursor: FillCursor): Promise<ReadPage> {
    return { kind: 'end', db: 0, offset: await this.#reader.offset(this.#replid), values: [], cursor };
  }

  async #read(kind: ReadPage['kind'], { db, keys }: KeysToRead): Promise<ReadPage> {
    const { offset, values, bytes } = await this.#reader.read(db, keys, this.#replid);
    const perKey = Math.max(1, bytes / Math.max(1, values.length));
    const fits = Math.min(this.#pageKeys * 2, Math.floor(PAGE_BYTES / perKey));
    if (keys.length > 0) this.#pageKeys = Math.min(MOST_KEYS, Math.max(LEAST_KEYS, fits));
    return { kind, db, offset, values, cursor: undefined };
  }
}

/** Pages of the keys that are marked in the state. */
function* markedIn(range: KeyRange, fills: Fills, state: StateStore): Generator<KeysToRead, undefined> {
  for (const db of state.databases()) {
    let keys: Buffer[] = [];
    let looked = 0;
    for (const key of state.keys(db)) {
      if (fills.isIn(range, db, key) && isUnreadHash(state.get(db, key)?.current ?? null)) keys.push(key);
      // An empty page gives the stream its turn.
      if (keys.length < MARKED_KEYS && ++looked % LOOKED_A_TURN !== 0) continue;
      yield { db, keys };
      keys = [];
    }
    if (keys.length > 0) yield { db, keys };
  }
  return undefined;
}

function distinct(keys: readonly Buffer[]): Buffer[] {
  return [...new Map(keys.map((key) => [key.toString('latin1'), key])).values()];
}
