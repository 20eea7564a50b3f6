import { AfterwriteError } from '../../ops/errors/index.ts';
import { ByteWindow } from './byte-window.ts';

const CR = 13;
const LF = 10;
const STAR = 42;
const DOLLAR = 36;
const ZERO = 48;

/** Redis takes no argument above 512 MB unless configured to. */
const ARGUMENT_MAX = 1024 * 1024 * 1024;
/** Bounds are 32-bit integers. */
const COMMAND_MAX = 0x7fffffff - 2;
const ARGUMENTS_MAX = 1024 * 1024 * 1024;

/**
 * Finds the arguments of the commands in a replication stream, as bounds into one buffer: no object a command, none an
 * argument.
 *
 *   stream  := ( command | LF )*
 *   command := "*" n CR LF ( "$" length CR LF byte*length CR LF )*n
 *
 * All bytes count for the replication offset. Usage: `push` chunks, `next` until it returns false, `consume` after
 * each command. Parsing goes on where it stopped, so a command in many chunks is not parsed again from its start.
 */
export class RespParser {
  readonly #window = new ByteWindow();
  /** Start and end of argument i in `bytes` stand at 2i and 2i + 1. */
  bounds = new Int32Array(64);
  /** Arguments that are complete: all of the command's after `next` returned true. */
  count = 0;
  /** Arguments that the command announced; -1 before its header was read. */
  #announced = -1;
  /** How far the command in hand is parsed. */
  #at = 0;
  /** Replication offset of the window's first byte. */
  #offset: number;
  /** When a command is passed over: bytes of it that are gone already; else -1. */
  #passed = -1;
  /** When a command is passed over: arguments still to come, and bytes of the one in hand. */
  #argumentsLeft = 0;
  #bytesLeft = 0;
  /** Bytes of the command in hand that were left out of the window, and how many more are to be. */
  #leftOut = 0;
  #leaving = 0;
  /** Bytes that the argument in hand needs and that are not here yet. */
  missing = 0;

  constructor(offset: number) {
    this.#offset = offset;
  }

  /** What `bounds` point into: valid until the next push. */
  get bytes(): Buffer {
    return this.#window.bytes;
  }

  /** Replication offset of the command in hand's first byte. */
  get offset(): number {
    return this.#offset - Math.max(this.#passed, 0);
  }

  /** Replication offset after the command that `next` has found. */
  get end(): number {
    return this.#offset + this.#at - this.#window.start + this.#leftOut;
  }

  /** Bytes pushed and not consumed. */
  get held(): number {
    return this.#window.available;
  }

  push(chunk: Buffer): void {
    const moved = this.#window.push(chunk);
    if (moved === 0) return;
    this.#at -= moved;
    for (let i = 0; i < this.count * 2; i++) this.bounds[i] = (this.bounds[i] ?? 0) - moved;
  }

