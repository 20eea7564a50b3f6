import type { Entry } from './state/port.ts';

/**
 * Stands in the state for what a key holds when nobody has read it yet: its row was published once, or the stream has
 * named it while its mapping is being filled. No hash is packed like that: none is without fields.
 */
export const UNREAD_HASH: Buffer = Buffer.alloc(0);

/** Whether the state has a key of which nobody knows what it holds. */
export function isUnreadHash(current: Entry['current']): boolean {
  return Buffer.isBuffer(current) && current.length === 0;
}
