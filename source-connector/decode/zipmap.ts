import type { PackedWriter } from '../packed-hash.ts';
import { corruptRdb } from './rdb-error.ts';

/**
 * Reads a hash from the zipmap (Redis before 2.6) at [start, end) of `blob` into packed fields.
 *
 *   zipmap := count(1 byte; 254 and more = unknown) ( length name length free value padding )* FF
 *   length := one byte below 254, or FE u32 LE
 *   free   := one byte: how many bytes of padding follow the value
 *
 * `position` is where the blob stands, for the error RDB_CORRUPT. Source: Redis, zipmap.c.
 */
export function readZipmap(blob: Buffer, start: number, end: number, position: number, into: PackedWriter): void {
  const fail = (what: string, at: number): Error => corruptRdb(`zipmap: ${what}`, position, at - start);
  if (end - start < 2) throw fail('shorter than its header', start);
  const declared = blob[start] ?? 0;
  const last = end - 1;
  let at = start + 1;
  let count = 0;
  for (; at < last; count++) {
    const field = at;
    if (blob[at] === 255) throw fail('an end mark before the end', at);
    at += lengthSize(blob, at);
    if (at > last) throw fail('a field passes the end', field);
    const nameLength = lengthAt(blob, field);
    const value = at + nameLength;
    if (value >= last || blob[value] === 255) throw fail('a field passes the end', field);
    const size = lengthSize(blob, value);
    if (value + size >= last) throw fail('a field passes the end', field);
    const valueStart = value + size + 1;
    const valueEnd = valueStart + lengthAt(blob, value);
    const next = valueEnd + (blob[valueStart - 1] ?? 0);
    if (next > last) throw fail('a field passes the end', field);
    into.add(blob, at, value, blob, valueStart, valueEnd);
    at = next;
  }
  if (at !== last || blob[last] !== 0xff) throw fail('the end mark is missing', last);
  if (declared < 254 && declared !== count) throw fail(`${count} fields where the header says ${declared}`, start);
}

function lengthSize(blob: Buffer, at: number): number {
  return blob[at] === 254 ? 5 : 1;
}

/** The caller has checked that all bytes of the length stand before the end. */
function lengthAt(blob: Buffer, at: number): number {
  return blob[at] === 254 ? blob.readUInt32LE(at + 1) : (blob[at] ?? 0);
}
