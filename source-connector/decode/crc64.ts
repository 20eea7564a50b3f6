import { endianness } from 'node:os';

/**
 * CRC-64 as in RDB files and DUMP payloads: Jones polynomial ad93d23594c935a9, reflected, start 0, no final xor
 * ("123456789" gives e9c6d914c4b8d9ca). Slicing-by-8 on 32-bit halves, since BigInt is forty times slower.
 */

const POLYNOMIAL_LOW = 0xac4bc9b5 | 0;
const POLYNOMIAL_HIGH = 0x95ac9329 | 0;

const LITTLE_ENDIAN = endianness() === 'LE';

/** Tables of the eight slices, the low and the high half of each entry apart. */
const LOW = new Int32Array(8 * 256);
const HIGH = new Int32Array(8 * 256);

function at(table: Int32Array, index: number): number {
  return table[index] ?? 0;
}

for (let byte = 0; byte < 256; byte++) {
  let low = byte;
  let high = 0;
  for (let bit = 0; bit < 8; bit++) {
    const odd = (low & 1) === 1;
    low = (low >>> 1) | (high << 31);
    high = high >>> 1;
    if (odd) {
      low ^= POLYNOMIAL_LOW;
      high ^= POLYNOMIAL_HIGH;
    }
  }
  LOW[byte] = low;
  HIGH[byte] = high;
}
for (let byte = 0; byte < 256; byte++) {
  let low = at(LOW, byte);
  let high = at(HIGH, byte);
  for (let slice = 1; slice < 8; slice++) {
    const index = low & 255;
    low = ((low >>> 8) | (high << 24)) ^ at(LOW, index);
    high = (high >>> 8) ^ at(HIGH, index);
    LOW[slice * 256 + byte] = low;
    HIGH[slice * 256 + byte] = high;
  }
}

/** A running CRC-64. */
export class Crc64 {
  #low = 0;
  #high = 0;

  update(bytes: Buffer, start: number, end: number): this {
    // Where words can be read at once they are, which takes a third less time than putting them together from bytes.
    const unaligned = LITTLE_ENDIAN ? (4 - ((bytes.byteOffset + start) & 3)) & 3 : end - start;
    const aligned = start + Math.min(unaligned, end - start);
    this.#byBytes(bytes, start, aligned);
    const tail = aligned + 8 * Math.floor((end - aligned) / 8);
    if (tail > aligned) this.#byWords(new Int32Array(bytes.buffer, bytes.byteOffset + aligned, (tail - aligned) / 4));
    this.#byBytes(bytes, tail, end);
    return this;
  }

  /** Eight bytes at a time. */
  #byWords(words: Int32Array): void {
    let low = this.#low;
    let high = this.#high;
    for (let i = 0; i < words.length; i += 2) {
      low ^= at(words, i);
      high ^= at(words, i + 1);
      const a = 1792 + (low & 255);
      const b = 1536 + ((low >>> 8) & 255);
      const c = 1280 + ((low >>> 16) & 255);
      const d = 1024 + (low >>> 24);
      const e = 768 + (high & 255);
      const f = 512 + ((high >>> 8) & 255);
      const g = 256 + ((high >>> 16) & 255);
      const h = high >>> 24;
      low = at(LOW, a) ^ at(LOW, b) ^ at(LOW, c) ^ at(LOW, d) ^ at(LOW, e) ^ at(LOW, f) ^ at(LOW, g) ^ at(LOW, h);
      high =
        at(HIGH, a) ^ at(HIGH, b) ^ at(HIGH, c) ^ at(HIGH, d) ^ at(HIGH, e) ^ at(HIGH, f) ^ at(HIGH, g) ^ at(HIGH, h);
    }
    this.#low = low;
    this.#high = high;
  }

  #byBytes(bytes: Buffer, start: number, end: number): void {
    let low = this.#low;
    let high = this.#high;
    for (let i = start; i < end; i++) {
      const index = (low ^ (bytes[i] ?? 0)) & 255;
      low = ((low >>> 8) | (high << 24)) ^ at(LOW, index);
      high = (high >>> 8) ^ at(HIGH, index);
    }
    this.#low = low;
    this.#high = high;
  }

  /** Whether the eight bytes at `position`, little endian, are this checksum. */
  equals(bytes: Buffer, position: number): boolean {
    return bytes.readInt32LE(position) === this.#low && bytes.readInt32LE(position + 4) === this.#high;
  }

  /** The checksum as sixteen hexadecimal digits. */
  toString(): string {
    return hex(this.#high) + hex(this.#low);
  }
}

function hex(half: number): string {
  return (half >>> 0).toString(16).padStart(8, '0');
}
