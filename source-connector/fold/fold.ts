import { equalBytes } from '../bytes.ts';
import type { CapturesKey } from '../decode/ports.ts';
import type { Mutation } from '../decode/mutation.ts';
import type { Entry, StateStore } from '../state/port.ts';
import {
  unresolved,
  type FoldOutput,
  type FoldTime,
  type KeyPlace,
  type RemovalCause,
  type RowView,
  type Unresolved,
} from './change.ts';
import { HashEditor } from '../hash-editor.ts';
import {
  fieldsOf,
  goneMark,
  heldCause,
  heldMark,
  inheritedFields,
  inheritingMark,
  isGone,
  isKept,
  keptMark,
  rejectedMark,
  rejects,
} from '../mark.ts';
import { isWide, type HeldHash, type WideHash } from '../wide-hash.ts';
import { AbsentFields } from './absent-fields.ts';
import { ABSENT, copyOf, holds } from './entries.ts';
import { PickedFields } from './picked-fields.ts';
import { causeOf, vanishedCause } from './removal-cause.ts';

const NOTHING: Buffer = Buffer.alloc(0);

export interface FoldOptions<Problem, View extends RowView<Problem>> {
  readonly state: StateStore;
  readonly captures: CapturesKey;
  /** The mapping that publishes this key of this database; undefined when the key is only shadowed. */
  readonly viewOf: (db: number, key: Buffer) => View | undefined;
  readonly output: FoldOutput<Problem, View>;
  /** In a cluster: what the key's slot is to this shard. Keys of foreign slots have no view. */
  readonly placeOf?: ((key: Buffer) => KeyPlace) | undefined;
}

/**
 * Folds mutations into the state and puts out real differences only (design: the state is what the topics are compared
 * with). Pure but for the state: no I/O, no clock. Keys of captured prefixes are followed in every database, so that
 * MOVE, COPY … DB and SWAPDB are determined; only the mapping's own database is published.
 */
export class Fold<Problem, View extends RowView<Problem>> {
  readonly #options: FoldOptions<Problem, View>;
  readonly #editor = new HashEditor();
  readonly #absent = new AbsentFields();
  readonly #picked = new PickedFields();

  constructor(options: FoldOptions<Problem, View>) {
    this.#options = options;
  }

