import { SpillSegment } from './spill-segment.ts';

export interface KeptLimits {
  /** Where segments are made. */
  readonly folder: string;
  /** Bytes on disk, at most. */
  readonly diskBytes: number;
  /** Bytes that may wait for the reader in memory; 8 MiB unless told. */
  readonly waitingBytes?: number;
  /** Bytes in memory, at most, those that were read included; 32 MiB unless told. */
  readonly memoryBytes?: number;
}

interface MemoryPiece {
  readonly start: number;
  readonly bytes: Buffer;
}

type Piece = MemoryPiece | SpillSegment;

const waitingDefault = 8 * 1024 * 1024;
const memoryDefault = 32 * 1024 * 1024;
/** A segment is freed as a whole, so there have to be several. */
const largestSegment = 64 * 1024 * 1024;
const segmentsAtLeast = 8;
/** A piece is freed as a whole, too: one that grew for ever would never be read to its end. */
const largestPiece = 64 * 1024;

/**
 * The bytes of one link, by position, from the oldest that may be asked for again to the newest that came. A reader
 * that keeps up is served from memory; when more waits for it than memory may hold, bytes go to disk until it has caught
 * up. What was read is kept until it is released, or until memory is short.
 */
export class KeptBytes {
  readonly #limits: KeptLimits;
  readonly #waitingBytes: number;
  readonly #memoryBytes: number;
  readonly #segmentBytes: number;
  /** One after the other, without gaps. */
  #pieces: Piece[] = [];
  #start = 0;
  #end = 0;
  #readTo = 0;
  #inMemory = 0;
  #onDisk = 0;
  /** Bytes are on their way to it that do not count yet. */
  #writing: SpillSegment | undefined;
  #closed = false;

  constructor(limits: KeptLimits) {
    this.#limits = limits;
    this.#waitingBytes = limits.waitingBytes ?? waitingDefault;
    this.#memoryBytes = limits.memoryBytes ?? memoryDefault;
    this.#segmentBytes = Math.max(1, Math.min(largestSegment, Math.floor(limits.diskBytes / segmentsAtLeast)));
  }

  /** Position of the first byte that can be read. */
  get start(): number {
    return this.#start;
  }

  /** Position after the last byte that came. */
  get end(): number {
    return this.#end;
  }

  get onDisk(): number {
    return this.#onDisk;
  }

  get inMemory(): number {
    return this.#inMemory;
  }

  /** Whether the reader's next byte, or the one that comes next, goes by way of the disk. */
  get spills(): boolean {
    const last = this.#pieces.at(-1);
    return last instanceof SpillSegment && last.end > this.#readTo;
  }

  /** Whether so many bytes more can be kept. */
  hasRoom(bytes: number): boolean {
    return this.#fitsMemory(bytes) || this.#onDisk + bytes <= this.#limits.diskBytes;
  }

  /** Takes bytes for which there is room, and whose memory is not written again. @throws errors of the disk */
  async append(bytes: Buffer): Promise<void> {
    if (this.#fitsMemory(bytes.length)) this.#appendToMemory(bytes);
    else await this.#appendToDisk(bytes);
  }

  /** Bytes from a position on; undefined, at once, when none came yet. Rejects with errors of the disk. */
  read(position: number): Promise<Buffer> | undefined {
    if (position >= this.#end || this.#closed) return undefined;
    const piece = this.#pieces.findLast(({ start }) => start <= position);
    if (piece === undefined) return undefined;
    if (piece instanceof SpillSegment) return piece.read(position);
    return Promise.resolve(piece.bytes.subarray(position - piece.start));
  }

  /** The reader has read up to here. It may begin anew at an earlier position that is still kept. */
  readTo(position: number): void {
    this.#readTo = position;
    while (this.#inMemory > this.#memoryBytes) {
      const [first] = this.#pieces;
      if (first === undefined || first === this.#writing || endOf(first) > position) return;
      this.#dropFirst();
    }
  }

  /** Bytes before this position will not be asked for again. */
  release(position: number): void {
    for (let [first] = this.#pieces; first !== undefined; [first] = this.#pieces) {
      if (first === this.#writing || endOf(first) > position) return;
      this.#dropFirst();
    }
  }

  /** Frees memory and disk. */
  close(): void {
    this.#closed = true;
    while (this.#pieces.length > 0) this.#dropFirst();
  }

  #fitsMemory(bytes: number): boolean {
    return !this.spills && this.#end - this.#readTo + bytes <= this.#waitingBytes;
  }

  /** Small reads that lie side by side in a slab become one piece. */
  #appendToMemory(bytes: Buffer): void {
    const last = this.#pieces.at(-1);
    this.#inMemory += bytes.length;
    this.#end += bytes.length;
    if (
      last !== undefined &&
      !(last instanceof SpillSegment) &&
      last.bytes.length + bytes.length <= Math.min(largestPiece, this.#waitingBytes) &&
      last.bytes.buffer === bytes.buffer &&
      last.bytes.byteOffset + last.bytes.length === bytes.byteOffset
    ) {
      const joined = Buffer.from(bytes.buffer, last.bytes.byteOffset, last.bytes.length + bytes.length);
      this.#pieces[this.#pieces.length - 1] = { start: last.start, bytes: joined };
    } else {
      this.#pieces.push({ start: this.#end - bytes.length, bytes });
    }
  }

  async #appendToDisk(bytes: Buffer): Promise<void> {
    let segment = this.#pieces.at(-1);
    if (!(segment instanceof SpillSegment) || segment.end - segment.start >= this.#segmentBytes) {
      segment = await SpillSegment.create(this.#limits.folder, this.#end);
      if (this.#closed) {
        await segment.close();
        return;
      }
      this.#pieces.push(segment);
    }
    this.#writing = segment;
    try {
      await segment.append(bytes);
    } finally {
      this.#writing = undefined;
    }
    if (this.#closed) return;
    this.#onDisk += bytes.length;
    this.#end += bytes.length;
  }

  #dropFirst(): void {
    const piece = this.#pieces.shift();
    if (piece === undefined) return;
    this.#start = endOf(piece);
    if (piece instanceof SpillSegment) {
      this.#onDisk -= piece.end - piece.start;
      // What still reads or writes it ends first; a file without a name that does not close frees its disk at the end.
      void piece.close().catch(() => undefined);
    } else {
      this.#inMemory -= piece.bytes.length;
    }
  }
}

function endOf(piece: Piece): number {
  return piece instanceof SpillSegment ? piece.end : piece.start + piece.bytes.length;
}
