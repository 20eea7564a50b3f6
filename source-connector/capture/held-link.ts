import { AfterwriteError, reasonOf } from '../../ops/errors/index.ts';
import { KeptBytes, type KeptLimits } from './kept-bytes.ts';
import type { LinkSession } from './link.ts';
import type { ReplicationSession, ResumePoint } from './session.ts';

export interface HeldLinkOptions {
  readonly session: LinkSession;
  /** What the session was asked for. */
  readonly resume: ResumePoint | null;
  readonly limits: KeptLimits;
  readonly stopping: AbortSignal;
  /** Something came, was read, or ended. */
  readonly onChange: () => void;
  readonly onWarning: (message: string) => void;
}

/**
 * A link that is read all the time, whether or not anybody reads what it brings: a master that has to hold the stream
 * back for a slow replica gives the replica up, and its memory with it. Bytes are kept (KeptBytes) until Kafka has them.
 * When there is no more room, the link is closed, and what was kept can still be read. A snapshot is waited with
 * instead: given up, it would have to be sent again.
 */
export class HeldLink {
  readonly session: LinkSession;
  /** Whether it was closed because there was no more room. */
  full = false;
  ended = false;
  /** Somebody has read to its end, in the middle of a command perhaps: what follows has to come from another link. */
  #exhausted = false;
  readonly #options: HeldLinkOptions;
  readonly #kept: KeptBytes;
  /** Offset of the stream at position 0; undefined while the snapshot is being read. */
  #base: number | undefined;
  /** The last bytes of a diskless transfer, as many as its mark has. */
  #tail = Buffer.alloc(0);
  readonly #waiting = new Set<() => void>();
  #reader: HeldReader | undefined;

  constructor(options: HeldLinkOptions) {
    this.#options = options;
    this.session = options.session;
    this.#kept = new KeptBytes(options.limits);
    const { answer } = options.session;
    if (answer.kind === 'continue') this.#base = answer.offset;
    void this.#pump();
  }

  /** Offset of the stream up to which bytes came; undefined while the snapshot is being read. */
  get received(): number | undefined {
    return this.#base === undefined ? undefined : this.#base + this.#kept.end;
  }

  get spills(): boolean {
    return this.#kept.spills;
  }

  get spilledBytes(): number {
    return this.#kept.onDisk;
  }

