import { z } from 'zod';
import type { RemovalCause } from './fold/change.ts';

/**
 * Marks: what the topics cannot say about a key. In the state they are bytes:
 *   'k' cause    the row is kept although its hash went away for this cause
 *   'r' digest   the hash was rejected (dead-lettered); the digest names the rejected content
 * In the marks topic they are JSON under the key `<db>:<Redis key>`, one partition a shard; a tombstone takes one away.
 */
const KEPT = 0x6b;
const REJECTED = 0x72;

export function keptMark(cause: RemovalCause): Buffer {
  return Buffer.from(`k${cause}`, 'latin1');
}

export function rejectedMark(digest: Buffer): Buffer {
  return Buffer.concat([Buffer.from([REJECTED]), digest]);
}

/** Key and value of a mark's record. */
export function markRecord(
  mapping: string,
  db: number,
  key: Buffer,
  mark: Buffer | null,
): [key: Buffer, value: Buffer | null] {
  const recordKey = Buffer.concat([Buffer.from(`${db}:`), key]);
  if (mark === null) return [recordKey, null];
  const says = mark[0] === KEPT ? { kept: mark.toString('latin1', 1) } : { rejected: mark.toString('hex', 1) };
  return [recordKey, Buffer.from(JSON.stringify({ v: 1, mapping, ...says }))];
}

const recordValue = z.object({ v: z.literal(1), kept: z.string().optional(), rejected: z.hex().optional() });

/** What a mark's record says: `mark` null is a mark that was taken away. @throws what JSON and zod say of other bytes */
export function readMarkRecord(
  key: Buffer,
  value: Buffer | null,
): { db: number; key: Buffer; kept: boolean; mark: Buffer | null } {
  const colon = key.indexOf(':');
  const place = { db: Number(key.toString('latin1', 0, colon)), key: key.subarray(colon + 1) };
  if (value === null) return { ...place, kept: false, mark: null };
  const { kept, rejected } = recordValue.parse(JSON.parse(value.toString('utf8')));
  if (kept !== undefined) return { ...place, kept: true, mark: Buffer.from(`k${kept}`, 'latin1') };
  return { ...place, kept: false, mark: rejectedMark(Buffer.from(rejected ?? '', 'hex')) };
}
