import { AfterwriteError } from '../../ops/errors/index.ts';

/** Reads Kafka's numbers and sized bytes, one after the other. @throws RECORD_UNREADABLE where the bytes end too early */
export class ByteReader {
  readonly #bytes: Buffer;
  #at: number;

  /** @param at where to begin */
  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** The place of the next byte to read. */
  get at(): number {
    return this.#at;
  }

  skip(length: number): void {
    this.#take(length);
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  int64(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8));
  }

  /** A zigzag varint of up to 64 bits; exact up to 2^53. */
  varint(): number {
    const bytes = this.#bytes;
    let zigzag = 0;
    let unit = 1;
    for (let left = 10; left > 0; left--) {
      const byte = bytes[this.#at];
      if (byte === undefined) throw endsTooEarly();
      this.#at++;
      if (byte < 128) {
        zigzag += byte * unit;
        return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
      }
      zigzag += (byte - 128) * unit;
      unit *= 128;
    }
    throw new AfterwriteError('RECORD_UNREADABLE', "Kafka's answer holds a number of more than 64 bits");
  }

  /** So many bytes, as a view; null for a negative length. */
  sized(length: number): Buffer | null {
    if (length < 0) return null;
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  #take(length: number): number {
    const start = this.#at;
    if (length < 0 || start + length > this.#bytes.length) throw endsTooEarly();
    this.#at = start + length;
    return start;
  }
}

function endsTooEarly(): AfterwriteError {
  return new AfterwriteError('RECORD_UNREADABLE', "Kafka's answer ends too early");
}