  /** Whether the stream behind this point is held, or will come, so that no new link is needed. */
  holds({ replid, offset }: ResumePoint): boolean {
    const { resume, session } = this.#options;
    const known = replid === session.answer.replid || (replid === resume?.replid && offset >= resume.offset);
    if (!known || this.#base === undefined || this.#exhausted) return false;
    const at = offset - this.#base;
    return at >= this.#kept.start && at <= this.#kept.end;
  }

  /** Begins to read: from the link's beginning, or from a point that it holds. Ends the reader before. */
  read(resume: ResumePoint | null): ReplicationSession {
    this.#reader?.close();
    const { answer } = this.session;
    const from = resume === null || this.#base === undefined ? 0 : resume.offset - this.#base;
    const told =
      from === 0 || resume === null ? answer : { ...answer, kind: 'continue' as const, offset: resume.offset };
    this.#kept.readTo(from);
    this.#reader = new HeldReader(this, told, from, this.#options.stopping);
    return this.#reader;
  }

  /** Nobody reads for a while. Without a place to go on from there is nothing to keep. */
  left(reader: HeldReader): void {
    if (reader !== this.#reader) return;
    this.#reader = undefined;
    if (this.#base === undefined) this.close();
    else this.#kept.readTo(this.#kept.start);
  }

  /** Some bytes from a position on, null at the end. Waits for them, and never rejects. */
  async next(position: number): Promise<Buffer | null> {
    for (;;) {
      const bytes = this.#kept.read(position);
      if (bytes === undefined) {
        if (this.ended) {
          this.#exhausted = true;
          return null;
        }
        await this.changed();
        continue;
      }
      try {
        return await bytes;
      } catch (error) {
        if (this.ended) return null;
        this.#options.onWarning(`The stream cannot be read back from disk: ${reasonOf(error)}. A new link is opened.`);
        this.close();
      }
    }
  }

  hasRead(position: number): void {
    this.#kept.readTo(position);
    // Of a snapshot nothing can be asked for again.
    if (this.#base === undefined) this.#kept.release(position);
    this.#tell();
  }

  snapshotRead(position: number): void {
    if (this.#base !== undefined) return;
    this.#base = this.session.answer.offset - position;
    this.session.snapshotRead();
    this.#tell();
  }

  /** Everything up to this offset is in Kafka. */
  committed(offset: number): void {
    if (this.#base !== undefined) this.#kept.release(offset - this.#base);
  }

  close(): void {
    this.session.close();
    this.ended = true;
    this.#kept.close();
    this.#tell();
  }

  /** Resolves at the next change. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  async #pump(): Promise<void> {
    for (;;) {
      const bytes = await this.session.read();
      if (bytes === null) break;
      this.#lookForMark(bytes);
      if (!(await this.#keep(bytes))) break;
      this.#tell();
    }
    this.ended = true;
    this.#tell();
  }

  /** False when the link is over. */
  async #keep(bytes: Buffer): Promise<boolean> {
    const { onWarning } = this.#options;
    let told = false;
    while (!this.#kept.hasRoom(bytes.length)) {
      if (this.#base !== undefined) return this.#giveUp();
      if (this.ended) return false;
      if (!told) {
        onWarning(
          'The snapshot comes faster than Kafka takes it, and source.spillBytes of it wait on disk: the server has to wait ' +
            'now, and gives the snapshot up when its client-output-buffer-limit for replicas or its repl-timeout is reached.',
        );
      }
      told = true;
      await this.changed();
    }
    try {
      await this.#kept.append(bytes);
      return true;
    } catch (error) {
      onWarning(`The stream cannot be kept on disk: ${reasonOf(error)}. The link is closed as if there were no room.`);
      return this.#giveUp();
    }
  }

  #giveUp(): false {
    this.full = true;
    this.session.close();
    return false;
  }

  /**
   * A diskless transfer ends with its mark, and then the master waits for an ACK, with a buffer that fills. So the ACK
   * must not wait until the snapshot is folded. The mark can also stand in the middle; an ACK then means nothing.
   */
  #lookForMark(bytes: Buffer): void {
    const { answer } = this.session;
    if (this.#base !== undefined || answer.kind === 'continue' || answer.transfer.framing !== 'eof') return;
    const { mark } = answer.transfer;
    const known = bytes.length >= mark.length ? bytes : Buffer.concat([this.#tail, bytes]);
    this.#tail = Buffer.from(known.subarray(-mark.length));
    if (this.#tail.equals(mark)) this.session.snapshotRead();
  }

  #tell(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
    this.#options.onChange();
  }
}

/** One reading of a held link. */
class HeldReader implements ReplicationSession {
  readonly answer: ReplicationSession['answer'];
  readonly #link: HeldLink;
  readonly #stopping: AbortSignal;
  #at: number;
  #closed = false;

  constructor(link: HeldLink, answer: ReplicationSession['answer'], from: number, stopping: AbortSignal) {
    this.#link = link;
    this.answer = answer;
    this.#at = from;
    this.#stopping = stopping;
  }

  async read(): Promise<Buffer | null> {
    const bytes = this.#over ? null : await this.#link.next(this.#at);
    if (bytes === null || this.#over) return null;
    this.#at += bytes.length;
    this.#link.hasRead(this.#at);
    return bytes;
  }

  snapshotRead(rest: number): void {
    this.#link.snapshotRead(this.#at - rest);
  }

  acknowledge(offset: number, now = false): void {
    this.#link.session.acknowledge(offset, now);
  }

  get brokenBy(): Error | undefined {
    const { full, session } = this.#link;
    if (!full) return session.brokenBy;
    return new AfterwriteError('REDIS_LINK_LOST', 'as much of the stream waited on disk as source.spillBytes allows');
  }

  /** Ends the reading, not the link. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#link.left(this);
  }

  /** A stop does not wait until everything that was kept is folded. */
  get #over(): boolean {
    return this.#closed || this.#stopping.aborted;
  }
}
