/** The window starts with this many bytes, and gives back what it has above KEPT when something large has passed. */
const SMALLEST = 4096;
const KEPT = 256 * 1024;

/**
 * The bytes that were pushed and are not consumed yet, contiguous in `bytes` from `start` to `end`. The reader moves
 * `start` forward. Memory grows with what was really pushed, never with a length that the bytes announce.
 */
export class ByteWindow {
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;

  get available(): number {
    return this.end - this.start;
  }

  /** Appends a chunk (copies it). Returns by how many bytes the held ones moved towards the front. */
  push(chunk: Buffer): number {
    const held = this.end - this.start;
    let moved = 0;
    const tooLarge = held === 0 && this.bytes.length > Math.max(KEPT, 4 * chunk.length);
    if (tooLarge || this.end + chunk.length > this.bytes.length) {
      moved = this.start;
      this.#makeRoom(held, chunk.length, tooLarge ? SMALLEST : Math.max(this.bytes.length, SMALLEST));
    }
    chunk.copy(this.bytes, this.end);
    this.end += chunk.length;
    return moved;
  }

  /** Moves what is held to the front; where it would fill more than half, to a buffer of twice the size. */
  #makeRoom(held: number, more: number, smallest: number): void {
    let capacity = smallest;
    while (held * 2 + more > capacity) capacity *= 2;
    const to = capacity === this.bytes.length ? this.bytes : Buffer.allocUnsafeSlow(capacity);
    this.bytes.copy(to, 0, this.start, this.end);
    this.bytes = to;
    this.start = 0;
    this.end = held;
  }
}