  /**
   * Folds one mutation of the stream. 'flush' and 'swap' touch many keys and have methods of their own.
   * @returns what the stream alone cannot decide, when there is such a thing.
   */
  apply(mutation: Exclude<Mutation, { kind: 'flush' | 'swap' }>, time: FoldTime): Unresolved | undefined {
    const { state } = this.#options;
    switch (mutation.kind) {
      case 'set': {
        const entry = state.get(mutation.db, mutation.key) ?? ABSENT;
        const { current, expireAt } = entry;
        if (isWide(current)) {
          this.#changeWide(mutation.db, mutation.key, entry, current, time, () => {
            current.set(mutation.fields);
          });
        } else {
          const hash = this.#editor.set(current, mutation.fields);
          this.#settle(mutation.db, mutation.key, entry, hash, expireAt, time);
        }
        return undefined;
      }
      case 'increment':
        return this.#increment(mutation, time);
      case 'unset': {
        const entry = state.get(mutation.db, mutation.key);
        if (entry?.current == null) return undefined;
        const { current, expireAt } = entry;
        if (isWide(current)) {
          this.#changeWide(mutation.db, mutation.key, entry, current, time, () => {
            current.unset(mutation.fields);
          });
          return undefined;
        }
        const left = this.#editor.unset(current, mutation.fields);
        if (left === null) this.#remove(mutation.db, mutation.key, entry, 'deleted');
        else this.#settle(mutation.db, mutation.key, entry, left, expireAt, time);
        return undefined;
      }
      case 'replace': {
        const entry = state.get(mutation.db, mutation.key) ?? ABSENT;
        this.#settle(mutation.db, mutation.key, entry, mutation.fields, mutation.expireAt, time);
        return undefined;
      }
      case 'remove': {
        const entry = state.get(mutation.db, mutation.key);
        if (entry?.current != null) {
          this.#remove(mutation.db, mutation.key, entry, causeOf(mutation.db, mutation.key, entry, time));
        }
        return undefined;
      }
      case 'expire': {
        const entry = state.get(mutation.db, mutation.key);
        if (entry?.current == null) return undefined;
        const { db, key, expireAt } = mutation;
        if (this.#options.viewOf(db, key)?.readsExpiry !== true) state.put(db, key, { ...entry, expireAt });
        else this.#settle(db, key, entry, entry.current, expireAt, time);
        return undefined;
      }
      case 'expireIn':
        return this.#expireIn(mutation, time);
      case 'unknown':
        return unresolved(`${time.command}, which is not known`, mutation.db, mutation.key);
      case 'rename':
      case 'copy':
        return this.#transfer(mutation, time);
    }
  }

  /**
   * Folds one hash of a snapshot. `provenTime` is a moment (ms, master's clock) before which the snapshot was not
   * taken: a hash that had expired by then was no longer visible, and is not published anew.
   */
  snapshotHash(db: number, key: Buffer, fields: Buffer, expireAt: number, provenTime: number): void {
    const entry = this.#options.state.get(db, key) ?? ABSENT;
    if (expireAt !== 0 && expireAt <= provenTime && entry.published === null) {
      this.#options.state.put(db, key, { ...entry, current: Buffer.from(fields), expireAt });
      return;
    }
    this.#settle(
      db,
      key,
      entry,
      fields,
      expireAt,
      { command: 'SNAPSHOT', notBefore: provenTime, notAfter: Infinity, evicted: () => 'no' },
      'r',
    );
  }

  /** Folds the absence of a key that a complete snapshot should have held. */
  vanished(db: number, key: Buffer, provenTime: number): void {
    const entry = this.#options.state.get(db, key);
    if (entry?.current == null) return;
    this.#remove(db, key, entry, vanishedCause(entry, provenTime));
  }

  /**
   * Decides on a key whose slot has come to this shard, or stays after all: its hash is compared with its published row,
   * and a removal that waited is one now. Doing it twice does nothing.
   */
  decided(db: number, key: Buffer, time: FoldTime): void {
    const entry = this.#options.state.get(db, key);
    if (entry === undefined) return;
    const { current, expireAt, mark } = entry;
    if (current !== null) this.#settle(db, key, entry, current, expireAt, time);
    // Without a hash and without a cause, no stream told where it went.
    else if (!isKept(mark)) this.#remove(db, key, entry, heldCause(mark) ?? 'vanished');
  }

  /** Folds FLUSHDB and FLUSHALL for one key. Doing it twice does nothing. */
  flushed(db: number, key: Buffer): void {
    this.gone(db, key, 'flushed');
  }

  /** Folds the absence of a key whose cause is known. Doing it twice does nothing. */
  gone(db: number, key: Buffer, cause: RemovalCause): void {
    const entry = this.#options.state.get(db, key);
    if (entry?.current != null) this.#remove(db, key, entry, cause);
  }

  /** Folds SWAPDB for one key: the hashes change places, the published rows stay where they are. Twice undoes it. */
  swapped(a: number, b: number, key: Buffer, time: FoldTime): void {
    const hashA = copyOf(this.#options.state.get(a, key) ?? ABSENT);
    const hashB = copyOf(this.#options.state.get(b, key) ?? ABSENT);
    this.#place(a, key, hashB.current, hashB.expireAt, time);
    this.#place(b, key, hashA.current, hashA.expireAt, time);
  }

  /**
   * A time that begins when the command ran. What is proven of that moment is a bound: the earliest time is taken, so
   * that a removal is never called `deleted` while the key may have expired. A row that tells the time needs it exactly.
   */
  #expireIn({ db, key, ms }: Extract<Mutation, { kind: 'expireIn' }>, time: FoldTime): Unresolved | undefined {
    const { state, viewOf } = this.#options;
    const entry = state.get(db, key);
    if (entry?.current == null) return undefined;
    if (viewOf(db, key)?.readsExpiry === true) return unresolved(`${time.command} with a relative time`, db, key);
    state.put(db, key, { ...entry, expireAt: Math.max(1, time.notBefore + ms) });
    return undefined;
  }

  #increment({ db, key, field, by }: Extract<Mutation, { kind: 'increment' }>, time: FoldTime): Unresolved | undefined {
    const entry = this.#options.state.get(db, key) ?? ABSENT;
    const { current, expireAt } = entry;
    let done = true;
    if (isWide(current)) {
      this.#changeWide(db, key, entry, current, time, () => {
        done = current.increment(field, by);
      });
    } else {
      const hash = this.#editor.increment(current, field, by);
      if (hash === undefined) done = false;
      else this.#settle(db, key, entry, hash, expireAt, time);
    }
    return done ? undefined : unresolved('HINCRBY on a field that is no integer here', db, key);
  }

  /** Changes a wide hash in its place, so what its row was made of before is looked at first, where that matters. */
  #changeWide(db: number, key: Buffer, entry: Entry, hash: WideHash, time: FoldTime, change: () => void): void {
    const view = this.#options.viewOf(db, key);
    const before = view?.keepsAbsent === true ? Buffer.from(this.#picked.of(view, hash)) : hash;
    change();
    const old = { ...entry, current: before };
    if (hash.fields === 0) this.#remove(db, key, old, 'deleted');
    else this.#settle(db, key, old, hash, entry.expireAt, time);
  }

  /** RENAME, MOVE, COPY: the value goes to another key, which loses what it held. */
  #transfer(mutation: Extract<Mutation, { kind: 'rename' | 'copy' }>, time: FoldTime): Unresolved | undefined {
    const { kind, fromDb, toDb } = mutation;
    const { state, captures } = this.#options;
    const toCaptured = captures(mutation.to, 0, mutation.to.length);
    if (!captures(mutation.from, 0, mutation.from.length)) {
      return toCaptured ? unresolved(`${time.command} from a key that is not captured`, toDb, mutation.to) : undefined;
    }
    if (fromDb === toDb && mutation.from.equals(mutation.to)) return undefined;
    const source = copyOf(state.get(fromDb, mutation.from) ?? ABSENT);
    if (kind === 'rename') this.#place(fromDb, mutation.from, null, 0, time);
    // The command succeeded, so `from` existed: without a hash here it holds another type, which overwrites as well.
    if (toCaptured) this.#place(toDb, mutation.to, source.current, source.expireAt, time);
    return undefined;
  }

  /** Puts a hash (or nothing) at a key. */
  #place(db: number, key: Buffer, hash: HeldHash | null, expireAt: number, time: FoldTime): void {
    const entry = this.#options.state.get(db, key) ?? ABSENT;
    if (hash !== null) this.#settle(db, key, entry, hash, expireAt, time);
    else if (entry.current !== null) this.#remove(db, key, entry, 'deleted');
  }

  /** The key holds `hash` now: publish it when its row differs from the published one. */
  #settle(
    db: number,
    key: Buffer,
    entry: Entry,
    hash: HeldHash,
    expireAt: number,
    time: FoldTime,
    newOp: 'c' | 'r' = 'c',
  ): void {
    const { state, viewOf, output } = this.#options;
    const view = viewOf(db, key);
    if (view === undefined) {
      if (!holds(entry, hash, expireAt)) {
        const mark = isGone(entry.mark) ? null : entry.mark;
        state.put(db, key, { current: hash, expireAt, published: entry.published, mark });
      }
      return;
    }
    const inherited = view.keepsAbsent ? inheritedFields(entry.mark) : NOTHING;
    const fields = this.#picked.of(view, hash);
    const reading = view.read(key, this.#absent.filled(inherited, fields), expireAt);
    if (reading.kind === 'rejected') {
      if (!rejects(entry.mark, reading.digest)) output.rejected(view, db, key, hash, reading.problem);
      const known = view.keepsAbsent ? this.#absent.ofRow(view, entry) : NOTHING;
      const mark = rejectedMark(reading.digest, known, inherited.length > 0);
      if (entry.mark?.equals(mark) !== true) output.marked(view, db, key, mark);
      state.put(db, key, { current: hash, expireAt, published: entry.published, mark });
      return;
    }
    const { row } = reading;
    const { published } = entry;
    const missing = this.#absent.missing(inherited, fields);
    const mark = missing.length === 0 ? null : inheritingMark(missing);
    const isMarked = mark === null ? entry.mark === null : entry.mark?.equals(mark) === true;
    if (published !== null && equalBytes(row, 0, row.length, published, 0, published.length)) {
      if (isMarked && holds(entry, hash, expireAt)) return;
    } else {
      output.change({
        view,
        db,
        key,
        op: published === null ? newOp : 'u',
        before: published,
        after: row,
        command: time.command,
      });
    }
    if (!isMarked) output.marked(view, db, key, mark);
    state.put(db, key, { current: hash, expireAt, published: row, mark });
  }

  /** The hash is gone: delete or keep its row, by the policy of the cause. */
  #remove(db: number, key: Buffer, entry: Entry, cause: RemovalCause): void {
    const { state, viewOf, output } = this.#options;
    const view = viewOf(db, key);
    const { published } = entry;
    const place = this.#options.placeOf?.(key);
    if (view === undefined) {
      // Not published from here (any more): what was published before the mapping went away stays as it is. Of another
      // shard's slot, which may come here, the cause is kept in mind.
      const mark = place === 'foreign' ? goneMark(cause, fieldsOf(entry.mark)) : entry.mark;
      state.put(db, key, { current: null, expireAt: 0, published, mark });
      return;
    }
    if (place === 'leaving' && (published !== null || entry.mark !== null)) {
      this.#hold(view, db, key, entry, cause);
      return;
    }
    if (published === null) {
      if (entry.mark !== null) output.marked(view, db, key, null);
      state.put(db, key, ABSENT);
      return;
    }
    const policy = view.policy(cause);
    output.removed(view, { cause, policy });
    if (policy === 'keep') {
      const mark = keptMark(cause, view.keepsAbsent ? this.#absent.ofRow(view, entry) : NOTHING);
      output.marked(view, db, key, mark);
      state.put(db, key, { current: null, expireAt: 0, published, mark });
      return;
    }
    output.change({ view, db, key, op: 'd', before: published, after: null, command: cause });
    if (entry.mark !== null) output.marked(view, db, key, null);
    state.put(db, key, ABSENT);
  }

  /** The hash is gone, and whoever owns its slot in the end decides what that means. */
  #hold(view: View, db: number, key: Buffer, entry: Entry, cause: RemovalCause): void {
    const { state, output } = this.#options;
    const known = view.keepsAbsent ? this.#absent.ofRow(view, entry) : NOTHING;
    const mark = heldMark(cause, known, view.keepsAbsent && inheritedFields(entry.mark).length > 0);
    if (entry.mark?.equals(mark) !== true) output.marked(view, db, key, mark);
    state.put(db, key, { current: null, expireAt: 0, published: entry.published, mark });
  }
}
