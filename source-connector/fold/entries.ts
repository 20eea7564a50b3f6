import type { Entry } from '../state/port.ts';
import { wholeOf, type HeldHash } from '../wide-hash.ts';

/** What is known of a key that nothing is known of. */
export const ABSENT: Entry = { current: null, expireAt: 0, published: null, mark: null };

/** Whether the state already says so of a key. */
export function holds(entry: Entry, hash: HeldHash, expireAt: number): boolean {
  if (entry.expireAt !== expireAt) return false;
  // A wide hash is changed in its place. A new one is compared where it is put, bucket by bucket.
  if (!Buffer.isBuffer(hash)) return !hash.changed;
  return Buffer.isBuffer(entry.current) && entry.current.equals(hash);
}

/** An entry whose hash is a copy. */
export function copyOf(entry: Entry): Entry {
  return { ...entry, current: entry.current === null ? null : Buffer.from(wholeOf(entry.current)) };
}
