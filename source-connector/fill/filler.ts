import { setImmediate } from 'node:timers/promises';
import { fault } from '../../ops/faults.ts';
import type { RemovalCause, Unresolved } from '../fold/change.ts';
import { packNamesAndValues } from '../packed-hash.ts';
import type { Fill } from '../position.ts';
import type { Filling, FillTurn, Shard } from '../shard.ts';
import { isUnreadHash } from '../unread-hash.ts';
import { checkBreaker, countMissing, vanishedCause } from '../vanished.ts';
import { wholeOf } from '../wide-hash.ts';
import type { Fills, KeyRange } from './fills.ts';
import type { PageReader, ReadPage } from './page-reader.ts';
import type { UnreadFold } from './unread-fold.ts';
import type { UnreadKeys } from './unread-keys.ts';

/** Hashes that are folded anew, or looked at, before the stream has its turn again. */
const HASHES_A_TURN = 500;

export interface FillerParts {
  readonly fills: Fills;
  readonly unread: UnreadKeys;
  readonly fold: UnreadFold;
  readonly pages: PageReader;
}

/**
 * Fills mappings that were added, have grown, or are back, while the stream of all goes on (rule 8). A mapping with other
 * fields is folded anew from the state. For one that was not followed the server's keys are gone over by SCAN: each page
 * is read with its offset, waits until the stream has come there, and is folded then, but for keys that the stream has
 * changed behind that offset. What the stream names before it was read is marked in the state and read as well; what is
 * still marked in the end is gone: its rows have vanished. Only differences are published, so all of it may be done again.
 */
export class Filler implements Filling {
  readonly #parts: FillerParts;
  #arrived: ReadPage | undefined;
  #failure: string | undefined;
  /** The keys of the state that have yet to be looked at, while a mapping is folded anew. */
  #refolding: IterableIterator<Buffer> | undefined;
  #due = true;
  /** Whether only the stream can bring what the next step waits for. */
  #waits = false;

  constructor(parts: FillerParts) {
    this.#parts = parts;
  }

  get facts(): Record<string, Fill> {
    return this.#parts.fills.facts;
  }

  get scans(): boolean {
    return this.#parts.fills.scans;
  }

  get isDue(): boolean {
    return this.#due;
  }

  wake(isFull: boolean): Promise<unknown> | undefined {
    const { fills, pages } = this.#parts;
    if (fills.first === undefined || this.#arrived !== undefined || this.#waits) return undefined;
    if (pages.asking !== undefined) return pages.asking;
    return isFull ? undefined : setImmediate();
  }

  follow(replid: string): void {
    if (this.#parts.pages.replid === replid) return;
    this.#parts.pages.follow(replid);
    this.#arrived = undefined;
  }

  flushed(offset: number): void {
    this.#parts.unread.changedAll(offset);
  }

  endAll(): void {
    const { fills, pages, unread } = this.#parts;
    pages.stop();
    fills.endAll();
    unread.clear();
    this.#arrived = undefined;
    this.#failure = undefined;
    this.#refolding = undefined;
  }

  takeStubborn(): readonly { readonly db: number; readonly key: Buffer }[] {
    return this.#parts.unread.takeStubborn();
  }

  committed(): void {
    this.#due = false;
  }

  close(): void {
    this.#parts.pages.stop();
  }

  async step(turn: FillTurn): Promise<Unresolved | undefined> {
    const { fills, pages, unread } = this.#parts;
    this.#waits = false;
    const { first } = fills;
    if (first === undefined) return undefined;
    const { name, fill, range } = first;
    if (fill.stage === 'refold') {
      await this.#refold(name, range, turn);
      return undefined;
    }
    if (this.#failure !== undefined) {
      const reason = `the mapping ${name} cannot be filled beside the stream: ${this.#failure}`;
      return { kind: 'unresolved', reason, db: range.database, key: Buffer.alloc(0) };
    }
    const page = this.#arrived;
    if (page !== undefined) {
      unread.readAt(page.offset);
      // Until the stream has come there, what the page says is of the future.
      if (page.offset > turn.offset) return undefined;
      this.#arrived = undefined;
      this.#take(name, fill, page, turn);
    }
    if (pages.asking !== undefined || turn.shard.committer.full) return undefined;
    if (pages.hasRead(range, turn.shard.state)) {
      // What was read of a held key is folded when the stream comes to it: until then nobody can say that it is missing.
      this.#waits = this.#holdsUnread(range, turn.shard);
      if (!this.#waits) await this.#finish(name, range, turn);
    } else {
      pages.ask(range, fill, turn.shard, (arrived) => {
        if (typeof arrived === 'string') this.#failure = arrived;
        else this.#arrived = arrived;
      });
    }
    return undefined;
  }

  #holdsUnread(range: KeyRange, { held, state }: Shard): boolean {
    return [...held].some(
      ({ db, key }) => this.#parts.fills.isIn(range, db, key) && isUnreadHash(state.get(db, key)?.current ?? null),
    );
  }

  /** Folds a page that the stream has come to. */
  #take(name: string, fill: Fill, page: ReadPage, { shard, offset }: FillTurn): void {
    const { fills, fold, pages, unread } = this.#parts;
    const { held, told } = shard;
    if (unread.hasChangedAll(page.offset)) {
      pages.readAgain(page, (db, key) => fold.isUnread(db, key));
      return;
    }
    const { db } = page;
    let keys = 0;
    inSnapshot(shard, offset, () => {
      for (const { key, fields, expireAt } of page.values) {
        // What is held, or known, is newer or the same; what has changed is marked, or gone.
        if (unread.hasChanged(db, key, page.offset) || held.has(db, key) || !fold.isUnread(db, key)) continue;
        unread.settled(db, key);
        if (fields === null) continue;
        fold.snapshotHash(db, key, packNamesAndValues(fields), expireAt, 0);
        keys++;
      }
    });
    unread.endWatch();
    pages.folded(page);
    if (page.kind === 'end') fills.list(name);
    fills.set(name, { stage: 'scan', cursor: page.cursor ?? fill.cursor, keys: fill.keys + keys });
    told.filling(name, fill.keys + keys);
    fault('source.fill-page');
  }

  /** Folds some hashes of the state anew. */
  async #refold(name: string, range: KeyRange, turn: FillTurn): Promise<void> {
    const { shard, offset } = turn;
    const { state, fold, clock, committer, told, held } = shard;
    const { fills } = this.#parts;
    const db = range.database;
    const proven = clock.notBefore(offset);
    this.#refolding ??= state.keys(db);
    const keys = this.#refolding;
    let folded = 0;
    const ended = inSnapshot(shard, offset, () => {
      for (let looked = 0; looked < HASHES_A_TURN && !committer.full; looked++) {
        const next = keys.next();
        if (next.done === true) return true;
        const key = next.value;
        // What is held is folded in the mapping's new fields once the stream has come to it.
        if (!fills.isIn(range, db, key) || held.has(db, key)) continue;
        const entry = state.get(db, key);
        if (entry?.current == null || isUnreadHash(entry.current)) continue;
        fold.snapshotHash(db, key, Buffer.from(wholeOf(entry.current)), entry.expireAt, proven);
        folded++;
      }
      return false;
    });
    const keysSoFar = (fills.first?.fill.keys ?? 0) + folded;
    fills.set(name, { stage: 'refold', cursor: null, keys: keysSoFar });
    told.filling(name, keysSoFar);
    fault('source.fill-refolded');
    if (!ended) return;
    this.#refolding = undefined;
    await this.#end(name, {}, turn);
  }

