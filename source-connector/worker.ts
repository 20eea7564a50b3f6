import { join } from 'node:path';
import { ensureTopics, withAdmin, type ResolveKafkaConnection, type TopicSpec } from '../clients/kafka/index.ts';
import type { ResolveEndpoint } from '../clients/redis/index.ts';
import { deadLettersTopicSpec, positionsPartitions } from '../config/index.ts';
import { AfterwriteError, reasonOf } from '../ops/errors/index.ts';
import type { PartStatuses } from '../ops/http.ts';
import type { Logger } from '../ops/logging.ts';
import type { Metrics } from '../ops/metrics.ts';
import { retryUntilDone } from '../ops/retry.ts';
import type { Mapping, SchemaRegistry } from '../schemas/index.ts';
import { MasterClock } from './capture/clock.ts';
import { Feed } from './capture/feed.ts';
import { ServerWatch } from './capture/server-watch.ts';
import type { CommitLimits } from './committer.ts';
import { agreeOnSchemas } from './contract.ts';
import { sourceMetrics, type SourceMetrics } from './metrics.ts';
import { newsTo } from './news.ts';
import { runPipeline } from './pipeline.ts';
import { ReplicationStatus } from './replication-status.ts';
import type { Breaker } from './shard.ts';

/** What a source worker needs; connections resolve their secrets anew at each attempt. */
export interface SourceWorkerOptions {
  readonly pipeline: string;
  readonly shard: number;
  readonly mappings: readonly Mapping[];
  readonly kafka: ResolveKafkaConnection;
  readonly redis: ResolveEndpoint;
  readonly registry: SchemaRegistry;
  readonly topics: TopicSettings;
  readonly stateFolder: string;
  readonly limits: CommitLimits;
  readonly ignoreCommands: readonly string[];
  readonly breaker: Breaker;
  /** How much of the stream may wait on disk, bytes. */
  readonly spillBytes: number;
  /** How long a link may be down, in ms, before a backlog that is smaller is warned of. */
  readonly toleratedOutageMs: number;
  /** Whether it begins with a full resync, wherever the committed position stands; not unless told. */
  readonly resync?: boolean;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface TopicSettings {
  readonly positions: string;
  readonly marks: string;
  readonly deadLetters: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly deleteRetentionMs: number;
  readonly minCompactionLagMs: number;
  readonly maxRecordBytes: number;
}

/** Bytes that may come while the disk is slow to take what came before. */
const BUFFER = 8 * 1024 * 1024;

/** Runs the shard's pipeline, life after life, until it is stopped or a person has to act. */
export class SourceWorker {
  readonly #options: SourceWorkerOptions;
  readonly #metrics: SourceMetrics;
  readonly #status: ReplicationStatus;
  readonly #feed: Feed;
  readonly #clock: MasterClock;
  readonly #watch: ServerWatch;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  /** Until the first commit: from then on the position itself says whether a snapshot is being read. */
  #resync: boolean;

