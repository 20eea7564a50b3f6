import { HashEditor } from '../hash-editor.ts';
import { fieldsOf, isPending, pendingMark } from '../mark.ts';
import {
  decodePendingWrite,
  digestOf,
  encodePendingWrite,
  isOperation,
  STAGED,
  TOKEN,
  type PendingWrite,
  type StagedOperation,
} from '../pending-write.ts';
import { PackedCursor, packHash } from '../packed-hash.ts';
import { readStagedKey, verdictKeyOf } from '../staged-key.ts';
import type { StateStore } from '../state/port.ts';
import { wholeOf, type HeldHash } from '../wide-hash.ts';

const NOTHING: Buffer = Buffer.alloc(0);

/** What a client staged, read. */
export interface StagedRequest {
  /** Undefined for an operation that is not known. */
  readonly operation: StagedOperation | undefined;
  /** What stood in `#`; undefined without that field. */
  readonly token: Buffer | undefined;
  /** Empty for none. */
  readonly id: Buffer;
  /** The fields beside `#`, packed; no name twice. A copy. */
  readonly fields: Buffer;
}

/** Where the mark of a write stands, and what it is. */
export interface WriteMark {
  readonly db: number;
  readonly key: Buffer;
  readonly mark: Buffer | null;
}

/**
 * The write-throughs of a shard that are not decided yet: in the state, and by key in memory, in the order of their numbers. Pure but for
 * the state.
 */
export class StagedWrites {
  readonly #state: StateStore;
  readonly #byKey = new Map<string, PendingWrite[]>();
  readonly #editor = new HashEditor();

  /** @param databases that are read by mappings with write-through: what the state holds of them is taken up */
  constructor(state: StateStore, databases: Iterable<number>) {
    this.#state = state;
    for (const db of new Set(databases)) for (const name of state.keys(STAGED + db)) this.#load(db, name);
    for (const writes of this.#byKey.values()) writes.sort((a, b) => a.number - b.number);
  }

  get isEmpty(): boolean {
    return this.#byKey.size === 0;
  }

  /** The pending writes of a key, in their order. */
  of(db: number, key: Buffer): readonly PendingWrite[] {
    return this.#byKey.size === 0 ? NONE : (this.#byKey.get(nameOf(db, key)) ?? NONE);
  }

  /** The first pending write of each key that has one. */
  *heads(): IterableIterator<PendingWrite> {
    for (const [head] of this.#byKey.values()) if (head !== undefined) yield head;
  }

  has({ db, key, number }: PendingWrite): boolean {
    return this.of(db, key).some((write) => write.number === number);
  }

  add(write: PendingWrite): WriteMark {
    this.#take(write);
    const mark = pendingMark(encodePendingWrite(write));
    const name = verdictKeyOf(write.key, write.number);
    this.#state.put(STAGED + write.db, name, { current: null, expireAt: 0, published: null, mark });
    return { db: write.db, key: name, mark };
  }

  /** Takes off a write that is decided; undefined where there is none of this number. */
  remove(db: number, key: Buffer, number: number): WriteMark | undefined {
    const writes = this.of(db, key);
    const left = writes.filter((write) => write.number !== number);
    if (left.length === writes.length) return undefined;
    if (left.length === 0) this.#byKey.delete(nameOf(db, key));
    else this.#byKey.set(nameOf(db, key), left);
    const name = verdictKeyOf(key, number);
    this.#state.put(STAGED + db, name, { current: null, expireAt: 0, published: null, mark: null });
    return { db, key: name, mark: null };
  }

  /**
   * The fields of a key's row while writes are pending: those of the hash with the staged ones over them; null for no row.
   * @param picked the fields of the hash that rows are made of; of no hash, null
   * @param hash all of it: it decides whether a pending delete means this very hash
   */
  over(db: number, key: Buffer, picked: Buffer | null, hash: HeldHash | null): Buffer | null {
    let row = picked;
    for (const { operation, error, fields, before, expected } of this.of(db, key)) {
      if (error !== '') continue;
      if (operation === '=')
        row = fields.length === 0 && row === null ? null : Buffer.from(this.#editor.set(row, fields));
      else if (operation === '~') {
        const digest = digestOf(hash === null ? null : wholeOf(hash));
        if (digest === before || digest === expected) row = null;
      }
    }
    return row;
  }

  /** What a hash will be once all that is pending is done. */
  afterAll(db: number, key: Buffer, hash: HeldHash | null): Buffer | null {
    let after = hash === null ? null : Buffer.from(wholeOf(hash));
    for (const { operation, error, fields } of this.of(db, key)) {
      if (error !== '') continue;
      if (operation === '=' || operation === '+') after = Buffer.from(this.#editor.set(after, fields));
      else after = null;
    }
    return after;
  }

  /** What was written to a staging key. */
  read(fields: Buffer): StagedRequest {
    const staged = Buffer.from(this.#editor.set(null, fields));
    const value = this.#editor.valueOf(staged, TOKEN);
    if (value === undefined) return { operation: '=', token: undefined, id: NOTHING, fields: staged };
    const token = Buffer.from(value);
    const named = token.toString('latin1', 0, 1);
    const rest = this.#editor.unset(staged, [TOKEN]);
    return {
      operation: isOperation(named) ? named : undefined,
      token,
      id: token.subarray(1),
      fields: rest === null ? NOTHING : Buffer.from(rest),
    };
  }

  /**
   * What of a staging hash, read as a whole, no pending write has taken: packed fields as a client would write them, or null for nothing.
   */
  untaken(db: number, key: Buffer, staged: Buffer): Buffer | null {
    const writes = this.of(db, key);
    const names: Buffer[] = [];
    let taken = NOTHING;
    for (const { fields, token } of writes) {
      taken = Buffer.from(this.#editor.set(taken, fields));
      if (token !== undefined) taken = Buffer.from(this.#editor.set(taken, packToken(token)));
    }
    const cursor = new PackedCursor().reset(taken);
    while (cursor.next()) {
      const held = this.#editor.valueOf(staged, cursor.name());
      if (held?.equals(cursor.value()) === true) names.push(Buffer.from(cursor.name()));
    }
    const left = this.#editor.unset(staged, names);
    return left === null ? null : Buffer.from(left);
  }

  #take(write: PendingWrite): void {
    const name = nameOf(write.db, write.key);
    this.#byKey.set(name, [...(this.#byKey.get(name) ?? []), write]);
  }

  #load(db: number, name: Buffer): void {
    const mark = this.#state.get(STAGED + db, name)?.mark ?? null;
    const place = readStagedKey(name);
    if (place?.number === undefined || !isPending(mark)) return;
    const write = decodePendingWrite({ db, key: Buffer.from(place.key), number: place.number }, fieldsOf(mark));
    if (write !== undefined) this.#take(write);
  }
}

const NONE: readonly PendingWrite[] = [];

function packToken(token: Buffer): Buffer {
  return packHash([[TOKEN, token]]);
}

function nameOf(db: number, key: Buffer): string {
  return `${db} ${key.toString('latin1')}`;
}
