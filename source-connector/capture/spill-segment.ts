import { mkdir, open, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

/** How much is read from a segment at once. */
const readBytes = 256 * 1024;

/** Counts the segments of this process, so that no two have one name. */
let made = 0;

/**
 * A file that holds a part of a stream, appended to and read while it is open. It has no name once it is open: what
 * ends the process, whatever that is, frees its disk, and nothing of it is ever found by a later start.
 */
export class SpillSegment {
  readonly start: number;
  readonly #handle: FileHandle;
  #end: number;

  private constructor(handle: FileHandle, start: number) {
    this.#handle = handle;
    this.start = start;
    this.#end = start;
  }

  /** @param start position of its first byte in the stream. @throws errors of the file system */
  static async create(folder: string, start: number): Promise<SpillSegment> {
    await mkdir(folder, { recursive: true });
    const path = join(folder, `${process.pid}-${made++}`);
    const handle = await open(path, 'wx+');
    await unlink(path);
    return new SpillSegment(handle, start);
  }

  /** Position after its last byte. */
  get end(): number {
    return this.#end;
  }

  /** Appends bytes; they count when this resolves. @throws errors of the file system; then nothing counts */
  async append(bytes: Buffer): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      const at = this.#end - this.start + written;
      written += (await this.#handle.write(bytes, written, bytes.length - written, at)).bytesWritten;
    }
    this.#end += bytes.length;
  }

  /** Some bytes from a position on that lies in this segment. @throws errors of the file system */
  async read(position: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(Math.min(readBytes, this.#end - position));
    const { bytesRead } = await this.#handle.read(bytes, 0, bytes.length, position - this.start);
    return bytes.subarray(0, bytesRead);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
