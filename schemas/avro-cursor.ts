/** Up to this length, looking for non-ASCII bytes in a loop is faster than decoding UTF-8 in native code. */
const LOOP_UP_TO = 32;

/**
 * How to pass over some bytes: steps of a shape of a datum, one behind the other.
 *
 *   steps := (VARINT | SIZED | FIXED length | OPTIONAL count steps)*
 *
 * OPTIONAL is a union of null, first, with what the next `count` numbers pass over.
 */
export type Passage = readonly number[];
export const VARINT = 0;
export const SIZED = 1;
export const FIXED = 2;
export const OPTIONAL = 3;

/** Reads Avro's binary encoding from the bytes of one datum after the other. @throws RangeError where they end too early */
export class AvroCursor {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  get at(): number {
    return this.#at;
  }

  /** @param end where the datum ends, and other bytes may follow */
  begin(bytes: Buffer, at: number, end: number): void {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  byte(): number {
    return this.#bytes[this.#take(1)] ?? 0;
  }

  /** A long: as a number where it is a safe integer, otherwise as a bigint. */
  long(): number | bigint {
    const start = this.#at;
    const zigzag = this.#varint();
    if (zigzag <= Number.MAX_SAFE_INTEGER) return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    return this.#exactLong(start);
  }

  /** An int, a length or a branch: beyond 2^53 it is not exact, and out of every range that counts. */
  int(): number {
    const zigzag = this.#varint();
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  }

  float(): number {
    return this.#bytes.readFloatLE(this.#take(4));
  }

  double(): number {
    return this.#bytes.readDoubleLE(this.#take(8));
  }

  /** Bytes with their length before them, as a view. */
  sized(): Buffer {
    const length = this.int();
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  text(): string {
    const length = this.int();
    const start = this.#take(length);
    const end = start + length;
    return this.#bytes.toString(this.#isAscii(start, end) ? 'latin1' : 'utf8', start, end);
  }

  /** A text that is often the same: `known` itself, where that is what stands here. */
  textLike(known: string): string {
    const start = this.#at;
    const length = this.int();
    const bytes = this.#bytes;
    if (length === known.length && this.#at + length <= this.#end) {
      let at = 0;
      // Equal bytes below 128 are equal characters.
      while (at < length && bytes[this.#at + at] === known.charCodeAt(at) && known.charCodeAt(at) < 128) at++;
      if (at === length) {
        this.#at += length;
        return known;
      }
    }
    this.#at = start;
    return this.text();
  }

  skip(length: number): void {
    this.#take(length);
  }

  /** Passes over what has this shape, without a call for each part of it. */
  pass(steps: Passage): void {
    for (let step = 0; step < steps.length; step++) {
      switch (steps[step]) {
        case VARINT:
          this.#varint();
          break;
        case SIZED:
          this.#take(this.int());
          break;
        case FIXED:
          this.#take(steps[++step] ?? 0);
          break;
        default: {
          const branch = this.int();
          if (branch !== 0 && branch !== 1) throw new RangeError('a union has no such branch');
          step += branch === 0 ? 1 + (steps[step + 1] ?? 0) : 1;
        }
      }
    }
  }

  #isAscii(start: number, end: number): boolean {
    if (end - start > LOOP_UP_TO) return false;
    const bytes = this.#bytes;
    let seen = 0;
    for (let at = start; at < end; at++) seen |= bytes[at] ?? 0;
    return seen < 128;
  }

  #varint(): number {
    const bytes = this.#bytes;
    let value = 0;
    let unit = 1;
    for (let left = 10; left > 0; left--) {
      const byte = bytes[this.#at];
      if (byte === undefined || this.#at >= this.#end) throw new RangeError('the bytes end too early');
      this.#at++;
      if (byte < 128) return value + byte * unit;
      value += (byte - 128) * unit;
      unit *= 128;
    }
    throw new RangeError('a number has more than 64 bits');
  }

  #exactLong(start: number): number | bigint {
    let zigzag = 0n;
    for (let at = this.#at - 1; at >= start; at--) zigzag = (zigzag << 7n) | BigInt((this.#bytes[at] ?? 0) & 127);
    const value = BigInt.asIntN(64, (zigzag >> 1n) ^ -(zigzag & 1n));
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
  }

  #take(length: number): number {
    const start = this.#at;
    if (length < 0 || start + length > this.#end) throw new RangeError('the bytes end too early');
    this.#at = start + length;
    return start;
  }
}
