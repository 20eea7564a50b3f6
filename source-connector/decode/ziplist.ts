import type { PackedWriter } from '../packed-hash.ts';
import { corruptRdb } from './rdb-error.ts';

/**
 * Reads a hash from the ziplist at [start, end) of `blob` into packed fields.
 *
 *   ziplist  := total(u32 LE) tail(u32 LE) count(u16 LE; 65535 = unknown) entry* FF
 *   entry    := previous encoding data
 *   previous := size of the entry before: one byte below 254, or FE u32 LE
 *   encoding := 00llllll | 01llllll llllllll | 80 u32 BE          strings of l bytes
 *             | C0 i16 | D0 i32 | E0 i64 | F0 i24 | FE i8          integers, little endian
 *             | F1 … FD                                            integers 0 … 12
 *
 * The entries are name, value in turn. `position` is where the blob stands, for the error RDB_CORRUPT.
 * Source: Redis, ziplist.c.
 */
export function readZiplist(blob: Buffer, start: number, end: number, position: number, into: PackedWriter): void {
  const fail = (what: string, at: number): Error => corruptRdb(`ziplist: ${what}`, position, at - start);
  if (end - start < 11) throw fail('shorter than its header', start);
  if (blob.readUInt32LE(start) !== end - start) throw fail('the total length is not the length of the blob', start);
  const declared = blob.readUInt16LE(start + 8);
  const last = end - 1;
  let at = start + 10;
  let previous = 0;
  let count = 0;
  for (; at < last; count++) {
    const entry = at;
    const long = blob[at] === 254;
    at += long ? 5 : 1;
    if (at >= last) throw fail('an entry passes the end', entry);
    if ((long ? blob.readUInt32LE(entry + 1) : blob[entry]) !== previous) {
      throw fail('an entry does not tell the size of the one before', entry);
    }
    const encoding = blob[at] ?? 0;
    const head = headSize(encoding);
    if (head === 0) throw fail(`unknown encoding ${encoding}`, at);
    if (at + head > last) throw fail('an entry passes the end', entry);
    if (encoding < 0xc0) {
      const length = stringLength(blob, at, encoding);
      if (at + head + length > last) throw fail('an entry passes the end', entry);
      into.append(blob, at + head, at + head + length);
      at += head + length;
    } else {
      into.appendInteger(integer(blob, at, encoding));
      at += head;
    }
    previous = at - entry;
  }
  if (at !== last || blob[last] !== 0xff) throw fail('the end mark is missing', last);
  if (declared !== 65535 && declared !== count) throw fail(`${count} entries where the header says ${declared}`, start);
  if (count % 2 !== 0) throw fail(`${count} entries are not whole fields`, start);
}

/** Bytes of the encoding with its length or integer; 0 when it is unknown. */
function headSize(encoding: number): number {
  if (encoding < 0x40) return 1;
  if (encoding < 0x80) return 2;
  if (encoding === 0x80) return 5;
  if (encoding === 0xc0) return 3;
  if (encoding === 0xd0) return 5;
  if (encoding === 0xe0) return 9;
  if (encoding === 0xf0) return 4;
  if (encoding === 0xfe) return 2;
  return encoding > 0xf0 && encoding < 0xfe ? 1 : 0;
}

function stringLength(blob: Buffer, at: number, encoding: number): number {
  if (encoding < 0x40) return encoding;
  if (encoding < 0x80) return ((encoding & 63) << 8) | (blob[at + 1] ?? 0);
  return blob.readUInt32BE(at + 1);
}

function integer(blob: Buffer, at: number, encoding: number): number | bigint {
  if (encoding === 0xc0) return blob.readInt16LE(at + 1);
  if (encoding === 0xd0) return blob.readInt32LE(at + 1);
  if (encoding === 0xe0) return blob.readBigInt64LE(at + 1);
  if (encoding === 0xf0) return blob.readIntLE(at + 1, 3);
  if (encoding === 0xfe) return blob.readInt8(at + 1);
  return encoding - 0xf1;
}
