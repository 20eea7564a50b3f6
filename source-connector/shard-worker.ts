import { join } from 'node:path';
import type { ResolveKafkaConnection } from '../clients/kafka/index.ts';
import { AfterwriteError, reasonOf } from '../ops/errors/index.ts';
import type { PartStatus } from '../ops/http.ts';
import type { Logger } from '../ops/logging.ts';
import { retryUntilDone } from '../ops/retry.ts';
import type { SchemaRegistry } from '../schemas/index.ts';
import { MasterClock } from './capture/clock.ts';
import { Feed } from './capture/feed.ts';
import type { Followed } from './capture/followed.ts';
import { follow } from './capture/server-choice.ts';
import { ServerWatch } from './capture/server-watch.ts';
import type { CommitLimits } from './committer.ts';
import type { Contract } from './contract.ts';
import type { KeyEventSettings } from './key-follower.ts';
import type { ShardMetrics } from './metrics.ts';
import { newsTo } from './news.ts';
import type { SourceMode } from './links.ts';
import { runPipeline } from './pipeline.ts';
import { ReplicationStatus } from './replication-status.ts';
import type { ShardPlace } from './shard-directory.ts';
import type { Breaker } from './shard.ts';
import { shardFolder } from './worker-folder.ts';

/** What all shards of a process have in common; connections resolve their secrets anew at each attempt. */
export interface ShardSettings {
  readonly pipeline: string;
  readonly kafka: ResolveKafkaConnection;
  readonly registry: SchemaRegistry;
  readonly topics: {
    readonly positions: string;
    readonly marks: string;
    readonly deadLetters: string;
    readonly maxRecordBytes: number;
  };
  /** The process's; each shard has its own in it. */
  readonly stateFolder: string;
  readonly limits: CommitLimits;
  readonly ignoreCommands: readonly string[];
  readonly breaker: Breaker;
  /** How servers are followed. */
  readonly mode: SourceMode;
  readonly notifications: KeyEventSettings;
  /** How much of the stream may wait on disk, bytes. */
  readonly spillBytes: number;
  /** How long a link may be down, in ms, before a backlog that is smaller is warned of. */
  readonly toleratedOutageMs: number;
}

export interface ShardWorkerOptions extends ShardSettings {
  readonly place: ShardPlace;
  /** Waits until it is certain that the shard is this worker's to claim (rule 2). */
  readonly mayClaim: (signal: AbortSignal) => Promise<void>;
  /** Agrees with Kafka and the registry, at the beginning of each life. */
  readonly agree: () => Promise<readonly Contract[]>;
  /** Whether a mapping has operations. */
  readonly operations: boolean;
  /** Whether it begins with a full resync, wherever the committed position stands. */
  readonly resync: boolean;
  readonly log: Logger;
  readonly metrics: ShardMetrics;
  /** Ends it: what was read as whole is committed, and everything is closed. */
  readonly stopping: AbortSignal;
}

/** Bytes that may come while the disk is slow to take what came before. */
const BUFFER = 8 * 1024 * 1024;

/** States in which a shard does its job. */
const followed: ReadonlySet<string> = new Set(['streaming', 'filling', 'spilling', 'following']);

/** Runs one shard's pipeline, life after life, until it is stopped or a person has to act. */
export class ShardWorker {
  readonly #options: ShardWorkerOptions;
  readonly #folder: string;
  readonly #status: ReplicationStatus;
  readonly #servers: Followed;
  readonly #feed: Feed;
  readonly #clock: MasterClock;
  readonly #watch: ServerWatch;
  /** Until the first commit: from then on the position itself says whether a snapshot is being read. */
  #resync: boolean;
  /** As configured, until `auto` has found that the server does not replicate: that counts until the process ends. */
  #mode: SourceMode;

