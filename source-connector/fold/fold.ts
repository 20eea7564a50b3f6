import type { Mutation } from '../decode/mutation.ts';
import type { Entry } from '../state/port.ts';
import { unresolved, type FoldTime, type RemovalCause, type RowView, type Unresolved } from './change.ts';
import { HashEditor } from '../hash-editor.ts';
import { heldCause, isKept } from '../mark.ts';
import { OPERATION_FIELD } from '../operation.ts';
import { isWide, type HeldHash, type WideHash } from '../wide-hash.ts';
import { ABSENT, copyOf } from './entries.ts';
import { PickedFields } from './picked-fields.ts';
import { causeOf, vanishedCause } from './removal-cause.ts';
import { Staging } from './staging.ts';
import type { FoldOptions } from './options.ts';
import { Settlement, type OperationSource } from './settlement.ts';

/**
 * Folds mutations into the state and puts out real differences only (design: the state is what the topics are compared
 * with). Pure but for the state: no I/O, no clock. Keys of captured prefixes are followed in every database, so that
 * MOVE, COPY … DB and SWAPDB are determined; only the mapping's own database is published.
 */
export class Fold<Problem, View extends RowView<Problem>> {
  readonly #options: FoldOptions<Problem, View>;
  readonly #editor = new HashEditor();
  readonly #picked = new PickedFields();
  readonly #settlement: Settlement<Problem, View>;
  readonly #staging: Staging<Problem, View> | undefined;

  constructor(options: FoldOptions<Problem, View>) {
    this.#options = options;
    const settlement = new Settlement(options);
    this.#settlement = settlement;
    this.#staging = options.through && new Staging({ ...options, ...options.through, settlement });
  }

