import type { Random } from './random.ts';

/** The bytes in pieces of 1 to `max` bytes, small ones as likely as large ones. */
export function* cutAtRandom(bytes: Buffer, random: Random, max: number): Generator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length;) {
    const size = Math.max(1, Math.floor(max ** random.next()));
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** The bytes in pieces of one size. */
export function* cutEvery(bytes: Buffer, size: number): Generator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
