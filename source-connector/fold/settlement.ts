import { equalBytes } from '../bytes.ts';
import {
  fieldsOf,
  goneMark,
  heldMark,
  inheritedFields,
  inheritingMark,
  isGone,
  isHeld,
  isKept,
  isUnpublished,
  keptMark,
  rejectedMark,
  rejects,
  standing,
  unpublishedMark,
  withholds,
} from '../mark.ts';
import {
  contentDigest,
  expectedHash,
  OperationField,
  operationOf,
  pendingEffect,
  removesHash,
  waitsForRemoval,
} from '../operation.ts';
import type { Entry } from '../state/port.ts';
import { isUnreadHash } from '../unread-hash.ts';
import { wholeOf, type HeldHash } from '../wide-hash.ts';
import { AbsentFields } from './absent-fields.ts';
import type { FoldTime, OperationView, RemovalCause, RowView } from './change.ts';
import { ABSENT, holds } from './entries.ts';
import type { FoldOptions } from './options.ts';
import { PickedFields } from './picked-fields.ts';

const NOTHING: Buffer = Buffer.alloc(0);

/**
 * What is known of the operation in a hash's field `#`: the fields of the command, which may have said it now; that it was
 * said now; that it was carried out before, so that the command said none; or that the hash was found like this.
 */
export type OperationSource = Buffer | 'said' | 'carried out' | 'found';

/** A hash on its way into the state. All of it may be views. */
interface Held<View, Hash extends HeldHash | null = HeldHash> {
  readonly view: View;
  readonly db: number;
  readonly key: Buffer;
  readonly entry: Entry;
  readonly hash: Hash;
  readonly expireAt: number;
  readonly time: Pick<FoldTime, 'command'>;
  readonly newOp: 'c' | 'r';
}

/** Decides what it means for the row of a key that it holds another hash now, or none. */
export class Settlement<Problem, View extends RowView<Problem>> {
  readonly #options: FoldOptions<Problem, View>;
  readonly #absent = new AbsentFields();
  readonly #picked = new PickedFields();
  readonly #field = new OperationField();

  constructor(options: FoldOptions<Problem, View>) {
    this.#options = options;
  }

  /** The key holds `hash` now: publish it when its row differs from the published one, or as its operation says. */
  settle(
    db: number,
    key: Buffer,
    entry: Entry,
    hash: HeldHash,
    expireAt: number,
    time: FoldTime,
    source: OperationSource,
    newOp: 'c' | 'r' = 'c',
  ): void {
    const { state, viewOf } = this.#options;
    const view = viewOf(db, key);
    if (view === undefined) {
      if (!holds(entry, hash, expireAt)) {
        const mark = isGone(entry.mark) ? null : entry.mark;
        state.put(db, key, { current: hash, expireAt, published: entry.published, mark });
      }
      return;
    }
    const held: Held<View> = { view, db, key, entry: this.#found(view, db, key, entry), hash, expireAt, time, newOp };
    if (view.operations === undefined) {
      this.#publish(held, null);
      return;
    }
    const value = this.#field.of(hash);
    if (value !== undefined && this.#isSaid(held.entry, hash, value, source))
      this.#operate(held, view.operations, value);
    else this.#go(held, view.operations, value, source === 'found');
  }

  /**
   * Compares the row of a key as it stands, or of none, with the published one, pending writes over it.
   * @param acknowledge it is published in any case, since a write waits for it under this id
   */
  compare(
    db: number,
    key: Buffer,
    entry: Entry,
    time: Pick<FoldTime, 'command'>,
    acknowledge: Buffer | null = null,
  ): void {
    const view = this.#options.viewOf(db, key);
    const { current: hash, expireAt } = entry;
    if (view !== undefined) this.#publish({ view, db, key, entry, hash, expireAt, time, newOp: 'c' }, acknowledge);
  }

  /** Whether the operation of a hash is one to be carried out now. */
  #isSaid({ current }: Entry, hash: HeldHash, value: Buffer, source: OperationSource): boolean {
    if (source === 'said' || source === 'carried out') return source === 'said';
    if (source !== 'found') return this.#field.of(source) !== undefined;
    if (current === null || isUnreadHash(current)) return true;
    if (this.#field.of(current)?.equals(value) !== true) return true;
    // A command with this id was carried out; what has changed since came without an operation.
    return operationOf(value).id === null && !contentDigest(current).equals(contentDigest(hash));
  }

  /** Carries out the operation that a command said. */
  #operate(held: Held<View>, operations: OperationView<Problem>, value: Buffer): void {
    const { view, db, key, hash } = held;
    const { output } = this.#options;
    const operation = operationOf(value);
    const { kind, id } = operation;
    const expected = expectedHash(operation, hash);
    let isTold = false;
    let problem: Problem | undefined;
    if (kind === 'upsert') {
      problem = this.#publish(held, id)?.problem;
      isTold = problem === undefined;
    } else if (kind === 'delete') isTold = this.#deleteRow(held, id);
    else if (kind === 'drop') this.#keepRow(held);
    else {
      if (kind === 'unknown') {
        problem = operations.unknown(value);
        output.rejected(view, db, key, hash, problem);
      }
      this.#withhold(held);
    }
    const effect = {
      db,
      key: Buffer.from(key),
      value,
      hash: expected,
      removes: removesHash(operation),
      id: isTold && operations.awaited ? null : id,
      failed: problem !== undefined,
      again: false,
    };
    output.effect(view, effect, problem);
  }

  /** The hash without an operation, or after one that was carried out and whose field is still there. */
  #go(held: Held<View>, operations: OperationView<Problem>, value: Buffer | undefined, isFound: boolean): void {
    const { view, db, key, entry, hash, expireAt } = held;
    const { state, output } = this.#options;
    const { current, mark } = entry;
    const was = current === null ? undefined : this.#field.of(current);
    const leaves = current !== null && waitsForRemoval(entry, was) && isSameContent(current, hash);
    const stays = leaves || (isUnpublished(mark) && withholds(mark, contentDigest(hash)));
    if (!stays) this.#publish(held, null);
    else if (!holds(entry, hash, expireAt)) state.put(db, key, { ...entry, current: hash, expireAt });
    if (value === undefined && !leaves) return;
    const now = state.get(db, key);
    if (now?.current == null) return;
    if (value === undefined) {
      // Its field went with an older operation that looked like this one.
      const expected = Buffer.from(wholeOf(now.current));
      const again = { db, key: Buffer.from(key), value: null, hash: expected, removes: true, id: null, failed: false };
      output.effect(view, { ...again, again: false });
      return;
    }
    // The field of another operation goes with the first effect that was told of it.
    if (!isFound && (stays || !removesHash(operationOf(value)))) return;
    const effect = pendingEffect(db, key, now, value, operations.awaited);
    if (effect !== undefined) output.effect(view, isFound ? effect : { ...effect, id: null, again: false });
  }

