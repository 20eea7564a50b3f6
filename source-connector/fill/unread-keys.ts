/** A page of keys to be read, of one database. */
export interface KeysToRead {
  readonly db: number;
  readonly keys: readonly Buffer[];
}

/** So many keys wait in memory; what comes beyond is found in the state, where it is marked. */
const WAITING = 20_000;
/** So many keys are noted while a page is read; beyond, the page is read again. */
const WATCHED = 100_000;
/** A key that has changed each time that it was read is read while the stream waits. */
const ATTEMPTS = 5;

/** Keys that the stream has named before anybody had read them, and those that it has changed while a page is read. */
export class UnreadKeys {
  readonly #waiting = new Map<string, { readonly db: number; readonly key: Buffer }>();
  readonly #attempts = new Map<string, number>();
  readonly #changed = new Map<string, number>();
  #stubborn: { readonly db: number; readonly key: Buffer }[] = [];
  #watches = false;
  /** What comes up to here is in the page that is watched for. */
  #from = -1;
  #allChanged = -1;
  /** Whether keys wait that are known by their marks in the state only. */
  overflowed = false;

  get isEmpty(): boolean {
    return this.#waiting.size === 0 && this.#stubborn.length === 0;
  }

  /** A key to be read soon. */
  add(db: number, key: Buffer): void {
    const name = nameOf(db, key);
    if ((this.#attempts.get(name) ?? 0) >= ATTEMPTS) {
      this.#attempts.delete(name);
      this.#stubborn.push({ db, key: Buffer.from(key) });
    } else if (this.#waiting.has(name)) return;
    else if (this.#waiting.size >= WAITING) this.overflowed = true;
    else this.#waiting.set(name, { db, key: Buffer.from(key) });
  }

  /** Takes keys of one database; undefined when none waits. */
  take(limit: number): KeysToRead | undefined {
    const [first] = this.#waiting.values();
    if (first === undefined) return undefined;
    const keys: Buffer[] = [];
    for (const [name, { db, key }] of this.#waiting) {
      if (keys.length >= limit) break;
      if (db !== first.db) continue;
      this.#waiting.delete(name);
      this.#attempts.set(name, (this.#attempts.get(name) ?? 0) + 1);
      keys.push(key);
    }
    return { db: first.db, keys };
  }

  /** Takes the keys that change faster than they can be read beside the stream. */
  takeStubborn(): readonly { readonly db: number; readonly key: Buffer }[] {
    const found = this.#stubborn;
    this.#stubborn = [];
    return found;
  }

  /** From now on a page is being read. */
  watch(): void {
    this.#watches = true;
    this.#from = -1;
    this.#allChanged = -1;
    this.#changed.clear();
  }

  /** The page that is watched for was read at this offset. */
  readAt(offset: number): void {
    this.#from = offset;
  }

  endWatch(): void {
    this.#watches = false;
    this.#changed.clear();
  }

  /** The stream has changed a key, by a command that ends at this offset. */
  changed(db: number, key: Buffer, offset: number): void {
    if (!this.#watches || offset <= this.#from) return;
    if (this.#changed.size >= WATCHED) this.#allChanged = Infinity;
    else this.#changed.set(nameOf(db, key), offset);
  }

  /** The stream may have changed any key. */
  changedAll(offset: number): void {
    this.#allChanged = Math.max(this.#allChanged, offset);
  }

  /** Whether the stream may have changed any key behind this offset since the watch began. */
  hasChangedAll(offset: number): boolean {
    return this.#allChanged > offset;
  }

  /** Whether the stream has changed the key behind this offset since the watch began. */
  hasChanged(db: number, key: Buffer, offset: number): boolean {
    return (this.#changed.get(nameOf(db, key)) ?? -1) > offset;
  }

  /** The key was read. */
  settled(db: number, key: Buffer): void {
    this.#attempts.delete(nameOf(db, key));
  }

  clear(): void {
    this.#waiting.clear();
    this.#attempts.clear();
    this.#stubborn = [];
    this.overflowed = false;
    this.endWatch();
  }
}

function nameOf(db: number, key: Buffer): string {
  return `${db} ${key.toString('latin1')}`;
}
