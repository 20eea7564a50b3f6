/**
 * What messages of TTC, the protocol on top of TNS, are made of:
 *
 *   ub     := 0 | length:1 big-endian bytes without leading zeros        an unsigned number
 *   sb     := as ub; bit 0x80 of the length says that the number is negative
 *   chunks := 0xFE (ub byte*)* 0
 *   bytes  := 0 | length:1 (1 to 252) byte* | chunks                     null and the empty text are one
 *   text   := 0 | ub(length) bytes
 *   pair   := text text ub(flags)
 */
const shortBytes = 252;
const chunked = 0xfe;
const chunkBytes = 32_767;

export class TtcWriter {
  readonly #parts: Buffer[] = [];

  u8(...values: number[]): this {
    return this.raw(Buffer.from(values.map((value) => value & 0xff)));
  }

  raw(bytes: Buffer): this {
    this.#parts.push(bytes);
    return this;
  }

  zeros(count: number): this {
    return this.raw(Buffer.alloc(count));
  }

  u16be(value: number): this {
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16BE(value);
    return this.raw(bytes);
  }

  u16le(value: number): this {
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16LE(value);
    return this.raw(bytes);
  }

  ub(...values: number[]): this {
    for (const value of values) this.raw(unsigned(value));
    return this;
  }

  sb(value: number): this {
    const bytes = unsigned(Math.abs(value));
    if (value < 0) bytes.writeUInt8(bytes.readUInt8(0) | 0x80, 0);
    return this.raw(bytes);
  }

  bytes(value: Buffer | string): this {
    const bytes = Buffer.from(value);
    if (bytes.length === 0) return this.u8(0);
    if (bytes.length <= shortBytes) return this.u8(bytes.length).raw(bytes);
    this.u8(chunked);
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      const chunk = bytes.subarray(at, at + chunkBytes);
      this.ub(chunk.length).raw(chunk);
    }
    return this.ub(0);
  }

  text(value: string): this {
    const bytes = Buffer.from(value);
    this.ub(bytes.length);
    return bytes.length === 0 ? this : this.bytes(bytes);
  }

  pair(name: string, value: string, flags = 0): this {
    return this.text(name).text(value).ub(flags);
  }

  get message(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

function unsigned(value: number): Buffer {
  if (value === 0) return Buffer.from([0]);
  const digits = value.toString(16);
  const bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

/** Reads a message from its beginning to its end. Whatever it holds too little of is an error. */
export class TtcReader {
  readonly #message: Buffer;
  #at = 0;

  constructor(message: Buffer) {
    this.#message = message;
  }

  get left(): number {
    return this.#message.length - this.#at;
  }

  /** The next byte, which stays; undefined at the end. */
  get next(): number | undefined {
    return this.#message[this.#at];
  }

  raw(count: number): Buffer {
    if (count > this.left) throw new Error(`a TTC message that ends ${count - this.left} bytes early`);
    this.#at += count;
    return this.#message.subarray(this.#at - count, this.#at);
  }

  u8(): number {
    return this.raw(1).readUInt8();
  }

  u16be(): number {
    return this.raw(2).readUInt16BE();
  }

  ub(): number {
    const length = this.u8();
    if (length > 8) throw new Error(`a TTC number of ${length} bytes`);
    return length === 0 ? 0 : Number(`0x${this.raw(length).toString('hex')}`);
  }

  /** Passes over pointers (one byte that says whether there is something) and numbers: `p` and `n`. */
  skip(fields: string): void {
    for (const field of fields) {
      if (field === 'p') this.u8();
      else this.ub();
    }
  }

  /** @returns null for what is null or empty */
  bytes(): Buffer | null {
    const length = this.u8();
    if (length === 0 || length === 0xff) return null;
    if (length !== chunked) return this.raw(length);
    const chunks: Buffer[] = [];
    for (let size = this.ub(); size > 0; size = this.ub()) chunks.push(this.raw(size));
    return Buffer.concat(chunks);
  }

  text(): string {
    return this.ub() === 0 ? '' : this.string();
  }

  /** What stands there as bytes, as a text. */
  string(): string {
    return this.bytes()?.toString() ?? '';
  }

  pair(): readonly [name: string, value: string] {
    const pair = [this.text(), this.text()] as const;
    this.ub();
    return pair;
  }
}