  /** `+`: the hash is not published, until it holds something else. */
  #withhold({ view, db, key, entry, hash, expireAt }: Held<View>): void {
    const { state, output } = this.#options;
    const known = view.keepsAbsent ? this.#absent.ofRow(view, entry) : NOTHING;
    const inherits = view.keepsAbsent && inheritedFields(entry.mark).length > 0;
    const mark = unpublishedMark(contentDigest(hash), known, inherits);
    if (entry.mark?.equals(mark) !== true) output.marked(view, db, key, mark);
    state.put(db, key, { current: hash, expireAt, published: entry.published, mark });
  }

  /** `~`: the row is deleted, while the hash is still there. @returns whether an event tells of it */
  #deleteRow({ view, db, key, entry, hash, expireAt }: Held<View>, id: Buffer | null): boolean {
    const { state, output } = this.#options;
    const { published } = entry;
    if (published !== null) output.removed(view, { cause: 'deleted', policy: 'delete' });
    const isTold = published !== null || (id !== null && view.operations?.names(key) === true);
    if (isTold) {
      output.change({
        view,
        db,
        key,
        op: 'd',
        before: published,
        after: null,
        command: 'deleted',
        acknowledge: id,
      });
    }
    if (entry.mark !== null) output.marked(view, db, key, null);
    state.put(db, key, { current: hash, expireAt, published: null, mark: null });
    return isTold;
  }

  /** `-`: the row is kept, as if the hash was gone already. */
  #keepRow({ view, db, key, entry, hash, expireAt }: Held<View>): void {
    const { state, output } = this.#options;
    const { published } = entry;
    const known = published !== null && view.keepsAbsent ? this.#absent.ofRow(view, entry) : NOTHING;
    const mark = published === null ? null : keptMark('deleted', known);
    if (mark !== null) output.removed(view, { cause: 'deleted', policy: 'keep' });
    const isMarked = mark === null ? entry.mark === null : entry.mark?.equals(mark) === true;
    if (!isMarked) output.marked(view, db, key, mark);
    state.put(db, key, { current: hash, expireAt, published, mark });
  }

  /**
   * Publishes the hash when its row differs from the published one, or a client waits for it.
   * @returns what is wrong with a hash that is no row
   */
  #publish(held: Held<View, HeldHash | null>, acknowledge: Buffer | null): { readonly problem: Problem } | undefined {
    const { view, db, key, entry, hash, expireAt, time, newOp } = held;
    const { state, output, through } = this.#options;
    const inherited = view.keepsAbsent ? inheritedFields(entry.mark) : NOTHING;
    const picked = hash === null ? null : this.#picked.of(view, hash);
    const fields = through === undefined ? picked : through.writes.over(db, key, picked, hash);
    if (fields === null) {
      this.#withdraw(held, acknowledge);
      return undefined;
    }
    const reading = view.read(key, this.#absent.filled(inherited, fields), expireAt);
    if (reading.kind === 'rejected') {
      if (!rejects(entry.mark, reading.digest)) output.rejected(view, db, key, hash ?? fields, reading.problem);
      const known = view.keepsAbsent ? this.#absent.ofRow(view, entry) : NOTHING;
      const mark = rejectedMark(reading.digest, known, inherited.length > 0);
      if (entry.mark?.equals(mark) !== true) output.marked(view, db, key, mark);
      state.put(db, key, { current: hash, expireAt, published: entry.published, mark });
      return { problem: reading.problem };
    }
    const { row } = reading;
    const { published } = entry;
    const missing = this.#absent.missing(inherited, fields);
    const mark = missing.length === 0 ? null : inheritingMark(missing);
    const isMarked = mark === null ? entry.mark === null : entry.mark?.equals(mark) === true;
    const isNews = published === null || !equalBytes(row, 0, row.length, published, 0, published.length);
    if (!isNews && acknowledge === null) {
      if (isMarked && hash !== null && holds(entry, hash, expireAt)) return undefined;
    } else {
      output.change({
        view,
        db,
        key,
        op: published === null ? newOp : 'u',
        before: published,
        after: row,
        command: time.command,
        acknowledge,
      });
    }
    if (!isMarked) output.marked(view, db, key, mark);
    state.put(db, key, { current: hash, expireAt, published: row, mark });
    return undefined;
  }

  /** No row is to stand for the key, whatever it holds: pending writes say so, or have said otherwise before. */
  #withdraw({ view, db, key, entry, hash, expireAt, time }: Held<View, HeldHash | null>, acknowledge: Buffer | null) {
    const { state, output } = this.#options;
    const { published: before, mark } = entry;
    if (before !== null || acknowledge !== null) {
      output.change({ view, db, key, op: 'd', before, after: null, command: time.command, acknowledge });
    }
    if (mark !== null) output.marked(view, db, key, null);
    state.put(db, key, { current: hash, expireAt, published: null, mark: null });
  }

  /** The hash is gone: delete or keep its row, by the policy of the cause. */
  remove(db: number, key: Buffer, entry: Entry, cause: RemovalCause): void {
    const { state, viewOf, output, through } = this.#options;
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
    if (view.operations !== undefined && isKept(entry.mark)) {
      // An operation has said so.
      state.put(db, key, { current: null, expireAt: 0, published, mark: entry.mark });
      return;
    }
    if (through !== undefined && through.writes.of(db, key).length > 0) {
      this.compare(db, key, { ...entry, current: null, expireAt: 0 }, { command: cause });
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

  /** The entry of a hash that is there (again): what was said of it before its slot moved holds. */
  #found(view: View, db: number, key: Buffer, entry: Entry): Entry {
    const mark = isHeld(entry.mark) ? standing(entry.mark) : null;
    if (mark === null) return entry;
    const { state, output } = this.#options;
    output.marked(view, db, key, mark);
    const found = { ...entry, mark };
    state.put(db, key, found);
    return found;
  }

  /** The hash is gone, and whoever owns its slot in the end decides what that means. */
  #hold(view: View, db: number, key: Buffer, entry: Entry, cause: RemovalCause): void {
    const { state, output } = this.#options;
    const known = view.keepsAbsent ? this.#absent.ofRow(view, entry) : NOTHING;
    const inherits = view.keepsAbsent && inheritedFields(entry.mark).length > 0;
    const mark = heldMark(cause, known, inherits, entry.mark);
    if (entry.mark?.equals(mark) !== true) output.marked(view, db, key, mark);
    state.put(db, key, { current: null, expireAt: 0, published: entry.published, mark });
  }
}

/** Whether two hashes say the same beside their operations. A wide one that was changed in its place is both. */
function isSameContent(current: HeldHash, hash: HeldHash): boolean {
  if (!Buffer.isBuffer(hash) && hash === current) return !hash.changed;
  return contentDigest(hash).equals(contentDigest(current));
}
