import type { PackedWriter } from '../packed-hash.ts';
import { corruptRdb } from './rdb-error.ts';

/**
 * Reads a hash from the listpack at [start, end) of `blob` into packed fields.
 *
 *   listpack := total(u32 LE) count(u16 LE; 65535 = unknown) entry* FF
 *   entry    := encoding data backlen
 *   encoding := 0vvvvvvv                      integer 0..127
 *             | 10llllll                      string of l bytes
 *             | 110vvvvv vvvvvvvv             integer of 13 bits, signed
 *             | 1110llll llllllll             string of l bytes
 *             | F0 u32 LE                     string
 *             | F1 i16 | F2 i24 | F3 i32 | F4 i64   integers, little endian
 *   backlen  := the size of encoding + data, 7 bits a byte, high bits first, bit 7 set in all bytes but the first
 *
 * The entries are name, value in turn, or name, value, expiry time with `group` 3; the times are left out. With `group` 1
 * they are single strings.
 * `position` is where the blob stands, for the error RDB_CORRUPT. Source: Redis, listpack.c.
 */
export function readListpack(
  blob: Buffer,
  start: number,
  end: number,
  position: number,
  group: 1 | 2 | 3,
  into: PackedWriter,
): void {
  const fail = (what: string, at: number): Error => corruptRdb(`listpack: ${what}`, position, at - start);
  if (end - start < 7) throw fail('shorter than its header', start);
  if (uint16(blob, start) + uint16(blob, start + 2) * 65536 !== end - start)
    throw fail('the total length is not the length of the blob', start);
  const declared = uint16(blob, start + 4);
  const last = end - 1;
  let at = start + 6;
  let count = 0;
  for (; at < last; count++) {
    const encoding = blob[at] ?? 0;
    if (encoding < 0xc0) {
      // Short strings and small numbers, which almost all entries are: their size fits the one byte of the backlen.
      const isString = encoding >= 0x80;
      const next = at + (isString ? (encoding & 63) + 1 : 1);
      if (next > last) throw fail('an entry passes the end', at);
      if (group !== 3 || count % 3 !== 2) {
        if (isString) into.append(blob, at + 1, next);
        else into.appendInteger(encoding);
      }
      if (next >= last || blob[next] !== next - at) throw fail('an entry is not followed by its length', at);
      at = next + 1;
      continue;
    }
    const head = headSize(encoding);
    if (head === 0) throw fail(`unknown encoding ${encoding}`, at);
    if (at + head > last) throw fail('an entry passes the end', at);
    const wanted = group !== 3 || count % 3 !== 2;
    let size = head;
    const length = stringLength(blob, at, encoding);
    if (length >= 0) {
      size += length;
      if (at + size > last) throw fail('an entry passes the end', at);
      if (wanted) into.append(blob, at + head, at + size);
    } else if (wanted) {
      into.appendInteger(integer(blob, at, encoding));
    }
    const back = backlenSize(size);
    if (!backlenIs(blob, at + size, back, size, last)) throw fail('an entry is not followed by its length', at);
    at += size + back;
  }
  if (at !== last || blob[last] !== 0xff) throw fail('the end mark is missing', last);
  if (declared !== 65535 && declared !== count) throw fail(`${count} entries where the header says ${declared}`, start);
  if (count % group !== 0) throw fail(`${count} entries are not whole fields`, start);
}

/** Bytes of the encoding with its length or integer; 0 when it is unknown. */
function headSize(encoding: number): number {
  if (encoding < 0xc0) return 1;
  if (encoding < 0xf0) return 2;
  if (encoding === 0xf0) return 5;
  if (encoding === 0xf1) return 3;
  if (encoding === 0xf2) return 4;
  if (encoding === 0xf3) return 5;
  return encoding === 0xf4 ? 9 : 0;
}

/** Length of a string entry, or -1 for an integer. */
function stringLength(blob: Buffer, at: number, encoding: number): number {
  if (encoding < 0x80) return -1;
  if (encoding < 0xc0) return encoding & 63;
  if (encoding < 0xe0) return -1;
  if (encoding < 0xf0) return ((encoding & 15) << 8) | (blob[at + 1] ?? 0);
  return encoding === 0xf0 ? blob.readUInt32LE(at + 1) : -1;
}

function integer(blob: Buffer, at: number, encoding: number): number | bigint {
  if (encoding < 0x80) return encoding;
  if (encoding < 0xe0) return ((((encoding & 31) << 8) | (blob[at + 1] ?? 0)) << 19) >> 19;
  if (encoding === 0xf1) return blob.readInt16LE(at + 1);
  if (encoding === 0xf2) return blob.readIntLE(at + 1, 3);
  if (encoding === 0xf3) return blob.readInt32LE(at + 1);
  return blob.readBigInt64LE(at + 1);
}

/** Redis writes 16383, 2097151 and 268435455 with one byte more than they need. */
function backlenSize(size: number): number {
  if (size <= 127) return 1;
  if (size < 16383) return 2;
  if (size < 2097151) return 3;
  return size < 268435455 ? 4 : 5;
}

function backlenIs(blob: Buffer, at: number, bytes: number, size: number, last: number): boolean {
  if (at + bytes > last) return false;
  if (bytes === 1) return blob[at] === size;
  let rest = size;
  for (let i = at + bytes - 1; i > at; i--) {
    if (blob[i] !== ((rest & 127) | 128)) return false;
    rest >>>= 7;
  }
  return blob[at] === rest;
}

/** Buffer.readUInt16LE without its checks: the caller has made them. */
function uint16(blob: Buffer, at: number): number {
  return (blob[at] ?? 0) | ((blob[at + 1] ?? 0) << 8);
}
