import { open, rm, type FileHandle } from 'node:fs/promises';
import { fault } from '../../ops/faults.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { markCommitted, syncFolder } from './files.ts';
import { encodeHeader, frameBatch, headerSeed, segmentPath } from './segment.ts';

/**
 * The end of the log: appends batches in the order they are given, one write and one fdatasync each, and removes old
 * segments. After one error nothing more is written, since what is on disk is then unknown: the state has to be opened
 * again, which discards everything beyond Kafka's tag.
 */
export class StateLog {
  readonly #folder: string;
  readonly #logId: string;
  #file: FileHandle | undefined;
  #at = 0;
  #seed = 0;
  #queue: Promise<void> = Promise.resolve();
  #failure: AfterwriteError | undefined;

  private constructor(folder: string, logId: string) {
    this.#folder = folder;
    this.#logId = logId;
  }

  /**
   * Begins to write a log with a new segment whose first batch will have this sequence. Each opening of a folder writes
   * into a segment of its own, so a process that lost the folder without knowing it writes where nobody reads.
   */
  static async begin(folder: string, logId: string, first: number): Promise<StateLog> {
    const log = new StateLog(folder, logId);
    await log.#enqueue(() => log.#beginSegment(first));
    return log;
  }

  /** Appends a batch (room for its frame, then its operations), at the beginning of a new segment if told, and syncs. */
  append(batch: Buffer, sequence: number, beginsSegment: boolean): Promise<void> {
    return this.#enqueue(async () => {
      if (beginsSegment) await this.#beginSegment(sequence);
      frameBatch(batch, sequence, this.#seed);
      await this.#write(batch);
      fault('state.log-appended');
      await this.#file?.datasync();
      fault('state.log-synced');
    });
  }

  /** Notes in the folder that Kafka has committed a batch. */
  markCommitted(): void {
    void this.#enqueue(() => markCommitted(this.#folder));
  }

  /** Removes segments, by their first sequences. */
  remove(firsts: readonly number[]): void {
    void this.#enqueue(async () => {
      for (const first of firsts) await rm(segmentPath(this.#folder, first), { force: true });
      await syncFolder(this.#folder);
    });
  }

  /** Ends what was asked for and closes the file. */
  async close(): Promise<void> {
    await this.#queue;
    this.#failure ??= new AfterwriteError('INTERNAL', 'the state log is used after it was closed');
    await this.#file?.close();
    this.#file = undefined;
  }

  async #beginSegment(first: number): Promise<void> {
    await this.#file?.close();
    this.#file = await open(segmentPath(this.#folder, first), 'wx');
    this.#at = 0;
    const header = encodeHeader(this.#logId, first);
    this.#seed = headerSeed(header);
    await this.#write(header);
    await this.#file.datasync();
    await syncFolder(this.#folder);
  }

  async #write(bytes: Buffer): Promise<void> {
    const file = this.#file;
    if (file === undefined) throw new AfterwriteError('INTERNAL', 'the state log has no segment to write to');
    for (let from = 0; from < bytes.length;) {
      const { bytesWritten } = await file.write(bytes, from, bytes.length - from, this.#at);
      from += bytesWritten;
      this.#at += bytesWritten;
    }
  }

  #enqueue(task: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(async () => {
      if (this.#failure !== undefined) throw this.#failure;
      try {
        await task();
      } catch (cause) {
        this.#failure = new AfterwriteError('STATE_IO', 'the state log could not be written', {
          where: { folder: this.#folder },
          cause,
        });
        throw this.#failure;
      }
    });
    // Who asked learns of the error by the returned promise; nobody has to look at it for the queue to go on.
    this.#queue = done.catch(() => undefined);
    return done;
  }
}
