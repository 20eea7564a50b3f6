import { AfterwriteError } from '../../ops/errors/index.ts';
import { HeldLink } from './held-link.ts';
import type { KeptLimits } from './kept-bytes.ts';
import { openSession, type LinkOptions } from './link.ts';
import type { ReplicationState } from './replication-state.ts';
import type { ReplicationSession, ResumePoint } from './session.ts';

export interface FeedOptions extends Omit<LinkOptions, 'onState'> {
  readonly spill: KeptLimits;
  readonly onState: (state: ReplicationState) => void;
  readonly onWarning: (message: string) => void;
  /** The stream of `replid` is known up to here. */
  readonly onReceived: (replid: string, offset: number) => void;
  /** Ends the link. */
  readonly stopping: AbortSignal;
}

/**
 * Where the lives of a shard get the stream from. A link outlives the life that opened it: while Kafka is away it is
 * still read, and the next life goes on in what was kept, where the committed position stands.
 */
export class Feed {
  readonly #options: FeedOptions;
  #link: HeldLink | undefined;
  /** Whether a server ever took the login. */
  #wasOpen = false;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /** Bytes that wait on disk. */
  get spilledBytes(): number {
    return this.#link?.spilledBytes ?? 0;
  }

  /** Whether a link is open. */
  get isOpen(): boolean {
    return this.#link !== undefined && !this.#link.ended;
  }

  /** How far the stream of the open link has come; undefined without one, and while a snapshot is being read. */
  get received(): ResumePoint | undefined {
    const { received: offset, session } = this.#link ?? {};
    return this.isOpen && offset !== undefined && session ? { replid: session.answer.replid, offset } : undefined;
  }

  /** Breaks the link for this reason; what it brought is still read. */
  leave(reason: string): void {
    this.#link?.session.leave(reason);
  }

  /** Whether `open` gives at once what comes after this point. */
  holds(resume: ResumePoint | null): boolean {
    return resume !== null && this.#link?.holds(resume) === true;
  }

  /**
   * What comes after `resume`, or a full resync without it: from the link that is open, or from a new one.
   * @throws AfterwriteError as openSession; REDIS_LOGIN_LOST in place of what a person has to mend, once there was a link
   */
  async open(resume: ResumePoint | null): Promise<ReplicationSession> {
    const { stopping, spill: limits, onWarning } = this.#options;
    const held = this.#link;
    if (held !== undefined && resume !== null && held.holds(resume)) return held.read(resume);
    this.#drop();
    let isOpen = false;
    const onState = (state: ReplicationState): void => {
      // A link that is over may still be read to its end, and what a held one tells of itself, `look` knows better.
      if (!isOpen || (state === 'reconnecting' && session === this.#link?.session)) this.#options.onState(state);
    };
    const session = await openSession({ ...this.#options, onState }, resume, stopping).catch((error: unknown) => {
      throw this.#wasOpen ? loginLost(error) : error;
    });
    isOpen = true;
    this.#wasOpen = true;
    const link = new HeldLink({
      session,
      resume,
      limits,
      stopping,
      onWarning,
      onChange: () => {
        this.#look(link);
      },
    });
    this.#link = link;
    this.#look(link);
    return link.read(null);
  }

  /** Everything up to this offset of a stream is in Kafka. */
  committed(replid: string, offset: number): void {
    if (this.#link?.session.answer.replid === replid) this.#link.committed(offset);
  }

  close(): void {
    this.#drop();
  }

  #drop(): void {
    const link = this.#link;
    this.#link = undefined;
    link?.close();
  }

  /** What a link is doing, told whenever something changes. */
  #look(link: HeldLink | undefined): void {
    if (link === undefined || link !== this.#link) return;
    const { received } = link;
    if (received !== undefined) this.#options.onReceived(link.session.answer.replid, received);
    const show = this.#options.onState;
    if (link.full) show('backing-off');
    else if (!link.ended) show(received === undefined ? 'snapshot' : link.spills ? 'spilling' : 'streaming');
  }
}

/** Secrets are changed at two places, one after the other: what was taken before may be refused for a while. */
function loginLost(error: unknown): unknown {
  if (!(error instanceof AfterwriteError) || !rotated.has(error.code)) return error;
  const { code, what, where } = error;
  return new AfterwriteError('REDIS_LOGIN_LOST', `${code}: ${what}`, { where, cause: error });
}

const rotated: ReadonlySet<string> = new Set(['REDIS_AUTH', 'REDIS_TLS', 'SECRET_UNRESOLVED']);
