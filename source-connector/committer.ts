import { fault } from '../ops/faults.ts';
import { encodePosition, type Position } from './position.ts';
import type { OutgoingBatch, TransactionalSender } from './send/port.ts';
import type { StateStore } from './state/port.ts';

export interface CommitLimits {
  /** Records of one Kafka transaction, at most (but for a MULTI, see `overfull`). */
  readonly records: number;
  /** Bytes of one Kafka transaction, at most. */
  readonly bytes: number;
  /** How long a record waits for others, ms. */
  readonly linger: number;
}

/** A MULTI is one Kafka transaction unless it is larger than this many batches (rule 7). */
const MULTI_BATCHES = 4;
/** A batch may change this many times its limit of bytes in the state: hashes are larger than their rows. */
const STATE_SHARE = 4;
/** After this long without records the position is committed alone, so that a restart finds it in the backlog, ms. */
const IDLE_COMMIT = 5000;
/** Nor do more bytes of the stream pass without a commit: as many are kept in memory for the next life (capture/). */
const IDLE_BYTES = 16 * 1024 * 1024;

/** What goes on beside the commits, batch by batch: operations/effects.ts. */
export interface BesideCommits {
  /** Waits until not too much waits. @throws what only a person can mend */
  room(): Promise<void>;
  /** Whether something waits for the commit of this batch. */
  has(batch: object): boolean;
  committed(batch: object): void;
  /** What is not done yet, of all batches. */
  readonly count: number;
  /** Waits until what committed batches have left is done, for a while at most. */
  done(): Promise<void>;
}

/** What of a position the committer adds itself. */
export type Place = Omit<Position, 'log' | 'at' | 'v'>;

/**
 * Collects records into batches and commits them, one at a time, while the next one fills. The commit protocol of the
 * source (rule 1), step by step:
 *   1. the state is sealed: its changes since the last batch belong to {logId, sequence};
 *   2. the records are sent, then the position, which names that tag;
 *   3. the sealed changes are appended to the log and synced to disk, at the same time as 2;
 *   4. EndTxn: only when 2 and 3 are done. This is the moment that decides.
 * After a crash anywhere, the position that Kafka committed says which tag the state has to be recovered to.
 */
export class Committer {
  readonly #sender: TransactionalSender;
  readonly #state: StateStore;
  readonly #limits: CommitLimits;
  readonly #committed: (place: Place, records: number, bytes: number) => void;
  readonly #beside: BesideCommits | undefined;
  #batch: OutgoingBatch;
  #inflight: Promise<void> | undefined;
  #failure: Error | undefined;
  #firstAt = 0;
  #lastCommitAt: number;
  #lastOffset = -1;

  /** `committed` is told of each commit. `now` is a moment of the monotonic clock, ms. */
  constructor(
    sender: TransactionalSender,
    state: StateStore,
    limits: CommitLimits,
    now: number,
    committed: (place: Place, records: number, bytes: number) => void,
    beside?: BesideCommits,
  ) {
    this.#beside = beside;
    this.#sender = sender;
    this.#state = state;
    this.#limits = limits;
    this.#committed = committed;
    this.#batch = sender.begin();
    this.#lastCommitAt = now;
  }

  /** The batch that is being filled. */
  get batch(): OutgoingBatch {
    return this.#batch;
  }

  /** Whether the batch should be cut at the next place where that is allowed. */
  get full(): boolean {
    const { records, bytes } = this.#limits;
    return (
      this.#batch.records >= records || this.#batch.bytes >= bytes || this.#state.unsealedBytes >= bytes * STATE_SHARE
    );
  }

  /** Whether the batch must be cut even inside a MULTI. */
  get overfull(): boolean {
    const { records, bytes } = this.#limits;
    return this.#batch.records >= records * MULTI_BATCHES || this.#batch.bytes >= bytes * MULTI_BATCHES;
  }

  /** Whether everything that was folded is committed. */
  get idle(): boolean {
    return !this.#holdsAny && this.#inflight === undefined;
  }

  /** Whether the last commit failed. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Resolves when the commit under way is over; undefined when there is none. Never rejects: `cut` and `settled` tell. */
  get underway(): Promise<void> | undefined {
    return this.#inflight;
  }

  /**
   * How long until the batch is due, ms; 0 when it is due now, undefined when nothing waits. `offset` is where the
   * stream is.
   */
  dueIn(now: number, offset: number): number | undefined {
    if (this.#holdsAny || this.full) {
      if (this.#firstAt === 0) this.#firstAt = now;
      return Math.max(0, this.#firstAt + this.#limits.linger - now);
    }
    if (offset === this.#lastOffset) return undefined;
    if (this.#lastOffset >= 0 && offset - this.#lastOffset >= IDLE_BYTES) return 0;
    return Math.max(0, this.#lastCommitAt + IDLE_COMMIT - now);
  }

  /** Begins to commit the batch with this place as its position; waits for the commit before it. */
  async cut(place: Place, now: number): Promise<void> {
    await this.settled();
    await this.#beside?.room();
    fault('source.sealing');
    const batch = this.#batch;
    const sealed = this.#state.seal();
    const position = encodePosition({ v: 1, ...place, log: sealed.tag, at: new Date().toISOString() });
    this.#batch = this.#sender.begin();
    this.#firstAt = 0;
    this.#lastCommitAt = now;
    this.#lastOffset = place.offset;
    this.#inflight = this.#sender
      .commit(batch, position, this.#state.sync(sealed))
      .then(() => {
        this.#state.committed(sealed.tag.sequence);
        this.#beside?.committed(batch);
        this.#committed(place, batch.records, batch.bytes);
      })
      .catch((error: unknown) => {
        this.#failure = error instanceof Error ? error : new Error(String(error));
      })
      .finally(() => {
        this.#inflight = undefined;
      });
  }

  /** Whether something goes on beside the commits, or is to. */
  get isBusyBeside(): boolean {
    return (this.#beside?.count ?? 0) > 0;
  }

  /** Waits, a while at most, until what was committed has nothing left to do beside it. @throws as `settled` */
  async doneBeside(): Promise<void> {
    await this.settled();
    await this.#beside?.done();
  }

  /** Whether something waits for the next commit. */
  get #holdsAny(): boolean {
    return this.#batch.records > 0 || this.#beside?.has(this.#batch) === true;
  }

  /** Waits until nothing is under way. @throws what made the last commit fail */
  async settled(): Promise<void> {
    await this.#inflight;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** @throws what made the last commit fail, at once */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
