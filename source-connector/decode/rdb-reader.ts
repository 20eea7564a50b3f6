import { ByteWindow } from './byte-window.ts';
import { Crc64 } from './crc64.ts';
import { decompressLzf, lzfCanHold } from './lzf.ts';
import { corruptRdb } from './rdb-error.ts';

/** Redis itself takes no string above 512 MB unless configured to; a longer one that must be held is an error. */
const HELD_STRING_MAX = 1024 * 1024 * 1024;

/** Scratch memory for decompression that is kept; more is given back after the string that needed it. */
const KEPT_SCRATCH = 1024 * 1024;

/** What #lengthAt answers instead of a length: more bytes are needed, or (ENCODED - code) an encoded string. */
const MORE = -1;
const ENCODED = -2;

/** The codes of encoded strings. */
const INT8 = 0;
const INT16 = 1;
const LZF = 3;
const PLAIN = -1;

/**
 * The primitives of the RDB format over bytes that come in pieces.
 *
 *   length := 00llllll | 01llllll llllllll | 80 u32 BE | 81 u64 BE
 *   string := length byte* | C0 i8 | C1 i16 LE | C2 i32 LE | C3 length(compressed) length(plain) byte*
 *
 * Each `try…` either reads its item whole and returns true, or consumes nothing and returns false: the caller then
 * waits for more bytes and tries again. That makes the usual case one plain call, and a cut at any byte harmless.
 */
export class RdbReader {
  readonly #window = new ByteWindow();
  /** Position, in the RDB, of the window's byte 0. */
  #base = 0;
  readonly #crc = new Crc64();
  /** The window's bytes before this one are in the checksum. */
  #summed = 0;
  #decompressed: Buffer = Buffer.alloc(0);
  readonly #digits = Buffer.alloc(16);
  /** Position in the window after what #lengthAt has read. */
  #next = 0;
  /** Of the string whose header was read last: its code and, when it is compressed, its length once decompressed. */
  #encoding = PLAIN;
  #decompressedLength = 0;

  /** The last byte that tryByte read. */
  byte = 0;
  /** The length that tryLength read (above 2^53 not exact: only module and stream ids are so large), or how many bytes follow the header that tryStringHeader read. */
  length = 0;
  /** The last string that tryString read: bounds into `source`, valid until the next read or push. */
  source: Buffer = this.#digits;
  start = 0;
  end = 0;

  /** Bytes consumed so far. */
  get position(): number {
    return this.#base + this.#window.start;
  }

  /** Bytes pushed and not consumed. */
  get available(): number {
    return this.#window.available;
  }

  push(chunk: Buffer): void {
    this.#sum();
    const moved = this.#window.push(chunk);
    this.#base += moved;
    this.#summed -= moved;
  }