  constructor(options: SourceWorkerOptions) {
    const { redis: endpoint, spillBytes, stateFolder, toleratedOutageMs, log } = options;
    this.#options = options;
    this.#resync = options.resync ?? false;
    const spilledBytes = (): number => this.#feed.spilledBytes;
    const status = new ReplicationStatus({ spillLimit: spillBytes, spilledBytes, log });
    const metrics = sourceMetrics(options.metrics, () => status.levels());
    status.showIn(metrics);
    this.#status = status;
    this.#metrics = metrics;
    const onWarning = (message: string): void => {
      log.warn(message);
    };
    const seen = (replid: string, offset: number): void => {
      status.lag.seen(replid, offset, performance.now());
    };
    this.#feed = new Feed({
      endpoint,
      bufferBytes: BUFFER,
      spill: { folder: join(stateFolder, 'spill'), diskBytes: spillBytes },
      onState: (state) => {
        status.enter(state);
      },
      onReceived: seen,
      onWarning,
      stopping: this.#stopping.signal,
    });
    this.#clock = new MasterClock({ endpoint, onWarning, onOffset: seen });
    const onBacklog = ({ size, rate }: { size: number; rate: number }): void => {
      metrics.backlogBytes.set(size);
      metrics.streamRate.set(rate);
    };
    this.#watch = new ServerWatch({ endpoint, toleratedOutageMs, onWarning, onBacklog });
  }

  /** Runs until `stop`, and rejects when a person has to act. @throws AfterwriteError */
  run(): Promise<void> {
    this.#running ??= this.#lives();
    return this.#running;
  }

  /** Commits what was read as whole, and closes everything. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running?.catch(() => undefined);
  }

  /** Not ok when a person must act: an outage ends by itself; for /healthz. */
  health(): PartStatuses {
    const { state, trouble } = this.#status;
    return { source: this.#status.part(state === 'failed' ? trouble : undefined) };
  }

  /** Whether the shard follows the stream; for /readyz. */
  ready(): PartStatuses {
    const { state, offset, trouble, text } = this.#status;
    const follows = (state === 'streaming' || state === 'spilling') && offset >= 0;
    return { source: this.#status.part(trouble ?? (follows ? undefined : `the shard is ${text}`)) };
  }

  async #lives(): Promise<void> {
    const { signal } = this.#stopping;
    const status = this.#status;
    this.#clock.start();
    this.#watch.start();
    try {
      await retryUntilDone(() => this.#life(signal), {
        signal,
        firstWaitMs: 200,
        longestWaitMs: 10_000,
        worked: () => status.trouble === undefined,
        onWait: ({ error, attempts, waitMs }) => {
          status.trouble = error.message;
          this.#options.log.warn(
            { err: error, attempts, waitMs },
            'the source begins again from its committed position',
          );
        },
      });
    } catch (error) {
      if (signal.aborted) return;
      status.enter('failed');
      status.trouble = reasonOf(error);
      throw error;
    } finally {
      this.#feed.close();
      await this.#watch.close();
      await this.#clock.close();
      if (signal.aborted) status.enter('stopped');
    }
  }

  /** One life: agree with Kafka and the registry, then carry the stream. Rejects as `retry` when it may begin again. */
  async #life(signal: AbortSignal): Promise<void> {
    const { mappings, kafka, registry, topics, log, ignoreCommands } = this.#options;
    if (!this.#feed.isOpen) this.#status.enter('starting');
    await withAdmin({ resolve: kafka, logger: log }, (admin) => ensureTopics(admin, topicSpecs(mappings, topics)));
    const contracts = await agreeOnSchemas(mappings, topics.partitions, registry);
    this.#metrics.lives.inc();
    const news = newsTo(log, this.#metrics, this.#status, () => {
      this.#resync = false;
    });
    try {
      await runPipeline(
        {
          ...this.#options,
          contracts,
          feed: this.#feed,
          clock: this.#clock,
          maxRecordBytes: topics.maxRecordBytes,
          ignoreCommands: new Set(ignoreCommands.map((name) => name.toUpperCase())),
          resync: this.#resync,
          news,
        },
        signal,
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

function topicSpecs(mappings: readonly Mapping[], settings: TopicSettings): TopicSpec[] {
  const { partitions, replicationFactor, deleteRetentionMs, minCompactionLagMs, maxRecordBytes } = settings;
  const compacted = {
    replicationFactor,
    cleanupPolicy: 'compact' as const,
    deleteRetentionMs,
    maxMessageBytes: maxRecordBytes,
  };
  return [
    // One partition a shard, fixed: a shard's partition must never change. Before the topics of mappings, so that a sink
    // that finds one of those finds the positions, which tell whether all of it was published.
    { ...compacted, topic: settings.positions, partitions: positionsPartitions },
    { ...compacted, topic: settings.marks, partitions: positionsPartitions },
    ...mappings.map(({ topic }) => ({ ...compacted, topic, partitions, minCompactionLagMs })),
    deadLettersTopicSpec(settings.deadLetters, replicationFactor, maxRecordBytes),
  ];
}
