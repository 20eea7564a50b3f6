import type { Entry } from '../state/port.ts';
import type { FoldTime, RemovalCause } from './change.ts';

/** What a DEL or UNLINK of the stream means (rule 5): the master sends the same for a key that expired or was evicted. */
export function causeOf(db: number, key: Buffer, { expireAt }: Entry, time: FoldTime): RemovalCause {
  if (time.command !== 'DEL' && time.command !== 'UNLINK') return 'deleted';
  const expires = expireAt !== 0;
  if (expires && expireAt <= time.notBefore) return 'expired';
  if (expires && expireAt <= time.notAfter) return 'ambiguous';
  const evicted = time.evicted(db, key, expires);
  if (evicted === 'maybe') return 'ambiguous';
  return evicted === 'yes' ? 'evicted' : 'deleted';
}

/** Why a key is missing from a snapshot: one whose time ran out meanwhile may have expired or have been deleted. */
export function vanishedCause(entry: Pick<Entry, 'expireAt'>, provenTime: number): RemovalCause {
  return entry.expireAt !== 0 && entry.expireAt <= provenTime ? 'ambiguous' : 'vanished';
}
