import { AfterwriteError } from '../../ops/errors/index.ts';

const slabBytes = 256 * 1024;
/** Below this much room a new slab is begun, so that one read of the kernel's buffer stays one large chunk. */
const leastRoom = 32 * 1024;
/** No line of a handshake is longer. */
const longestLine = 16 * 1024;

/**
 * The bytes of one socket in order, with backpressure. The socket writes straight into slabs of 256 KiB (node's
 * `onread`), and readers get views of them: nothing is copied, and no byte is written twice. While more than
 * `highWater` bytes wait, the socket is not read; it is read again when half of them are gone.
 */
export class Inbound {
  /** Bytes that wait for a reader. At most one slab above `highWater`. */
  buffered = 0;
  /** Bytes that arrived so far. */
  received = 0;
  /** Whether the socket is not being read because too much waits. */
  paused = false;
  readonly #highWater: number;
  readonly #resume: () => void;
  readonly #chunks: Buffer[] = [];
  #waiting: ((chunk: Buffer | null) => void) | undefined;
  #ended = false;
  #slab = Buffer.allocUnsafeSlow(slabBytes);
  #used = 0;

  /** `resume` makes the socket be read again. */
  constructor(highWater: number, resume: () => void) {
    this.#highWater = highWater;
    this.#resume = resume;
  }

  /** Where the next bytes go; asked before each read of the socket. */
  room(): Buffer {
    if (slabBytes - this.#used < leastRoom) {
      this.#slab = Buffer.allocUnsafeSlow(slabBytes);
      this.#used = 0;
    }
    return this.#slab.subarray(this.#used);
  }

  /** Takes note of the bytes that were written into `room()`; false asks the socket to stop reading. */
  arrived(bytes: number): boolean {
    const start = this.#used;
    this.#used += bytes;
    this.received += bytes;
    if (this.#ended) return false;
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      waiting(this.#slab.subarray(start, this.#used));
      return true;
    }
    this.#enqueue(start);
    this.paused = this.buffered >= this.#highWater;
    return !this.paused;
  }

  /** The next bytes, or null after the end. One call at a time. */
  read(): Promise<Buffer | null> {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#took(chunk.length);
      return Promise.resolve(chunk);
    }
    if (this.#ended) return Promise.resolve(null);
    if (this.#waiting !== undefined) {
      return Promise.reject(new AfterwriteError('INTERNAL', 'two readers wait for the bytes of one replication link'));
    }
    return new Promise((resolve) => (this.#waiting = resolve));
  }

  /**
   * The next line without its end, or null after the end of the bytes. Empty lines, which a master sends as a sign of
   * life before its answers, are passed over.
   * @throws AfterwriteError REDIS_PROTOCOL when no line ends within 16 KiB
   */
  async readLine(): Promise<string | null> {
    let line = '';
    for (;;) {
      const chunk = await this.read();
      if (chunk === null) return null;
      const newline = chunk.indexOf(0x0a);
      line += chunk.toString('latin1', 0, newline === -1 ? chunk.length : newline);
      if (line.length > longestLine) throw new AfterwriteError('REDIS_PROTOCOL', 'a line of the handshake has no end');
      if (newline === -1) continue;
      this.#putBack(chunk.subarray(newline + 1));
      line = line.replace(/\r$/, '');
      if (line !== '') return line;
    }
  }

  /** No more bytes will come. What waits is still handed out, unless `drop` says that nobody wants it. */
  end(drop: boolean): void {
    this.#ended = true;
    if (drop) {
      this.#chunks.length = 0;
      this.buffered = 0;
    }
    this.#waiting?.(null);
    this.#waiting = undefined;
  }

  /** Small reads that lie side by side in a slab become one chunk. */
  #enqueue(start: number): void {
    const last = this.#chunks.at(-1);
    const adjoins = last?.buffer === this.#slab.buffer && last.byteOffset + last.length === start;
    const chunk = this.#slab.subarray(adjoins ? last.byteOffset : start, this.#used);
    if (adjoins) this.#chunks[this.#chunks.length - 1] = chunk;
    else this.#chunks.push(chunk);
    this.buffered += this.#used - start;
  }

  #took(bytes: number): void {
    this.buffered -= bytes;
    if (!this.paused || this.buffered > this.#highWater / 2) return;
    this.paused = false;
    this.#resume();
  }

  #putBack(rest: Buffer): void {
    if (rest.length === 0) return;
    this.#chunks.unshift(rest);
    this.buffered += rest.length;
  }
}