  /** Everything was read: what is still marked is not there, and its rows go as those that a full resync misses. */
  async #finish(name: string, range: KeyRange, turn: FillTurn): Promise<void> {
    const { shard, offset, cut } = turn;
    const { state, clock, committer, fold } = shard;
    const { fills } = this.#parts;
    const proven = clock.notBefore(offset);
    const found = countMissing(shard, (db, key, entry) =>
      isUnreadHash(entry.current) && fills.isIn(range, db, key) ? vanishedCause(entry, proven) : undefined,
    );
    checkBreaker(shard, found, found.rows > 0 && isEmpty(shard) ? 0 : 1);
    for (const db of state.databases()) {
      let looked = 0;
      for (const key of state.keys(db)) {
        if (++looked % HASHES_A_TURN === 0) await setImmediate();
        if (!fills.isIn(range, db, key) || !isUnreadHash(state.get(db, key)?.current ?? null)) continue;
        inSnapshot(shard, offset, () => {
          fold.vanished(db, key, proven);
        });
        if (committer.full) await cut();
      }
    }
    fault('source.fill-vanished');
    this.#parts.pages.done();
    await this.#end(name, found.causes, turn);
  }

  async #end(name: string, missing: Readonly<Partial<Record<RemovalCause, number>>>, turn: FillTurn): Promise<void> {
    const { fills } = this.#parts;
    const keys = fills.first?.fill.keys ?? 0;
    fills.end(name);
    if (!fills.scans) this.#parts.unread.clear();
    turn.shard.told.filled(name, keys, missing);
    await turn.cut();
  }
}

/** Whether no captured key of any mapping is a hash. */
function isEmpty({ state }: Shard): boolean {
  for (const db of state.databases()) {
    for (const key of state.keys(db)) {
      const current = state.get(db, key)?.current ?? null;
      if (current !== null && !isUnreadHash(current)) return false;
    }
  }
  return true;
}

/** What is published meanwhile was read in a snapshot, at this offset. */
function inSnapshot<T>({ recorder, progress }: Shard, offset: number, work: () => T): T {
  recorder.at = Date.now();
  recorder.beginSnapshot(progress.replid, offset);
  try {
    return work();
  } finally {
    recorder.endSnapshot();
  }
}
