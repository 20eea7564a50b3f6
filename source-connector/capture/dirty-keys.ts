import { KeyHistory } from './key-history.ts';

export interface DirtyLimits {
  /** Keys that may wait to be read. */
  readonly keys: number;
  /** Bytes that their names may take. */
  readonly bytes: number;
}

/** What a key that waits takes beside its name, about, bytes. */
const OVERHEAD = 400;

/**
 * The keys that were told to have changed and wait to be read, the one that waits longest first. Bounded: when more
 * change than may be held, the others are forgotten, and it is remembered that some were (`overflowed`).
 *
 * A key that is being read is still listened for: told of meanwhile, it becomes dirty again when its read is over.
 */
export class DirtyKeys {
  readonly #limits: DirtyLimits;
  readonly #waiting = new Map<string, KeyHistory>();
  readonly #reading = new Map<string, KeyHistory>();
  #bytes = 0;
  #overflowed = false;

  constructor(limits: DirtyLimits) {
    this.#limits = limits;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Whether keys were forgotten since `comparing` was called last. */
  get overflowed(): boolean {
    return this.#overflowed;
  }

  /** When the key that waits longest was told of, ms of the monotonic clock; undefined when none waits. */
  get oldest(): number | undefined {
    for (const { since } of this.#reading.values()) return since;
    for (const { since } of this.#waiting.values()) return since;
    return undefined;
  }

  /** Notes an event of a key. @returns whether the key was not waiting before */
  told(db: number, key: Buffer, event: string, now: number): boolean {
    const name = nameOf(db, key);
    const read = this.#reading.get(name);
    if (read !== undefined) {
      const first = read.later === undefined;
      read.later ??= new KeyHistory(db, read.key, now);
      read.later.add(event);
      return first;
    }
    const known = this.#waiting.get(name);
    if (known !== undefined) {
      known.add(event);
      return false;
    }
    // A view of a few bytes would keep a whole chunk of the socket alive.
    const history = new KeyHistory(db, Buffer.from(key), now);
    history.add(event);
    this.#wait(name, history);
    return true;
  }

  /** Whether something was told of a key that no read has covered. */
  has(db: number, key: Buffer): boolean {
    const name = nameOf(db, key);
    return this.#waiting.has(name) || this.#reading.get(name)?.later !== undefined;
  }

  /** Begins to read the keys that have waited longest, as many as that. */
  takeOldest(most: number): KeyHistory[] {
    const taken: KeyHistory[] = [];
    for (const history of this.#waiting.values()) {
      if (taken.length >= most) break;
      taken.push(history);
    }
    for (const history of taken) this.#begin(nameOf(history.db, history.key), history);
    return taken;
  }

  /** Begins to read a key, whether or not anything was told of it. */
  take(db: number, key: Buffer, now: number): KeyHistory {
    const name = nameOf(db, key);
    const history = this.#waiting.get(name) ?? new KeyHistory(db, Buffer.from(key), now);
    this.#begin(name, history);
    return history;
  }

  /** A read is over: what was told meanwhile waits for the next one, and so does the key if `again`. */
  settle(history: KeyHistory, again = false): void {
    const name = nameOf(history.db, history.key);
    this.#reading.delete(name);
    if (again) history.later ??= new KeyHistory(history.db, history.key, history.since);
    if (history.later !== undefined) this.#wait(name, history.later);
  }

  /** All keys are going to be read, so those count no more that were forgotten until now. */
  comparing(): void {
    this.#overflowed = false;
  }

  #begin(name: string, history: KeyHistory): void {
    if (this.#waiting.delete(name)) this.#bytes -= sizeOf(history);
    this.#reading.set(name, history);
  }

  #wait(name: string, history: KeyHistory): void {
    const bytes = this.#bytes + sizeOf(history);
    if (this.#waiting.size >= this.#limits.keys || bytes > this.#limits.bytes) {
      this.#overflowed = true;
      return;
    }
    this.#waiting.set(name, history);
    this.#bytes = bytes;
  }
}

function nameOf(db: number, key: Buffer): string {
  return `${db} ${key.toString('latin1')}`;
}

function sizeOf({ key }: KeyHistory): number {
  return key.length + OVERHEAD;
}
