import { corruptRdb } from './rdb-error.ts';

/** The most that LZF can gain: a reference of three bytes stands for up to 264 bytes. */
const GAIN_MAX = 88;

/** Whether `compressed` bytes can hold `length` bytes at all: to be asked before memory is set aside for them. */
export function lzfCanHold(compressed: number, length: number): boolean {
  return length <= compressed * GAIN_MAX;
}

/**
 * Decompresses the bytes [start, end) of `from` into the first `length` bytes of `into`.
 *
 *   compressed := ( literal | short | long )*
 *   literal    := 000nnnnn  then n+1 bytes as they are
 *   short      := nnnooooo oooooooo            n = 1..6: n+2 bytes from o+1 bytes back
 *   long       := 111ooooo nnnnnnnn oooooooo   n+9 bytes from o+1 bytes back (they may overlap)
 *
 * `position` is where the compressed string stands, for the error RDB_CORRUPT. Source: liblzf, lzf_d.c.
 */
export function decompressLzf(
  from: Buffer,
  start: number,
  end: number,
  into: Buffer,
  length: number,
  position: number,
): void {
  let at = start;
  let to = 0;
  while (at < end) {
    const control = from[at++] ?? 0;
    if (control < 32) {
      let left = control + 1;
      if (at + left > end || to + left > length) throw brokenLzf(position);
      while (left-- > 0) into[to++] = from[at++] ?? 0;
      continue;
    }
    let left = (control >> 5) + 2;
    if (at + (left === 9 ? 2 : 1) > end) throw brokenLzf(position);
    if (left === 9) left += from[at++] ?? 0;
    let back = to - ((control & 31) << 8) - 1 - (from[at++] ?? 0);
    if (back < 0 || to + left > length) throw brokenLzf(position);
    while (left-- > 0) into[to++] = into[back++] ?? 0;
  }
  if (to !== length) throw brokenLzf(position);
}

function brokenLzf(position: number): Error {
  return corruptRdb('a compressed string does not decompress to its length', position);
}
