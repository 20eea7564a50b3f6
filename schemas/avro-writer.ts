/** Numbers beyond this are written through bigint, since their zigzag form is no exact number any more. */
const EXACT = 2 ** 52;

/** What many small records are written into, one after the other. */
const CHUNK = 65_536;
/** Up to this length a loop is faster than a call into native code. */
const LOOP_UP_TO = 64;

/**
 * Writes Avro's binary encoding into one growing buffer that is used again and again.
 *
 *   long   := zigzag, then 7 bits a byte, low bits first, the top bit says that more follow (int is the same)
 *   string := long(length) bytes (bytes are the same)
 */
export class AvroWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(1024);
  /** Where the piece in hand begins: what stands before was taken. */
  #start = 0;
  #at = 0;

  /** How many bytes were written since the reset; may be set back to take the last of them away. */
  get length(): number {
    return this.#at - this.#start;
  }

  set length(length: number) {
    this.#at = this.#start + length;
  }

  reset(): this {
    this.#at = this.#start;
    return this;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  /** An int, or a long that is a safe integer. */
  long(value: number): void {
    if (value >= EXACT || value < -EXACT) {
      this.bigLong(BigInt(value));
      return;
    }
    this.#reserve(10);
    const bytes = this.#bytes;
    let rest = value < 0 ? -2 * value - 1 : 2 * value;
    // Bit operations work on 32 bits only, so the upper part is divided away first.
    while (rest > 0x7fffffff) {
      bytes[this.#at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest > 127) {
      bytes[this.#at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    bytes[this.#at++] = rest;
  }

  /** A long of any size. */
  bigLong(value: bigint): void {
    this.#reserve(10);
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    while (rest > 127n) {
      this.#bytes[this.#at++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.#bytes[this.#at++] = Number(rest);
  }

  /** A decimal without its point: bytes, two's complement, the highest first, as few as hold it. */
  unscaled(value: bigint): void {
    let length = 1;
    while (BigInt.asIntN(8 * length, value) !== value) length++;
    this.long(length);
    for (let at = length - 1; at >= 0; at--) this.byte(Number((value >> BigInt(8 * at)) & 255n));
  }

  float(value: number): void {
    this.#reserve(4);
    this.#at = this.#bytes.writeFloatLE(value, this.#at);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  /** A string or bytes: the length, then the bytes. */
  sized(value: Buffer): void {
    this.long(value.length);
    this.raw(value);
  }

  /** Bytes that are encoded already. */
  raw(value: Buffer): void {
    const { length } = value;
    this.#reserve(length);
    const bytes = this.#bytes;
    let at = this.#at;
    if (length <= LOOP_UP_TO) for (let i = 0; i < length; i++) bytes[at++] = value[i] ?? 0;
    else at += value.copy(bytes, at);
    this.#at = at;
  }

  /** What was written: a view, valid until the next reset or write. */
  view(): Buffer {
    return this.#bytes.subarray(this.#start, this.#at);
  }

  /** What was written, to keep: these bytes are not written again. Neighbours share memory, which goes with the last. */
  take(): Buffer {
    const taken = this.view();
    this.#start = this.#at;
    return taken;
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const { length } = this;
    // After a take the memory belongs to others; without one it only has to grow.
    const wanted = Math.max(this.#start > 0 ? CHUNK : 0, (length + more) * 2);
    const grown = Buffer.allocUnsafeSlow(wanted);
    this.#bytes.copy(grown, 0, this.#start, this.#at);
    this.#bytes = grown;
    this.#start = 0;
    this.#at = length;
  }
}

/** A string as Avro encodes it, for parts that are written again and again. */
export function encodedText(text: string): Buffer {
  const writer = new AvroWriter();
  writer.sized(Buffer.from(text));
  return writer.take();
}
