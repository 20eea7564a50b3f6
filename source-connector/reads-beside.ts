import { reasonOf } from '../ops/errors/index.ts';
import type { CommandTime } from './command-time.ts';
import type { Mutation } from './decode/mutation.ts';
import type { FoldTime, Unresolved } from './fold/change.ts';
import type { HeldKey } from './held-keys.ts';
import { packNamesAndValues } from './packed-hash.ts';
import type { Shard } from './shard.ts';

/** Of one key. */
export type KeyMutation = Exclude<Mutation, { kind: 'flush' | 'swap' }>;

/**
 * Reads keys whose value the stream does not hold, and folds that value when the stream has come to where it was read
 * (rule 6). A command that begins at `since` and ends at e names the key; some commands later, at s ≥ e, it is read with
 * others in one go, and its value is that of an offset o ≥ s on the same stream. Then:
 * - what the stream says of the key in (e, o] is in the value: it is left out, and the value is folded at o (a flush is
 *   folded as well, which does no harm: it removes the row that was published before);
 * - what goes out of the key in (e, o] is known to nobody, so the key that it goes to is read as well;
 * - a position p in [e, o) names the key. Whoever goes on from p reads it anew, at some o' ≥ p: what came in (e, p] is in
 *   that value, and what comes in (p, o'] is treated as above. Nothing of the key was published in between, since
 *   nothing of it was folded: the same diff is published, once.
 */
export class ReadsBeside {
  readonly #shard: Shard;
  readonly #time: CommandTime;

  constructor(shard: Shard, time: CommandTime) {
    this.#shard = shard;
    this.#time = time;
  }

  /**
   * Reads the keys that were named and not read yet, and holds them back until the stream has come to where they were read.
   * @param offset where the stream stands: what it says up to here was left out
   * @returns what a full resync has to find out, when they cannot be read
   */
  async readUnread(offset: number): Promise<Unresolved | undefined> {
    const { progress, readKeys, told, stopping, held } = this.#shard;
    const { unread } = held;
    const [first] = unread;
    if (first === undefined) return undefined;
    try {
      const values = await readKeys(unread, { replid: progress.replid, offset }, stopping);
      for (const [index, { reason, ...named }] of unread.entries()) {
        const value = values[index];
        if (value === undefined) continue;
        const { fields, ...when } = value;
        held.hold({ ...named, ...when, hash: fields === null ? null : packNamesAndValues(fields) });
        told.keyRead(reason);
      }
      return undefined;
    } catch (error) {
      const reason = `${first.reason}, and it cannot be read: ${reasonOf(error)}`;
      return { kind: 'unresolved', db: first.db, key: first.key, reason };
    }
  }

  /** As fold does, but what is said of a held key is in its value already, and what goes out of it is not known. */
  fold(mutation: KeyMutation, time: FoldTime): Unresolved | undefined {
    const { fold, captures, held } = this.#shard;
    if (held.isEmpty) return fold.apply(mutation, time);
    if (mutation.kind !== 'rename' && mutation.kind !== 'copy') {
      return held.has(mutation.db, mutation.key) ? undefined : fold.apply(mutation, time);
    }
    const { kind, fromDb, from, toDb, to } = mutation;
    const isFromHeld = held.has(fromDb, from);
    if (held.has(toDb, to)) {
      const removes = kind === 'rename' && !isFromHeld;
      return removes ? fold.apply({ kind: 'remove', db: fromDb, key: from }, time) : undefined;
    }
    if (!isFromHeld) return fold.apply(mutation, time);
    if (!captures(to, 0, to.length)) return undefined;
    const reason = `${time.command} from a key whose value is being read`;
    return { kind: 'unresolved', reason, db: toDb, key: Buffer.from(to) };
  }

  /** Folds the values of the held keys that the stream has come to. */
  release(offset: number): void {
    for (const held of this.#shard.held.take(offset)) this.#foldHeld(held);
  }

  #foldHeld({ db, key, offset, hash, expireAt, command }: HeldKey): void {
    const { recorder, fold } = this.#shard;
    recorder.offset = offset;
    recorder.command = command;
    const time = this.#time.at({ name: command, start: offset, end: offset });
    if (hash === null) fold.apply({ kind: 'remove', db, key }, time);
    else fold.apply({ kind: 'replace', db, key, fields: hash, expireAt }, time);
  }
}
