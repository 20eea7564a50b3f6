import type { CapturesKey } from './decode/ports.ts';
import type { SavedKey } from './position.ts';

/** A key whose value the stream does not hold. */
export interface NamedKey {
  readonly db: number;
  readonly key: Buffer;
  /** The command that named it. */
  readonly command: string;
  /** The offset before that command. */
  readonly since: number;
}

/** Such a key, which has yet to be read. */
export interface UnreadKey extends NamedKey {
  /** Why it has to be. */
  readonly reason: string;
}

/** Such a key, and what was read of it beside the stream. */
export interface HeldKey extends NamedKey {
  /** The offset that the value is from: what the stream says of the key up to here is in it. */
  readonly offset: number;
  /** The packed hash; null where the key is gone, or is no hash. */
  readonly hash: Buffer | null;
  /** ms since the epoch; 0 without expiry. */
  readonly expireAt: number;
}

const ANEW = 'a key that was held back';
/** A position names held keys up to this size, bytes of JSON: it is a record, and smaller than the smallest usual limit. */
const SAVED_BYTES = 256 * 1024;
/** What a key's entry in a position takes beside its key and command, at most, bytes. */
const ENTRY_BYTES = 32;
/** Values of more bytes are not held in memory, unless it is one. */
const VALUE_BYTES = 64 * 1024 * 1024;

/**
 * Keys whose value the stream did not hold: they are read beside it, and held back until the stream has come to where they
 * were read (rule 6). Until then what it says of them is left out, and each position names them: who goes on from it reads
 * them again before anything else. They outlive a link: the next one goes on behind the command that named them. On
 * another stream the offsets of the reads mean nothing, so there the keys are read again, too.
 */
export class HeldKeys {
  readonly #unread = new Map<string, UnreadKey>();
  readonly #held = new Map<string, HeldKey>();
  /** The least offset that one of them waits for. */
  #next = Infinity;
  #savedBytes = 0;
  #valueBytes = 0;

  /** Those that a position names, as far as they are still captured. */
  static saved(saved: readonly SavedKey[], captures: CapturesKey): HeldKeys {
    const held = new HeldKeys();
    for (const [db, text, command, since] of saved) {
      const key = Buffer.from(text, 'base64');
      if (captures(key, 0, key.length)) held.name({ db, key, command, since, reason: ANEW });
    }
    return held;
  }

  get isEmpty(): boolean {
    return this.#held.size === 0 && this.#unread.size === 0;
  }

  /** Whether a position can name all of them. */
  get fits(): boolean {
    return this.#savedBytes <= SAVED_BYTES;
  }

  /** Whether memory should hold no more of them. */
  get isTooMuch(): boolean {
    return this.#held.size > 1 && this.#valueBytes > VALUE_BYTES;
  }

  has(db: number, key: Buffer): boolean {
    const name = nameOf(db, key);
    return this.#held.has(name) || this.#unread.has(name);
  }

  /** How many keys have yet to be read. */
  get unreadCount(): number {
    return this.#unread.size;
  }

  /** Keys that have yet to be read. */
  get unread(): readonly UnreadKey[] {
    return [...this.#unread.values()];
  }

  /** All of them, as a position names them. */
  get saved(): SavedKey[] {
    return [...this].map(({ db, key, command, since }) => [db, key.toString('base64'), command, since]);
  }

  *[Symbol.iterator](): Generator<NamedKey, undefined> {
    yield* this.#unread.values();
    yield* this.#held.values();
  }

  /** A key that has to be read; what was read of it before does not count. */
  name({ db, key, command, since, reason }: UnreadKey): void {
    const name = nameOf(db, key);
    const before = this.#drop(name);
    const named = { db, key, command, since: Math.min(since, before?.since ?? Infinity), reason };
    this.#unread.set(name, named);
    this.#savedBytes += savedBytes(named);
  }

  /** What was read of a key. */
  hold(held: HeldKey): void {
    const name = nameOf(held.db, held.key);
    this.#drop(name);
    this.#held.set(name, held);
    this.#savedBytes += savedBytes(held);
    this.#valueBytes += held.hash?.length ?? 0;
    this.#next = Math.min(this.#next, held.offset);
  }

  /** The stream is another one: what was read has to be read again. */
  forgetValues(): void {
    const names = [...this];
    this.clear();
    for (const one of names) this.name({ ...one, reason: ANEW });
  }

  clear(): void {
    this.#unread.clear();
    this.#held.clear();
    this.#next = Infinity;
    this.#savedBytes = 0;
    this.#valueBytes = 0;
  }

  /** Takes those that the stream has come to. */
  take(offset: number): HeldKey[] {
    if (offset < this.#next) return [];
    const reached: HeldKey[] = [];
    this.#next = Infinity;
    for (const [name, held] of this.#held) {
      if (held.offset > offset) this.#next = Math.min(this.#next, held.offset);
      else {
        this.#drop(name);
        reached.push(held);
      }
    }
    return reached;
  }

  #drop(name: string): NamedKey | undefined {
    const held = this.#held.get(name);
    const dropped = held ?? this.#unread.get(name);
    if (dropped === undefined) return undefined;
    this.#savedBytes -= savedBytes(dropped);
    this.#valueBytes -= held?.hash?.length ?? 0;
    this.#held.delete(name);
    this.#unread.delete(name);
    return dropped;
  }
}

function savedBytes({ key, command }: NamedKey): number {
  return Math.ceil(key.length / 3) * 4 + command.length + ENTRY_BYTES;
}

function nameOf(db: number, key: Buffer): string {
  return `${db} ${key.toString('latin1')}`;
}
