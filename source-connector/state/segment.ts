import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { MAX_BATCH_BYTES } from './operations.ts';

/*
 * A log is segments, files named after the sequence of their first batch:
 *
 *   segment    := header batch*
 *   header     := 'AWSTATE1' logId sequence crc      logId := 36 bytes of ASCII, crc over what stands before it
 *   batch      := length crc sequence operations     operations := length bytes (operations.ts)
 *   length,crc := u32, sequence := u64, little endian
 *
 * A batch's crc covers its sequence and its operations, and begins with the header's crc, so that a batch counts in its
 * own segment alone. A segment ends where the next one begins: a batch behind that point was discarded.
 */
const MAGIC = Buffer.from('AWSTATE1');
const LOG_ID_BYTES = 36;
export const HEADER_BYTES = 56;
/** What stands before a batch's operations. */
export const FRAME_BYTES = 16;
const CHUNK_BYTES = 1 << 20;

/** The path of the segment whose first batch has this sequence. */
export function segmentPath(folder: string, first: number): string {
  return join(folder, `${String(first).padStart(16, '0')}.log`);
}

/** The first sequence that a file's name tells, or undefined when it is no segment's name. */
export function segmentFirst(name: string): number | undefined {
  return /^[0-9]{16}\.log$/.test(name) ? Number(name.slice(0, 16)) : undefined;
}

export function encodeHeader(logId: string, first: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.write(logId, MAGIC.length, LOG_ID_BYTES, 'latin1');
  header.writeBigUInt64LE(BigInt(first), MAGIC.length + LOG_ID_BYTES);
  header.writeUInt32LE(crc32(header.subarray(0, HEADER_BYTES - 4)), HEADER_BYTES - 4);
  return header;
}

/** The checksum of a header, which its batches' checksums begin with. */
export function headerSeed(header: Buffer): number {
  return header.readUInt32LE(HEADER_BYTES - 4);
}

/** Fills in the frame, the first bytes of a buffer whose operations are in place. */
export function frameBatch(batch: Buffer, sequence: number, seed: number): void {
  batch.writeUInt32LE(batch.length - FRAME_BYTES, 0);
  batch.writeBigUInt64LE(BigInt(sequence), 8);
  batch.writeUInt32LE(crc32(batch.subarray(8), seed), 4);
}

/** Reads a segment in chunks: memory for one chunk or for the largest batch, whichever is more. */
export class SegmentReader {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #fileBytes: number;
  #bytes = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #start = 0;
  #end = 0;
  #position = 0;
  #seed = 0;

  private constructor(path: string, file: FileHandle, fileBytes: number) {
    this.path = path;
    this.#file = file;
    this.#fileBytes = fileBytes;
  }

  static async open(path: string): Promise<SegmentReader> {
    const file = await open(path, 'r');
    return new SegmentReader(path, file, (await file.stat()).size);
  }

  /** The byte after what was read: the end of the last whole batch. */
  get position(): number {
    return this.#position;
  }

  /** Reads the header. @returns null when it is torn or damaged */
  async header(): Promise<{ logId: string; first: number } | null> {
    if (!(await this.#fill(HEADER_BYTES))) return null;
    const header = this.#take(HEADER_BYTES);
    const first = Number(header.readBigUInt64LE(MAGIC.length + LOG_ID_BYTES));
    const logId = header.toString('latin1', MAGIC.length, MAGIC.length + LOG_ID_BYTES);
    if (!header.equals(encodeHeader(logId, first))) return null;
    this.#seed = headerSeed(header);
    return { logId, first };
  }

  /**
   * Reads the next batch.
   * @returns its operations, a view until the next call, or null when there is no whole, undamaged batch of this
   *   sequence: the end, a torn write, or damage
   */
  async batch(sequence: number): Promise<Buffer | null> {
    if (!(await this.#fill(FRAME_BYTES))) return null;
    const length = this.#bytes.readUInt32LE(this.#start);
    const found = this.#bytes.readBigUInt64LE(this.#start + 8);
    if (found !== BigInt(sequence) || length > MAX_BATCH_BYTES) return null;
    if (!(await this.#fill(FRAME_BYTES + length))) return null;
    const batch = this.#bytes.subarray(this.#start, this.#start + FRAME_BYTES + length);
    if (crc32(batch.subarray(8), this.#seed) !== batch.readUInt32LE(4)) return null;
    this.#take(batch.length);
    return batch.subarray(FRAME_BYTES);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #take(bytes: number): Buffer {
    const taken = this.#bytes.subarray(this.#start, this.#start + bytes);
    this.#start += bytes;
    this.#position += bytes;
    return taken;
  }

  /** Makes at least so many bytes stand behind `#start`; false when the file ends before. */
  async #fill(bytes: number): Promise<boolean> {
    if (this.#end - this.#start >= bytes) return true;
    if (this.#position + bytes > this.#fileBytes) return false;
    const into = bytes > this.#bytes.length ? Buffer.allocUnsafeSlow(bytes + CHUNK_BYTES) : this.#bytes;
    this.#bytes.copy(into, 0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
    this.#bytes = into;
    while (this.#end < bytes) {
      const { bytesRead } = await this.#file.read(into, this.#end, into.length - this.#end, this.#position + this.#end);
      if (bytesRead === 0) return false;
      this.#end += bytesRead;
    }
    return true;
  }
}
