import type { Mutation } from '../decode/mutation.ts';
import { HashEditor } from '../hash-editor.ts';
import { isKept } from '../mark.ts';
import { digestOf, reportId, type PendingWrite } from '../pending-write.ts';
import { readStagedKey } from '../staged-key.ts';
import type { StateStore } from '../state/port.ts';
import { isUnreadHash } from '../unread-hash.ts';
import { wholeOf } from '../wide-hash.ts';
import type { FoldOutput, FoldTime, RowView } from './change.ts';
import { ABSENT } from './entries.ts';
import { PickedFields } from './picked-fields.ts';
import type { FoldThrough } from './options.ts';
import type { Settlement } from './settlement.ts';
import type { StagedRequest } from './staged-writes.ts';

const NOTHING: Buffer = Buffer.alloc(0);
const VERDICT: Buffer = Buffer.from('verdict');

export interface StagingOptions<Problem, View extends RowView<Problem>> extends FoldThrough<Problem, View> {
  readonly state: StateStore;
  readonly viewOf: (db: number, key: Buffer) => View | undefined;
  readonly output: FoldOutput<Problem, View>;
  readonly settlement: Settlement<Problem, View>;
}

/** Folds what happens to staging keys and verdicts (docs/write-through.md). */
export class Staging<Problem, View extends RowView<Problem>> {
  readonly #options: StagingOptions<Problem, View>;
  readonly #editor = new HashEditor();
  readonly #picked = new PickedFields();

  constructor(options: StagingOptions<Problem, View>) {
    this.#options = options;
  }

  /** Whether a key may be one of a write-through; what it is, `apply` finds out. */
  concerns(key: Buffer): boolean {
    return key[0] === 0x5f && key[1] === 0x5f && key[2] === 0x7b;
  }

  /** Folds a command on such a key: commands that are no write are nothing. */
  apply(mutation: Exclude<Mutation, { kind: 'flush' | 'swap' | 'rename' | 'copy' }>, time: FoldTime): void {
    if (mutation.kind === 'set') this.#written(mutation.db, mutation.key, mutation.fields, time);
    else if (mutation.kind === 'replace') this.found(mutation.db, mutation.key, mutation.fields, time);
  }

  /** Folds such a key as it was found, in a snapshot or by a read. */
  found(db: number, name: Buffer, hash: Buffer, time: FoldTime): void {
    const { writes } = this.#options;
    const staged = readStagedKey(name);
    if (staged === undefined) return;
    if (staged.number !== undefined) {
      this.#decided(db, staged.key, staged.number, time);
      return;
    }
    const untaken = writes.untaken(db, staged.key, hash);
    if (untaken !== null) this.#written(db, name, untaken, time);
  }

  #written(db: number, name: Buffer, fields: Buffer, time: FoldTime): void {
    const { writes, viewOf } = this.#options;
    const staged = readStagedKey(name);
    if (staged === undefined) return;
    if (staged.number !== undefined) {
      if (this.#editor.valueOf(fields, VERDICT) !== undefined) this.#decided(db, staged.key, staged.number, time);
      return;
    }
    const view = viewOf(db, staged.key);
    if (view === undefined) return;
    const key = Buffer.from(staged.key);
    const write = this.#writeOf(db, key, writes.read(fields), view);
    const { mark, key: markKey } = writes.add(write);
    this.#options.output.marked(view, db, markKey, mark);
    if (write.error !== '' || write.operation === '+' || write.operation === '-') return;
    const entry = this.#options.state.get(db, key) ?? ABSENT;
    this.#options.settlement.compare(db, key, entry, time, reportId(write.number));
  }

  #writeOf(db: number, key: Buffer, request: StagedRequest, view: View): PendingWrite {
    const { state, writes, numbering, fits, describe, isUnread } = this.#options;
    const number = Math.max(numbering.version + 1, numbering.at * 1000);
    numbering.raiseVersion(number);
    const { operation = '=', token, id, fields } = request;
    const { current, expireAt } = state.get(db, key) ?? ABSENT;
    const isDelete = operation === '~';
    const write = {
      ...{ db, key, number, operation, id, token, fields, at: numbering.at },
      before: isDelete ? digestOf(current === null ? null : wholeOf(current)) : '',
      expected: isDelete ? digestOf(writes.afterAll(db, key, current)) : '',
    };
    if (token !== undefined && request.operation === undefined) {
      const named = token.toString('utf8').slice(0, 1);
      return { ...write, error: named === '' ? 'the field # is empty' : `${JSON.stringify(named)} is no operation` };
    }
    if (isUnreadHash(current) || isUnread(db, key))
      return { ...write, error: 'the hash has yet to be read: try again' };
    if (operation !== '=') return { ...write, error: isDelete && !fits(view, key) ? 'the key fits no row' : '' };
    const picked = current === null ? null : this.#picked.of(view, current);
    const hash = this.#editor.set(writes.over(db, key, picked, current) ?? NOTHING, fields);
    const reading = view.read(key, hash, expireAt);
    if (reading.kind === 'rejected') return { ...write, error: describe(reading.problem) };
    return { ...write, error: hash.length === 0 ? 'no field was staged' : '' };
  }

  /** A verdict stands: what was written is in the hash now, or never will be. */
  #decided(db: number, name: Buffer, number: number, time: FoldTime): void {
    const { state, writes, viewOf, output, settlement } = this.#options;
    const key = Buffer.from(name);
    const view = viewOf(db, key);
    const removed = writes.remove(db, key, number);
    if (view === undefined || removed === undefined) return;
    output.marked(view, db, removed.key, null);
    const entry = state.get(db, key);
    if (entry === undefined || isUnreadHash(entry.current)) return;
    if (entry.current === null && isKept(entry.mark)) return;
    // What a `+` or `-` has said of the hash still counts.
    if (entry.current === null) settlement.compare(db, key, entry, time);
    else settlement.settle(db, key, entry, entry.current, entry.expireAt, time, 'carried out');
  }
}
