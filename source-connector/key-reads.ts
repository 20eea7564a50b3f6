import type { DirtyKeys } from './capture/dirty-keys.ts';
import type { KeyHistory } from './capture/key-history.ts';
import type { KeyReading, KeyspaceSession } from './capture/keyspace.ts';
import { vanishedCause } from './fold/removal-cause.ts';
import type { FoldTime, RemovalCause } from './fold/change.ts';
import { packNamesAndValues } from './packed-hash.ts';
import type { KeyEventNews } from './key-event-news.ts';
import type { Shard } from './shard.ts';
import type { Census } from './state/port.ts';

/** The command of a change that no event told of. */
const UNHEARD = 'RECONCILIATION';

/** What a page of keys came to. */
export interface PageResult {
  /** Keys whose hash is gone, and nothing that was told explains it. They are not folded. */
  readonly unexplained: readonly KeyHistory[];
  readonly hashes: number;
  /** Changes of keys that nothing was told of. */
  readonly unheard: number;
  /** A moment on the server's clock before the reads, ms. */
  readonly now: number;
}

/** Reads keys and folds what they hold; what is told of a key while it is read has it read again. */
export class KeyReads {
  readonly #shard: Shard;
  readonly #session: KeyspaceSession;
  readonly #dirty: DirtyKeys;
  readonly #told: KeyEventNews;
  /** Of the comparison that goes on: what was read since it began need not be read for it. */
  census: Census | undefined;

  constructor(shard: Shard, session: KeyspaceSession, dirty: DirtyKeys, told: KeyEventNews) {
    this.#shard = shard;
    this.#session = session;
    this.#dirty = dirty;
    this.#told = told;
  }

  /** Those that have waited longest. */
  async oldest(most: number): Promise<PageResult> {
    return await this.#read(this.#dirty.takeOldest(most), false);
  }

  /** Keys of a database, told of or not. `snapshot`: as a first look at them, which is no change of theirs. */
  async named(db: number, keys: Iterable<Buffer>, snapshot: boolean): Promise<PageResult> {
    const now = performance.now();
    // SCAN may give a key twice.
    const once = new Map([...keys].map((key) => [key.toString('latin1'), key]));
    return await this.#read(
      [...once.values()].map((key) => this.#dirty.take(db, key, now)),
      snapshot,
    );
  }

  async #read(keys: readonly KeyHistory[], snapshot: boolean): Promise<PageResult> {
    const { recorder } = this.#shard;
    const { readings, now } = await this.#session.readKeys(keys);
    this.#told.keysRead(keys.length);
    recorder.at = Date.now();
    if (snapshot) recorder.beginSnapshot('', 0);
    const unexplained: KeyHistory[] = [];
    const counts = { hashes: 0, unheard: 0 };
    for (const [index, history] of keys.entries()) {
      const reading = readings[index];
      if (reading === undefined) continue;
      const before = recorder.version;
      if (reading.holds === 'hash') counts.hashes++;
      if (!this.#fold(history, reading, now, snapshot)) unexplained.push(history);
      if (history.event === '' && history.later === undefined && recorder.version !== before) counts.unheard++;
      this.#dirty.settle(history, reading.holds === 'unsure');
    }
    if (snapshot) recorder.endSnapshot();
    return { ...counts, unexplained, now };
  }

  /** @returns whether what was told explains what was found */
  #fold(history: KeyHistory, reading: KeyReading, now: number, snapshot: boolean): boolean {
    const { fold, recorder, state } = this.#shard;
    const { db, key } = history;
    if (reading.holds === 'unsure') return true;
    if (reading.holds === 'hash') this.census?.crossOff(db, key);
    const command = history.event === '' ? UNHEARD : history.event.toUpperCase();
    if (!snapshot) recorder.command = command;
    const entry = state.get(db, key);
    if (reading.holds === 'hash') {
      const fields = packNamesAndValues(reading.fields);
      const expireAt = this.#asKnown(reading.expireAt, entry?.expireAt ?? 0);
      if (snapshot) fold.snapshotHash(db, key, fields, expireAt, 0);
      else fold.apply({ kind: 'replace', db, key, fields, expireAt }, timeOf(command));
      return true;
    }
    if (entry?.current == null) return true;
    const cause = this.#provable(history.causeOf(reading.holds), entry.expireAt, now);
    if (cause === undefined) return false;
    this.census?.crossOff(db, key);
    fold.gone(db, key, cause);
    return true;
  }

  /** An expiry that is not known exactly is no other one for a few ms: a row that tells it would change at each read. */
  #asKnown(expireAt: number, known: number): number {
    if (expireAt === 0 || known === 0) return expireAt;
    return Math.abs(expireAt - known) <= this.#session.expiryPrecisionMs ? known : expireAt;
  }

  /** A replica tells of an expiry as of a delete, and hides an expired key before it tells anything. */
  #provable(told: RemovalCause | undefined, expireAt: number, now: number): RemovalCause | undefined {
    const mayHaveExpired = vanishedCause({ expireAt }, now) === 'ambiguous';
    if (mayHaveExpired && (told === undefined || (told === 'deleted' && this.#session.isReplica))) return 'ambiguous';
    return told;
  }
}

/** Of a read nothing is known but its command. */
function timeOf(command: string): FoldTime {
  return { command, notBefore: 0, notAfter: Infinity, evicted: () => 'no' };
}
