import type { DecodedCommand, Mutation } from './decode/mutation.ts';
import { isInSlots } from './decode/key-slot.ts';
import type { FoldTime, Unresolved } from './fold/change.ts';
import type { ReadsBeside } from './reads-beside.ts';
import { placeOf, type Shard } from './shard.ts';

/** Commands of any number of keys: FLUSHALL, SWAPDB, a DEL of more keys than a batch may hold. */
export class LongCommands {
  readonly #shard: Shard;
  readonly #beside: ReadsBeside;

  constructor(shard: Shard, beside: ReadsBeside) {
    this.#shard = shard;
    this.#beside = beside;
  }

  /** Whether a command may touch more hashes than a batch should hold. */
  isLong(command: DecodedCommand): boolean {
    const first = command.mutations[0];
    return (
      first !== undefined &&
      (first.kind === 'flush' || first.kind === 'swap' || command.mutations.length > this.#shard.unitLimit)
    );
  }

  /**
   * Folds a command of any number of keys. All of them may be done twice (they remove keys), so a batch may be cut in
   * their middle: its position stands before the command and says that the command was begun (rule 7).
   */
  async fold(command: DecodedCommand, time: FoldTime): Promise<Unresolved | undefined> {
    const { recorder } = this.#shard;
    recorder.offset = command.end;
    recorder.command = command.name;
    for (const mutation of command.mutations) {
      if (mutation.kind === 'swap') {
        const unresolved = this.#swap(mutation, time);
        if (unresolved !== undefined) return unresolved;
      } else if (mutation.kind === 'flush') {
        await this.#flush(mutation, command);
      } else {
        const unresolved = this.#beside.fold(mutation, time);
        if (unresolved !== undefined) return unresolved;
        await this.#cutInside(command);
      }
    }
    return undefined;
  }

  async #flush(mutation: Extract<Mutation, { kind: 'flush' }>, command: DecodedCommand): Promise<void> {
    const { state, fold, told, filler } = this.#shard;
    const { slots } = mutation;
    told.flushed(mutation.db, slots);
    filler?.flushed(command.end);
    for (const db of mutation.db === 'all' ? state.databases() : [mutation.db]) {
      for (const key of state.keys(db)) {
        if (slots !== 'all' && !isInSlots(key, slots)) continue;
        fold.flushed(db, key);
        await this.#cutInside(command);
      }
    }
  }

  #swap(mutation: Extract<Mutation, { kind: 'swap' }>, time: FoldTime): Unresolved | undefined {
    const { a, b } = mutation;
    const { state, fold, unitLimit, filler, held } = this.#shard;
    if (a === b) return undefined;
    if (!held.isEmpty) {
      return { kind: 'unresolved', reason: 'SWAPDB while a key is held back', db: a, key: Buffer.alloc(0) };
    }
    if (filler?.scans === true) {
      return { kind: 'unresolved', reason: 'SWAPDB while a mapping is being filled', db: a, key: Buffer.alloc(0) };
    }
    // Doing it twice would undo it, so it is never cut; a swap too large for one batch is read as a snapshot instead.
    if (state.count(a) + state.count(b) > unitLimit) {
      return {
        kind: 'unresolved',
        reason: 'SWAPDB of more hashes than one transaction may hold',
        db: a,
        key: Buffer.alloc(0),
      };
    }
    const keys = new Map<string, Buffer>();
    for (const db of [a, b]) for (const key of state.keys(db)) keys.set(key.toString('latin1'), key);
    for (const key of keys.values()) fold.swapped(a, b, key, time);
    return undefined;
  }

  async #cutInside(command: DecodedCommand): Promise<void> {
    const { committer } = this.#shard;
    if (!committer.full) return;
    const { start, db, inTransaction } = command;
    await committer.cut(placeOf(this.#shard, start, { db, inTransaction, begun: true }), performance.now());
  }
}
