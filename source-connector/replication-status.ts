import type { AfterwriteError } from '../ops/errors/index.ts';
import type { PartStatus } from '../ops/http.ts';
import type { Logger } from '../ops/logging.ts';
import { Lag } from './capture/lag.ts';
import {
  replicationText,
  type KeyLevels,
  type ReplicationFigures,
  type ReplicationState,
} from './capture/replication-state.ts';
import type { ShardMetrics, SourceLevels } from './metrics.ts';

export interface StatusOptions {
  readonly spillLimit: number;
  readonly spilledBytes: () => number;
  readonly log: Logger;
  /** Where states are shown. */
  readonly metrics: ShardMetrics;
}

/** Which state a shard's replication is in, with its figures: told to logs, metrics and whoever asks. */
export class ReplicationStatus {
  readonly lag = new Lag();
  /** Committed in Kafka; -1 before the first commit. */
  offset = -1;
  /** Why it does not go on; undefined when it does. */
  trouble: string | undefined;
  /** How the server is followed, and why that way; undefined until it is known. */
  way: { readonly mode: 'replication' | 'notifications'; readonly reason: string } | undefined;
  /** How far keys are followed by their events; undefined when they are not. */
  keys: (() => KeyLevels) | undefined;
  readonly #options: StatusOptions;
  #silence: AfterwriteError | undefined;
  #state: ReplicationState = 'starting';
  #snapshot: { readonly bytes: number; readonly total: number | undefined } = { bytes: 0, total: undefined };
  #filling: ReplicationFigures['filling'];
  /** When the next attempt comes, ms of the monotonic clock. */
  #nextAttemptAt: number | undefined;

  constructor(options: StatusOptions) {
    this.#options = options;
    options.metrics.state(this.#state);
  }

  get state(): ReplicationState {
    return this.#state;
  }

  /** @param told what is done on the link; while a mapping is filled, following the stream is a state of its own */
  enter(told: ReplicationState): void {
    const state = told === 'streaming' && this.#filling !== undefined ? 'filling' : told;
    if (state !== 'reconnecting') this.#nextAttemptAt = undefined;
    if (state === this.#state) return;
    this.#state = state;
    this.#options.metrics.state(state);
    this.#options.log.info({ state, offset: this.offset }, `replication: ${this.text}`);
  }

  /** Called at each look: with the reason while no Sentinel tells which servers there are. */
  sentinels(silence: AfterwriteError | undefined): void {
    const { metrics, log } = this.#options;
    metrics.withoutSentinel(silence !== undefined);
    const was = this.#silence;
    this.#silence = silence;
    if (silence !== undefined && was === undefined) {
      log.warn({ err: silence }, 'no Sentinel answers: what is followed stays, and a failover would not be noticed');
    } else if (silence === undefined && was !== undefined) log.info('a Sentinel answers again');
  }

  /** The link is gone, and the next attempt follows after so many ms. */
  waits(ms: number): void {
    this.#nextAttemptAt = performance.now() + ms;
    this.enter('reconnecting');
  }

  /** So many hashes of a mapping are folded; undefined: no mapping is being filled any more. */
  filling(mapping: string | undefined, keys: number): void {
    this.#filling = mapping === undefined ? undefined : { mapping, keys };
    if (this.#state === 'streaming' || this.#state === 'filling') this.enter('streaming');
  }

  snapshotProgress(bytes: number, total: number | undefined): void {
    this.#snapshot = { bytes, total };
    this.#options.metrics.snapshot(bytes, total);
  }

  /** State and figures in one line. */
  get text(): string {
    return replicationText(this.#state, this.#figures());
  }

  levels(): SourceLevels {
    const { lagBytes, lagMs, spilledBytes, nextAttemptMs = 0 } = this.#figures();
    return { lagBytes, lagMs, spilledBytes, nextAttemptMs };
  }

  /** For /healthz and /readyz. `reason`: why it is not ok. */
  part(reason: string | undefined): PartStatus {
    const { snapshotBytes, snapshotTotal, lagBytes, lagMs, spilledBytes, spillLimit, nextAttemptMs, keys, filling } =
      this.#figures();
    const inSnapshot = this.#state === 'snapshot';
    const details = {
      state: this.#state,
      ...(this.way === undefined ? {} : this.way),
      ...(this.#silence === undefined ? {} : { sentinels: `none answers: ${this.#silence.what}` }),
      replication: this.text,
      offset: this.offset,
      lagBytes,
      lagMs,
      spilledBytes,
      spillLimit,
      ...(keys === undefined ? {} : { waitingKeys: keys.waiting, comparedKeys: keys.compared ?? null }),
      ...(nextAttemptMs === undefined ? {} : { nextAttemptMs }),
      ...(filling === undefined ? {} : { filling: filling.mapping, filledKeys: filling.keys }),
      ...(inSnapshot ? { snapshotBytes, snapshotTotal: snapshotTotal ?? null } : {}),
    };
    return reason === undefined ? { ok: true, details } : { ok: false, reason, details };
  }

  #figures(): ReplicationFigures {
    const now = performance.now();
    const keys = this.keys?.();
    return {
      snapshotBytes: this.#snapshot.bytes,
      snapshotTotal: this.#snapshot.total,
      filling: this.#filling,
      lagBytes: this.lag.bytes,
      lagMs: keys?.lagMs ?? this.lag.ms(now),
      keys,
      spilledBytes: this.#options.spilledBytes(),
      spillLimit: this.#options.spillLimit,
      nextAttemptMs: this.#nextAttemptAt === undefined ? undefined : Math.max(0, Math.round(this.#nextAttemptAt - now)),
    };
  }
}
