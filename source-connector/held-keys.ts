/** A key whose value was read beside the stream. */
export interface HeldKey {
  readonly db: number;
  readonly key: Buffer;
  /** The offset that the value is from: what the stream says of the key up to here is in it. */
  readonly offset: number;
  /** The packed hash; null where the key is gone, or is no hash. */
  readonly hash: Buffer | null;
  /** ms since the epoch; 0 without expiry. */
  readonly expireAt: number;
  /** The command that brought the value. */
  readonly command: string;
}

/**
 * Keys whose value the stream did not hold, with what was read of them, until the stream has come to where they were
 * read (rule 6). Until then what it says of them is left out, and no position is committed. They outlive a link: the
 * next one goes on behind the command that named them. On another stream their offsets mean nothing.
 */
export class HeldKeys {
  readonly #held = new Map<string, HeldKey>();
  /** The least offset that one of them waits for. */
  #next = Infinity;

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  has(db: number, key: Buffer): boolean {
    return this.#held.has(nameOf(db, key));
  }

  /** Holds a key back; a later read of the same key replaces an earlier one. */
  hold(held: HeldKey): void {
    this.#held.set(nameOf(held.db, held.key), held);
    this.#next = Math.min(this.#next, held.offset);
  }

  clear(): void {
    this.#held.clear();
    this.#next = Infinity;
  }

  /** Takes those that the stream has come to. */
  take(offset: number): HeldKey[] {
    if (offset < this.#next) return [];
    const reached = [...this.#held].filter(([, held]) => held.offset <= offset);
    for (const [name] of reached) this.#held.delete(name);
    this.#next = Math.min(Infinity, ...[...this.#held.values()].map((held) => held.offset));
    return reached.map(([, held]) => held);
  }
}

function nameOf(db: number, key: Buffer): string {
  return `${db} ${key.toString('latin1')}`;
}
