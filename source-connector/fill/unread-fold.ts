import type { CapturesKey } from '../decode/ports.ts';
import type { Mutation } from '../decode/mutation.ts';
import type { FoldTime, Unresolved } from '../fold/change.ts';
import type { Folding, Journal } from '../shard.ts';
import type { StateStore } from '../state/port.ts';
import { isUnreadHash, UNREAD_HASH } from '../unread-hash.ts';
import type { Fills } from './fills.ts';
import type { UnreadKeys } from './unread-keys.ts';

type KeyMutation = Exclude<Mutation, { kind: 'flush' | 'swap' }>;
type Transfer = Extract<Mutation, { kind: 'rename' | 'copy' }>;

export interface UnreadFoldParts {
  readonly fold: Folding;
  readonly state: StateStore;
  readonly captures: CapturesKey;
  readonly journal: Pick<Journal, 'offset'>;
  readonly fills: Fills;
  readonly unread: UnreadKeys;
}

/**
 * Folds while mappings are being filled. A field that the state does not know is not null (rule 8): a command on a key
 * that nobody has read yet is left out, and the key is marked in the state, which is as safe as the position that
 * passes the command. What the key holds, that command's effect in it, is read later (filler.ts).
 */
export class UnreadFold implements Folding {
  readonly #parts: UnreadFoldParts;

  constructor(parts: UnreadFoldParts) {
    this.#parts = parts;
  }

  apply(mutation: KeyMutation, time: FoldTime): Unresolved | undefined {
    const { fold, fills, unread, journal } = this.#parts;
    if (!fills.scans) return fold.apply(mutation, time);
    if (mutation.kind === 'rename' || mutation.kind === 'copy') return this.#transfer(mutation, time);
    const { db, key, kind } = mutation;
    if (!fills.scansKey(db, key)) return fold.apply(mutation, time);
    unread.changed(db, key, journal.offset);
    if (kind === 'replace' || !this.isUnread(db, key)) return fold.apply(mutation, time);
    // That it is gone says nothing of why its row should go: this is for the end of the fill to find.
    if (kind !== 'remove') this.#mark(db, key);
    return undefined;
  }

  snapshotHash(...hash: Parameters<Folding['snapshotHash']>): void {
    this.#parts.fold.snapshotHash(...hash);
  }

  vanished(...key: Parameters<Folding['vanished']>): void {
    this.#parts.fold.vanished(...key);
  }

  gone(...key: Parameters<Folding['gone']>): void {
    this.#parts.fold.gone(...key);
  }

  flushed(...key: Parameters<Folding['flushed']>): void {
    this.#parts.fold.flushed(...key);
  }

  decided(...key: Parameters<Folding['decided']>): void {
    this.#parts.fold.decided(...key);
  }

  swapped(...keys: Parameters<Folding['swapped']>): void {
    this.#parts.fold.swapped(...keys);
  }

  /** Whether nobody has read what the key, one of those that are filled, holds. */
  isUnread(db: number, key: Buffer): boolean {
    const current = this.#parts.state.get(db, key)?.current ?? null;
    return current === null ? !this.#parts.fills.isListed(db, key) : isUnreadHash(current);
  }

  #transfer(mutation: Transfer, time: FoldTime): Unresolved | undefined {
    const { fold, fills, unread, journal, captures } = this.#parts;
    const { fromDb, from, toDb, to } = mutation;
    const reads = fills.scansKey(toDb, to);
    const known = captures(from, 0, from.length);
    const isUnread = known && fills.scansKey(fromDb, from) && this.isUnread(fromDb, from);
    // A copy leaves its source as it was, so a page that was read before it still counts.
    if (mutation.kind === 'rename' && fills.scansKey(fromDb, from)) unread.changed(fromDb, from, journal.offset);
    if (reads) unread.changed(toDb, to, journal.offset);
    if (known && !isUnread) return fold.apply(mutation, time);
    if (!captures(to, 0, to.length) || (fromDb === toDb && from.equals(to))) return undefined;
    // Once all keys are listed, only those that are marked are waited for, and no others may be added without end.
    if (reads && (isUnread || !fills.isListed(toDb, to))) {
      this.#mark(toDb, to);
      return undefined;
    }
    const reason = `${time.command} from a key ${known ? 'that has yet to be read' : 'that is not captured'}`;
    return { kind: 'unresolved', reason, db: toDb, key: Buffer.from(to) };
  }

  /** Notes in the state that the key's value has to be read. */
  #mark(db: number, key: Buffer): void {
    const { state, unread } = this.#parts;
    const { expireAt = 0, published = null, mark = null } = state.get(db, key) ?? {};
    state.put(db, key, { current: UNREAD_HASH, expireAt, published, mark });
    unread.add(db, key);
  }
}