  constructor(options: ShardWorkerOptions) {
    const { place, spillBytes, stateFolder, toleratedOutageMs, operations, log, metrics, stopping } = options;
    this.#options = options;
    this.#folder = shardFolder(stateFolder, place.shard);
    this.#resync = options.resync;
    this.#mode = options.mode;
    const spilledBytes = (): number => this.#feed.spilledBytes;
    const status = new ReplicationStatus({ spillLimit: spillBytes, spilledBytes, log, metrics });
    this.#status = status;
    const onWarning = (message: string): void => {
      log.warn(message);
    };
    const seen = (replid: string, offset: number): void => {
      status.lag.seen(replid, offset, performance.now());
    };
    this.#servers = follow(place.endpoint, {
      stopping,
      received: () => this.#feed.received,
      leave: (reason) => {
        this.#feed.leave(reason);
      },
      onChange: () => {
        this.#clock.moved();
        this.#watch.moved();
      },
      onWarning,
      onSilence: (silence) => {
        status.sentinels(silence);
      },
    });
    const { endpoint } = this.#servers;
    this.#feed = new Feed({
      endpoint: (resume) => this.#servers.choose(resume),
      bufferBytes: BUFFER,
      spill: { folder: join(this.#folder, 'spill'), diskBytes: spillBytes },
      onState: (state) => {
        status.enter(state);
      },
      onReceived: seen,
      onWarning,
      stopping,
    });
    this.#clock = new MasterClock({ endpoint, onWarning, onOffset: seen });
    const onBacklog = ({ size, rate }: { size: number; rate: number }): void => {
      metrics.backlog(size, rate);
    };
    this.#watch = new ServerWatch({ endpoint, toleratedOutageMs, operations, onWarning, onBacklog });
  }

  /** Whether it has stopped because a person has to act. */
  get failed(): boolean {
    return this.#status.state === 'failed';
  }

  /** Not ok when a person must act: an outage ends by itself; for /healthz. */
  health(): PartStatus {
    return this.#status.part(this.failed ? this.#status.trouble : undefined);
  }

  /** Whether the shard follows its server; for /readyz. */
  ready(): PartStatus {
    const { state, offset, trouble, text } = this.#status;
    const follows = followed.has(state) && offset >= 0;
    return this.#status.part(trouble ?? (follows ? undefined : `the shard is ${text}`));
  }

  /** Runs until it is stopped. @throws AfterwriteError when a person has to act */
  async run(): Promise<void> {
    const { stopping: signal, metrics, log } = this.#options;
    const status = this.#status;
    metrics.begin(() => status.levels());
    if (this.#mode === 'notifications') await this.#takeKeyEvents('configured');
    this.#clock.start();
    this.#watch.start();
    this.#servers.start();
    try {
      await retryUntilDone(() => this.#life(), {
        signal,
        firstWaitMs: 200,
        longestWaitMs: 10_000,
        worked: () => status.trouble === undefined,
        onWait: ({ error, attempts, waitMs }) => {
          status.trouble = error.message;
          log.warn({ err: error, attempts, waitMs }, 'the source begins again from its committed position');
        },
      });
    } catch (error) {
      if (signal.aborted) return;
      status.enter('failed');
      status.trouble = reasonOf(error);
      throw error;
    } finally {
      this.#feed.close();
      // At once: the first two may wait for a server that is never chosen, when the shard has failed.
      await Promise.all([this.#watch.close(), this.#clock.close(), this.#servers.close()]);
      if (signal.aborted) status.enter('stopped');
    }
  }

  /** From now on the server is followed by its key events: what belongs to the stream says nothing any more. */
  async #takeKeyEvents(reason: string): Promise<void> {
    this.#mode = 'notifications';
    this.#status.way = { mode: 'notifications', reason };
    this.#options.metrics.mode(this.#status.way);
    await Promise.all([this.#watch.close(), this.#clock.close()]);
  }

  /** One life: agree with Kafka and the registry, then carry the stream. Rejects as `retry` when it may begin again. */
  async #life(): Promise<void> {
    const { place, agree, mayClaim, topics, log, metrics, ignoreCommands, stopping } = this.#options;
    if (!this.#feed.isOpen) this.#status.enter('starting');
    const contracts = await agree();
    await mayClaim(stopping);
    metrics.life();
    const committed = (): void => {
      this.#resync = false;
    };
    const news = newsTo(log, metrics, this.#status, committed, (refusal) => {
      void this.#takeKeyEvents(refusal.what);
    });
    try {
      await runPipeline(
        {
          ...this.#options,
          shard: place.shard,
          redis: this.#servers,
          cluster: place.cluster,
          stateFolder: this.#folder,
          contracts,
          feed: this.#feed,
          clock: this.#clock,
          maxRecordBytes: topics.maxRecordBytes,
          ignoreCommands: new Set(ignoreCommands.map((name) => name.toUpperCase())),
          mode: this.#mode,
          resync: this.#resync,
          news,
        },
        stopping,
      );
    } catch (error) {
      throw againIfReload(error);
    }
  }
}

/** A life that has to begin again from the committed position is, for the loop of lives, one that may try again. */
function againIfReload(error: unknown): unknown {
  if (!(error instanceof AfterwriteError) || error.recovery !== 'reload') return error;
  const { code, what, where, remedy } = error;
  return new AfterwriteError('SOURCE_LIFE_ENDED', `${code}: ${what}`, { where, remedy, cause: error });
}