  /** Finds the next command. False when more bytes are needed. */
  next(): boolean {
    if (this.#passed >= 0 && !this.#pass()) return false;
    if (this.#leaving > 0 && !this.#leave()) return false;
    if (this.#announced < 0 && !this.#header()) return false;
    return this.#arguments();
  }

  /** Steps behind the command that `next` has found. */
  consume(): void {
    const window = this.#window;
    this.#offset += this.#at - window.start + this.#leftOut;
    window.start = this.#at;
    this.#announced = -1;
    this.count = 0;
    this.#leftOut = 0;
  }

  /** Makes the argument in hand, of which `next` found only a part, an empty one: its bytes are left out as they come. */
  leaveOut(): void {
    const at = this.#at;
    if (this.missing === 0) return;
    this.#leaving = this.missing;
    this.#leftOut += this.#window.end - at;
    this.#window.end = at;
    this.missing = 0;
    if (this.count * 2 + 2 > this.bounds.length) this.#growBounds();
    this.bounds[this.count * 2] = at;
    this.bounds[this.count * 2 + 1] = at;
    this.count++;
  }

  #leave(): boolean {
    const window = this.#window;
    const at = this.#at;
    const gone = Math.min(this.#leaving, window.end - at);
    window.bytes.copyWithin(at, at + gone, window.end);
    window.end -= gone;
    this.#leftOut += gone;
    this.#leaving -= gone;
    return this.#leaving === 0;
  }

  /** Gives up the command in hand, of which `next` found only a part: its bytes are passed over as they come. */
  passOver(): void {
    const window = this.#window;
    this.#passed = this.#at - window.start + this.#leftOut;
    this.#leftOut = 0;
    this.#offset += this.#passed;
    window.start = this.#at;
    this.#argumentsLeft = this.#announced - this.count;
    this.#bytesLeft = 0;
    this.count = 0;
  }

  /** Reads "*n", and passes over what stands between commands. */
  #header(): boolean {
    const window = this.#window;
    const { bytes, end } = window;
    for (;;) {
      const start = window.start;
      this.#at = start;
      if (start >= end) return false;
      const first = bytes[start] ?? 0;
      if (first === LF) {
        window.start = start + 1;
        this.#offset++;
        continue;
      }
      if (first !== STAR) throw this.#broken(`byte ${first} where a command begins`, start);
      const count = this.#number(start + 1, ARGUMENTS_MAX);
      if (count < 0) return false;
      this.#announced = count;
      this.count = 0;
      if (count > 0) return true;
      this.consume();
    }
  }

  #arguments(): boolean {
    const { bytes, end } = this.#window;
    let at = this.#at;
    let count = this.count;
    let bounds = this.bounds;
    const announced = this.#announced;
    this.missing = 0;
    while (count < announced) {
      if (at >= end) break;
      if (bytes[at] !== DOLLAR) throw this.#broken(`byte ${bytes[at] ?? 0} where an argument begins`, at);
      // The digits are read in place, not by #number: this loop is the hottest of the source.
      let i = at + 1;
      let length = 0;
      let digit = 0;
      for (; i < end && (digit = (bytes[i] ?? 0) - ZERO) !== CR - ZERO; i++) {
        if (digit < 0 || digit > 9 || length > ARGUMENT_MAX) throw this.#broken('an argument without a length', at);
        length = length * 10 + digit;
      }
      if (i + 1 >= end) break;
      if (i === at + 1 || length > ARGUMENT_MAX) throw this.#broken('an argument without a length', at);
      const start = i + 2;
      const stop = start + length;
      if (stop + 2 > end) {
        if (stop > COMMAND_MAX) throw this.#broken('a command above 2 GB', at);
        this.missing = stop + 2 - end;
        break;
      }
      if (bytes[i + 1] !== LF || bytes[stop] !== CR || bytes[stop + 1] !== LF) {
        throw this.#broken('an argument that is not ended by CR LF', at);
      }
      if (count * 2 + 2 > bounds.length) bounds = this.#growBounds();
      bounds[count * 2] = start;
      bounds[count * 2 + 1] = stop;
      count++;
      at = stop + 2;
    }
    this.#at = at;
    this.count = count;
    return count === announced;
  }

  /** Goes on passing over a command; true when it is behind. */
  #pass(): boolean {
    const window = this.#window;
    for (;;) {
      this.#drop(Math.min(this.#bytesLeft, window.available));
      if (this.#bytesLeft > 0) return false;
      if (this.#argumentsLeft === 0) break;
      if (window.start >= window.end) return false;
      if (window.bytes[window.start] !== DOLLAR) throw this.#broken('an argument does not begin with $', window.start);
      const length = this.#number(window.start + 1, ARGUMENT_MAX);
      if (length < 0) return false;
      this.#bytesLeft = this.#at - window.start + length + 2;
      this.#argumentsLeft--;
    }
    this.#passed = -1;
    this.#at = window.start;
    this.#announced = -1;
    return true;
  }

  #drop(bytes: number): void {
    this.#window.start += bytes;
    this.#offset += bytes;
    this.#passed += bytes;
    this.#bytesLeft -= bytes;
  }

  /** Reads digits and CR LF at `at` and moves #at behind them; -1 when more bytes are needed. */
  #number(at: number, max: number): number {
    const { bytes, end } = this.#window;
    let value = 0;
    let i = at;
    for (; i < end && bytes[i] !== CR; i++) {
      const digit = (bytes[i] ?? 0) - ZERO;
      if (digit < 0 || digit > 9) throw this.#broken('a number with other bytes than digits', at);
      value = value * 10 + digit;
      if (value > max) throw this.#broken(`a number above ${max}`, at);
    }
    if (i + 1 >= end) return -1;
    if (i === at || bytes[i + 1] !== LF) throw this.#broken('a number that is not ended by CR LF', at);
    this.#at = i + 2;
    return value;
  }

  #growBounds(): Int32Array<ArrayBuffer> {
    const grown = new Int32Array(this.bounds.length * 2);
    grown.set(this.bounds);
    this.bounds = grown;
    return grown;
  }

  #broken(what: string, at: number): AfterwriteError {
    return new AfterwriteError('STREAM_CORRUPT', what, {
      where: { offset: this.#offset + at - this.#window.start + this.#leftOut, 'command at offset': this.offset },
    });
  }
}