  /**
   * Folds one mutation of the stream. 'flush' and 'swap' touch many keys and have methods of their own.
   * @returns what the stream alone cannot decide, when there is such a thing.
   */
  apply(mutation: Exclude<Mutation, { kind: 'flush' | 'swap' }>, time: FoldTime): Unresolved | undefined {
    const { state } = this.#options;
    if (this.#staging !== undefined && 'key' in mutation && this.#staging.concerns(mutation.key)) {
      this.#staging.apply(mutation, time);
      return undefined;
    }
    switch (mutation.kind) {
      case 'set': {
        const entry = state.get(mutation.db, mutation.key) ?? ABSENT;
        const { current, expireAt } = entry;
        if (isWide(current)) {
          const change = (): void => {
            current.set(mutation.fields);
          };
          this.#changeWide(mutation.db, mutation.key, entry, current, time, mutation.fields, change);
        } else {
          const hash = this.#editor.set(current, mutation.fields);
          this.#settlement.settle(mutation.db, mutation.key, entry, hash, expireAt, time, mutation.fields);
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
          this.#changeWide(mutation.db, mutation.key, entry, current, time, 'carried out', () => {
            current.unset(mutation.fields);
          });
          return undefined;
        }
        const left = this.#editor.unset(current, mutation.fields);
        if (left === null) this.#settlement.remove(mutation.db, mutation.key, entry, 'deleted');
        else this.#settlement.settle(mutation.db, mutation.key, entry, left, expireAt, time, 'carried out');
        return undefined;
      }
      case 'replace': {
        const entry = state.get(mutation.db, mutation.key) ?? ABSENT;
        this.#settlement.settle(mutation.db, mutation.key, entry, mutation.fields, mutation.expireAt, time, 'found');
        return undefined;
      }
      case 'remove': {
        const entry = state.get(mutation.db, mutation.key);
        if (entry?.current != null) {
          this.#settlement.remove(mutation.db, mutation.key, entry, causeOf(mutation.db, mutation.key, entry, time));
        }
        return undefined;
      }
      case 'expire': {
        const entry = state.get(mutation.db, mutation.key);
        if (entry?.current == null) return undefined;
        const { db, key, expireAt } = mutation;
        if (this.#options.viewOf(db, key)?.readsExpiry !== true) state.put(db, key, { ...entry, expireAt });
        else this.#settlement.settle(db, key, entry, entry.current, expireAt, time, 'carried out');
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
    const time: FoldTime = {
      command: 'SNAPSHOT',
      notBefore: provenTime,
      notAfter: Infinity,
      evicted: () => 'no',
    };
    if (this.#staging?.concerns(key) === true) {
      this.#staging.found(db, key, fields, time);
      return;
    }
    const entry = this.#options.state.get(db, key) ?? ABSENT;
    if (expireAt !== 0 && expireAt <= provenTime && entry.published === null) {
      this.#options.state.put(db, key, { ...entry, current: Buffer.from(fields), expireAt });
      return;
    }
    this.#settlement.settle(db, key, entry, fields, expireAt, time, 'found', 'r');
  }

  /** Folds the absence of a key that a complete snapshot should have held. */
  vanished(db: number, key: Buffer, provenTime: number): void {
    const entry = this.#options.state.get(db, key);
    if (entry?.current == null) return;
    this.#settlement.remove(db, key, entry, vanishedCause(entry, provenTime));
  }

  /**
   * Decides on a key whose slot has come to this shard, or stays after all: its hash is compared with its published row,
   * and a removal that waited is one now. Doing it twice does nothing.
   * @param isNew whether it has come: then nobody has folded here what its hash asks for
   */
  decided(db: number, key: Buffer, time: FoldTime, isNew: boolean): void {
    const entry = this.#options.state.get(db, key);
    if (entry === undefined) return;
    const { current, expireAt, mark } = entry;
    if (current !== null)
      this.#settlement.settle(db, key, entry, current, expireAt, time, isNew ? 'said' : 'carried out');
    // Without a hash and without a cause, no stream told where it went.
    else if (!isKept(mark)) this.#settlement.remove(db, key, entry, heldCause(mark) ?? 'vanished');
  }

  /** Folds FLUSHDB and FLUSHALL for one key. Doing it twice does nothing. */
  flushed(db: number, key: Buffer): void {
    this.gone(db, key, 'flushed');
  }

  /** Folds the absence of a key whose cause is known. Doing it twice does nothing. */
  gone(db: number, key: Buffer, cause: RemovalCause): void {
    const entry = this.#options.state.get(db, key);
    if (entry?.current != null) this.#settlement.remove(db, key, entry, cause);
  }

  /** Folds SWAPDB for one key: the hashes change places, the published rows stay where they are. Twice undoes it. */
  swapped(a: number, b: number, key: Buffer, time: FoldTime): void {
    const hashA = copyOf(this.#options.state.get(a, key) ?? ABSENT);
    const hashB = copyOf(this.#options.state.get(b, key) ?? ABSENT);
    this.#place(a, key, hashB.current, hashB.expireAt, time, this.#operationFrom(b, key));
    this.#place(b, key, hashA.current, hashA.expireAt, time, this.#operationFrom(a, key));
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
    const operation = field.equals(OPERATION_FIELD) ? 'said' : 'carried out';
    if (isWide(current)) {
      this.#changeWide(db, key, entry, current, time, operation, () => {
        done = current.increment(field, by);
      });
    } else {
      const hash = this.#editor.increment(current, field, by);
      if (hash === undefined) done = false;
      else this.#settlement.settle(db, key, entry, hash, expireAt, time, operation);
    }
    return done ? undefined : unresolved('HINCRBY on a field that is no integer here', db, key);
  }

  /** Changes a wide hash in its place, so what its row was made of before is looked at first, where that matters. */
  #changeWide(
    db: number,
    key: Buffer,
    entry: Entry,
    hash: WideHash,
    time: FoldTime,
    operation: OperationSource,
    change: () => void,
  ): void {
    const view = this.#options.viewOf(db, key);
    const before = view?.keepsAbsent === true ? Buffer.from(this.#picked.of(view, hash)) : hash;
    change();
    const old = { ...entry, current: before };
    if (hash.fields === 0) this.#settlement.remove(db, key, old, 'deleted');
    else this.#settlement.settle(db, key, old, hash, entry.expireAt, time, operation);
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
    if (kind === 'rename') this.#place(fromDb, mutation.from, null, 0, time, 'carried out');
    // The command succeeded, so `from` existed: without a hash here it holds another type, which overwrites as well.
    if (toCaptured) {
      const operation = this.#operationFrom(fromDb, mutation.from);
      this.#place(toDb, mutation.to, source.current, source.expireAt, time, operation);
    }
    return undefined;
  }

  /** Whether the operation in a hash that comes from another key was carried out there. */
  #operationFrom(db: number, key: Buffer): OperationSource {
    return this.#options.viewOf(db, key)?.operations === undefined ? 'found' : 'carried out';
  }

  /** Puts a hash (or nothing) at a key. */
  #place(
    db: number,
    key: Buffer,
    hash: HeldHash | null,
    expireAt: number,
    time: FoldTime,
    operation: OperationSource,
  ): void {
    const entry = this.#options.state.get(db, key) ?? ABSENT;
    if (hash !== null) this.#settlement.settle(db, key, entry, hash, expireAt, time, operation);
    else if (entry.current !== null) this.#settlement.remove(db, key, entry, 'deleted');
  }
}
