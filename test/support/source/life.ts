import { Committer } from '../../../source-connector/committer.ts';
import { CommandDecoder } from '../../../source-connector/decode/stream.ts';
import { Fold } from '../../../source-connector/fold/fold.ts';
import { decodePosition, type Position } from '../../../source-connector/position.ts';
import { HeldKeys } from '../../../source-connector/held-keys.ts';
import type { Shard, ShardNews } from '../../../source-connector/shard.ts';
import type { OutgoingBatch } from '../../../source-connector/send/port.ts';
import type { WideLimits } from '../../../source-connector/state/buckets.ts';
import { LOG_LIMITS } from '../../../source-connector/state/copy-forward.ts';
import { openState } from '../../../source-connector/state/open.ts';
import type { StateStore } from '../../../source-connector/state/port.ts';
import { MemorySender } from '../memory-sender.ts';
import { unprovenTime } from './unproven-time.ts';
import { type PublishedModel, WholeHashView } from './published-model.ts';

export interface LifeOptions {
  readonly folder: string;
  readonly model: PublishedModel;
  readonly captures: Shard['captures'];
  /** Records of a batch: small ones cut often. */
  readonly batchRecords: number;
  /** Which hashes the state keeps in pieces; as the product does unless told. */
  readonly wide?: WideLimits;
  readonly readKeys?: Shard['readKeys'];
}

/** One life of a shard over a state folder and what was committed before it, with nothing but memory for Kafka. */
export class Life {
  readonly shard: Omit<Shard, 'stopping' | 'told'>;
  readonly #state: StateStore;
  readonly #sender: MemorySender;
  readonly #position: Position | null;

  private constructor(options: LifeOptions, state: StateStore, sender: MemorySender, position: Position | null) {
    const { model, captures, batchRecords, readKeys } = options;
    this.#state = state;
    this.#sender = sender;
    this.#position = position;
    const view = new WholeHashView();
    const committer = new Committer(
      sender,
      state,
      { records: batchRecords, bytes: 64 * 1024 * 1024, linger: 1 },
      performance.now(),
      () => undefined,
    );
    model.batch = () => committer.batch;
    this.shard = {
      state,
      recorder: model,
      fold: new Fold({ state, captures, viewOf: () => view, output: model }),
      committer,
      captures,
      policiesOf: () => view,
      readKeys: readKeys ?? (() => Promise.reject(new Error('no value comes from outside of what a recording holds'))),
      held: HeldKeys.saved(position?.held ?? [], captures),
      clock: unprovenTime,
      clockFloor: { replid: '', ms: 0 },
      progress: {
        mode: position?.mode ?? 'replication',
        replid: position?.replid ?? '',
        offset: position?.offset ?? 0,
        db: position?.db ?? 0,
        inTransaction: position?.inTransaction ?? false,
        snapshot: position?.snapshot ?? false,
      },
      mappings: {},
      breaker: { rows: Infinity, percent: 100, confirmed: Infinity },
      unitLimit: 100_000,
    };
  }

  static async begin(options: LifeOptions, committed: Buffer | null = null): Promise<Life> {
    const position = committed === null ? null : decodePosition(committed, 'memory', 0);
    const limits = options.wide === undefined ? LOG_LIMITS : { ...LOG_LIMITS, wide: options.wide };
    const { store } = await openState(options.folder, position?.log ?? null, limits);
    return new Life(options, store, new MemorySender(committed), position);
  }

  /** Whether the stream goes on where the life before it had committed; else only a full resync leads on. */
  get goesOn(): boolean {
    return this.#position !== null && !this.#position.snapshot;
  }

  /** A decoder from where the shard's progress stands. */
  decoder(): CommandDecoder {
    const { offset, db, inTransaction } = this.shard.progress;
    return new CommandDecoder({ captures: this.shard.captures, ignoreCommands: IGNORED, offset, db, inTransaction });
  }

  /** What `told` is for a shard that tells nobody, but for these. */
  with(stopping: AbortSignal, told: Partial<ShardNews> = {}): Shard {
    return { ...this.shard, stopping, told: { ...SILENT, ...told } };
  }

  /**
   * Ends as a crash does: a commit under way may or may not have come through, what was folded after it is lost.
   * @returns the position that is committed
   */
  async crash(commitUnderwayCounts: boolean): Promise<Buffer | null> {
    if (!commitUnderwayCounts) this.#sender.crash();
    await this.shard.committer.underway;
    await this.#state.close();
    return this.#sender.position;
  }

  wasCommitted(batch: OutgoingBatch): boolean {
    return this.#sender.wasCommitted(batch);
  }

  async close(): Promise<void> {
    await this.shard.committer.underway;
    await this.#state.close();
  }
}

const IGNORED: ReadonlySet<string> = new Set(['NEW.SET']);

const SILENT: ShardNews = {
  commands: () => undefined,
  upToDate: () => undefined,
  flushed: () => undefined,
  keyRead: () => undefined,
  filling: () => undefined,
  fillWaits: () => undefined,
  filled: () => undefined,
  snapshotProgress: () => undefined,
  snapshotRead: () => undefined,
};
