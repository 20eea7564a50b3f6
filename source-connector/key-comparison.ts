import { SCAN_START } from '../clients/redis/index.ts';
import type { DirtyKeys } from './capture/dirty-keys.ts';
import type { KeyspaceSession, SilentCommands, WatchedPrefix } from './capture/keyspace.ts';
import { vanishedCause } from './fold/removal-cause.ts';
import type { RemovalCause } from './fold/change.ts';
import type { ComparisonReason, KeyEventNews } from './key-event-news.ts';
import type { KeyReads, PageResult } from './key-reads.ts';
import type { Shard } from './shard.ts';
import type { Census, Entry } from './state/port.ts';
import { checkBreaker, countMissing } from './vanished.ts';

/** How many keys of the database one SCAN looks at. */
const SCAN_COUNT = 200;

export interface ComparisonParts {
  readonly shard: Shard;
  readonly session: KeyspaceSession;
  readonly dirty: DirtyKeys;
  readonly reads: KeyReads;
  readonly prefixes: readonly WatchedPrefix[];
  readonly reason: ComparisonReason;
  /** What the server had counted when the last comparison began that was ended; undefined where it is not known. */
  readonly silentBefore: SilentCommands | undefined;
  readonly told: KeyEventNews;
  /** Commits what was folded, when that is enough for a batch. */
  readonly cutIfFull: () => Promise<void>;
}

/**
 * Compares all keys with the state and publishes the differences, whatever was told or was not: pages of SCAN, each read
 * and folded, and then what no page has shown. A key that is missing is read before it is called missing, and what is
 * told of a key meanwhile wins, so that no race takes a row away. What remains is vanished, behind the breaker (rule 4).
 */
export class KeyComparison {
  readonly reason: ComparisonReason;
  readonly #parts: ComparisonParts;
  /** What the state held when this began, but for what SCAN has shown or a read has explained since. */
  readonly #unseen: Census;
  #hashes = 0;
  #unheard = 0;
  #compared = 0;

  constructor(parts: ComparisonParts) {
    this.#parts = parts;
    this.reason = parts.reason;
    this.#unseen = parts.shard.state.census();
    parts.reads.census = this.#unseen;
  }

  /** Keys that were looked at so far. */
  get compared(): number {
    return this.#compared;
  }

  /** Does it, a piece at a time. Each gives how many keys the server was asked for, so that the caller can pace them. */
  async *pieces(): AsyncGenerator<number, void> {
    const { shard, session, reads, prefixes, reason, told, cutIfFull } = this.#parts;
    for (const prefix of prefixes) {
      for (let cursor: string | undefined = SCAN_START; cursor !== undefined;) {
        const page = await session.scan(prefix, cursor, SCAN_COUNT);
        cursor = page.next;
        const keys = page.keys.filter((key) => shard.policiesOf(prefix.db, key) !== undefined);
        for (const key of keys) this.#unseen.crossOff(prefix.db, key);
        if (keys.length > 0) this.#add(await reads.named(prefix.db, keys, reason === 'start'));
        await cutIfFull();
        yield Math.max(SCAN_COUNT, page.keys.length);
      }
    }
    let now = 0;
    let hasMissing = false;
    for (const { db, keys } of this.#notShown()) {
      const page = await reads.named(db, keys, false);
      this.#add(page);
      now = page.now;
      hasMissing ||= page.unexplained.length > 0;
      await cutIfFull();
      yield keys.length;
    }
    if (hasMissing) await this.#remove(now);
    reads.census = undefined;
    told.compared({ reason, hashes: this.#hashes, unheard: this.#unheard });
  }

  #add({ hashes, unheard, unexplained }: PageResult): void {
    this.#hashes += hashes;
    this.#unheard += unheard + unexplained.length;
    this.#compared += hashes + unexplained.length;
  }

  /** Keys of the state that had a hash when last seen, and that no page has shown. */
  *#notShown(): Generator<{ db: number; keys: Buffer[] }> {
    const { state, policiesOf } = this.#parts.shard;
    for (const db of state.databases()) {
      let keys: Buffer[] = [];
      for (const key of state.keys(db)) {
        if (!this.#unseen.has(db, key) || policiesOf(db, key) === undefined) continue;
        if (state.get(db, key)?.current == null) continue;
        keys.push(key);
        if (keys.length < SCAN_COUNT) continue;
        yield { db, keys };
        keys = [];
      }
      if (keys.length > 0) yield { db, keys };
    }
  }

  /** Folds the absence of hashes that no event has explained, unless that is too many to be believed. */
  async #remove(now: number): Promise<void> {
    const { shard, session, dirty, silentBefore, cutIfFull } = this.#parts;
    const { state, fold, told, policiesOf } = shard;
    const silent = await session.silentCommands();
    const flushed = silent !== undefined && silentBefore !== undefined && silent.flushes > silentBefore.flushes;
    const causeOf = (db: number, key: Buffer, entry: Pick<Entry, 'expireAt'>): RemovalCause | undefined => {
      // Told of since it was read: it is read again, whatever this comparison has found.
      if (!this.#unseen.has(db, key) || dirty.has(db, key) || policiesOf(db, key) === undefined) return undefined;
      return flushed ? 'flushed' : vanishedCause(entry, now);
    };
    const counted = countMissing(shard, causeOf);
    checkBreaker(shard, counted, this.#hashes);
    if (flushed) told.flushed('all', 'all');
    for (const db of state.databases()) {
      for (const key of state.keys(db)) {
        const entry = state.get(db, key);
        if (entry?.current == null) continue;
        const cause = causeOf(db, key, entry);
        if (cause === undefined) continue;
        shard.recorder.command = 'RECONCILIATION';
        fold.gone(db, key, cause);
        await cutIfFull();
      }
    }
  }
}