  /** A copy of the bytes that are not consumed. */
  rest(): Buffer {
    return Buffer.from(this.#window.bytes.subarray(this.#window.start, this.#window.end));
  }

  tryByte(): boolean {
    const window = this.#window;
    if (window.start >= window.end) return false;
    this.byte = window.bytes[window.start++] ?? 0;
    return true;
  }

  tryLength(): boolean {
    const length = this.#plainLengthAt(this.#window.start);
    if (length === MORE) return false;
    this.length = length;
    this.#window.start = this.#next;
    return true;
  }

  /** Reads a string, decompressed and with integers as decimal text, to `source`, `start`, `end`. */
  tryString(): boolean {
    const window = this.#window;
    const before = window.start;
    if (!this.tryStringHeader()) return false;
    if (this.length > HELD_STRING_MAX) throw corruptRdb(`a string of ${this.length} bytes`, this.#base + before);
    if (window.end - window.start < this.length) {
      window.start = before;
      return false;
    }
    this.source = window.bytes;
    this.start = window.start;
    this.end = window.start += this.length;
    if (this.#encoding === LZF) this.#decompress(this.#base + before);
    else if (this.#encoding !== PLAIN) this.#render();
    return true;
  }

  /** Reads what stands before a string's bytes; `length` is how many there are (compressed or binary as they are). */
  tryStringHeader(): boolean {
    const length = this.#lengthAt(this.#window.start);
    if (length === MORE) return false;
    if (length === ENCODED - LZF) return this.#tryLzfHeader();
    if (length > Number.MAX_SAFE_INTEGER) throw corruptRdb('a string longer than 2^53 bytes', this.position);
    this.#encoding = length >= 0 ? PLAIN : ENCODED - length;
    this.length = length >= 0 ? length : 1 << this.#encoding;
    this.#window.start = this.#next;
    return true;
  }

  /** Passes over a whole string without looking into it, when all of it is here. */
  trySkipString(): boolean {
    const window = this.#window;
    const before = window.start;
    if (!this.tryStringHeader()) return false;
    if (window.end - window.start < this.length) {
      window.start = before;
      return false;
    }
    window.start += this.length;
    return true;
  }

  /** Passes over up to `count` bytes; returns how many of them are still to come. */
  skip(count: number): number {
    const step = Math.min(count, this.#window.available);
    this.#window.start += step;
    return count - step;
  }

  /** Reads `count` bytes to `source`, `start`, `end`. */
  tryBytes(count: number): boolean {
    const window = this.#window;
    if (window.end - window.start < count) return false;
    this.source = window.bytes;
    this.start = window.start;
    this.end = window.start += count;
    return true;
  }

  /** Whether the eight bytes that tryBytes has just read are the checksum of all bytes before them. */
  checksumIs(): boolean {
    this.#crc.update(this.#window.bytes, this.#summed, this.start);
    this.#summed = this.#window.start;
    return this.#crc.equals(this.source, this.start);
  }

  #sum(): void {
    this.#crc.update(this.#window.bytes, this.#summed, this.#window.start);
    this.#summed = this.#window.start;
  }

  /** The length at `at`, or what stands there instead (MORE, ENCODED - code); #next is the position after it. */
  #lengthAt(at: number): number {
    const { bytes, end } = this.#window;
    const first = bytes[at] ?? 0;
    if (at >= end) return MORE;
    this.#next = at + 1;
    if (first < 0x40) return first;
    if (first < 0x80) {
      this.#next = at + 2;
      return this.#next > end ? MORE : ((first & 63) << 8) | (bytes[at + 1] ?? 0);
    }
    if (first === 0x80) {
      this.#next = at + 5;
      return this.#next > end ? MORE : bytes.readUInt32BE(at + 1);
    }
    if (first === 0x81) {
      this.#next = at + 9;
      return this.#next > end ? MORE : bytes.readUInt32BE(at + 1) * 2 ** 32 + bytes.readUInt32BE(at + 5);
    }
    if (first < 0xc0 || first > 0xc3) throw corruptRdb(`unknown length encoding ${first}`, this.#base + at);
    return ENCODED - (first & 63);
  }

  #plainLengthAt(at: number): number {
    const length = this.#lengthAt(at);
    if (length <= ENCODED) throw corruptRdb('an encoded string where a length belongs', this.#base + at);
    return length;
  }

  #tryLzfHeader(): boolean {
    const window = this.#window;
    const compressed = this.#plainLengthAt(this.#next);
    if (compressed === MORE) return false;
    const plain = this.#plainLengthAt(this.#next);
    if (plain === MORE) return false;
    if (!lzfCanHold(compressed, plain) || compressed > Number.MAX_SAFE_INTEGER) {
      throw corruptRdb(`${compressed} compressed bytes cannot hold ${plain}`, this.position);
    }
    this.#encoding = LZF;
    this.#decompressedLength = plain;
    this.length = compressed;
    window.start = this.#next;
    return true;
  }

  #decompress(position: number): void {
    const length = this.#decompressedLength;
    if (length > HELD_STRING_MAX) throw corruptRdb(`a string of ${length} bytes`, position);
    const tooSmall = length > this.#decompressed.length;
    const tooLarge = this.#decompressed.length > KEPT_SCRATCH && length <= KEPT_SCRATCH;
    if (tooSmall || tooLarge) this.#decompressed = Buffer.allocUnsafeSlow(Math.max(length, KEPT_SCRATCH));
    decompressLzf(this.source, this.start, this.end, this.#decompressed, length, position);
    this.source = this.#decompressed;
    this.start = 0;
    this.end = length;
  }

  /** Puts an integer's decimal text in place of its bytes. */
  #render(): void {
    const { source, start } = this;
    const code = this.#encoding;
    const value =
      code === INT8 ? source.readInt8(start) : code === INT16 ? source.readInt16LE(start) : source.readInt32LE(start);
    this.source = this.#digits;
    this.start = 0;
    this.end = this.#digits.write(String(value), 0, 'latin1');
  }
}
