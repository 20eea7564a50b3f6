import { ensureTopics, withAdmin, type ResolveKafkaConnection, type TopicSpec } from '../clients/kafka/index.ts';
import type { ResolveEndpoint } from '../clients/redis/index.ts';
import { deadLettersTopicSpec, positionsPartitions } from '../config/index.ts';
import { AfterwriteError, reasonOf } from '../ops/errors/index.ts';
import type { PartStatus, PartStatuses } from '../ops/http.ts';
import type { Logger } from '../ops/logging.ts';
import type { Metrics } from '../ops/metrics.ts';
import { retryUntilDone } from '../ops/retry.ts';
import type { Mapping, SchemaRegistry } from '../schemas/index.ts';
import type { ReplicationState } from './capture/session.ts';
import type { CommitLimits } from './committer.ts';
import { agreeOnSchemas } from './contract.ts';
import { sourceMetrics, type SourceMetrics } from './metrics.ts';
import { runPipeline, type PipelineNews } from './pipeline.ts';
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

/** Runs the shard's pipeline, life after life, until it is stopped or a person has to act. */
export class SourceWorker {
  readonly #options: SourceWorkerOptions;
  readonly #metrics: SourceMetrics;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #state: ReplicationState | 'starting' | 'failed' = 'starting';
  #trouble: string | undefined;
  #offset = -1;
  /** Until the first commit: from then on the position itself says whether a snapshot is being read. */
  #resync: boolean;
  #snapshot: { bytes: number; total: number | undefined } | undefined;

  constructor(options: SourceWorkerOptions) {
    this.#options = options;
    this.#resync = options.resync ?? false;
    this.#metrics = sourceMetrics(options.metrics);
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
    return { source: this.#status(this.#state === 'failed' ? this.#trouble : undefined) };
  }

  /** Whether the shard follows the stream; for /readyz. */
  ready(): PartStatuses {
    const follows = this.#state === 'streaming' && this.#offset >= 0;
    return { source: this.#status(this.#trouble ?? (follows ? undefined : `the shard is ${this.#state}`)) };
  }

  #status(reason: string | undefined): PartStatus {
    const snapshot = this.#snapshot;
    const details = {
      state: this.#state,
      offset: this.#offset,
      ...(snapshot === undefined ? {} : { snapshotBytes: snapshot.bytes, snapshotTotal: snapshot.total ?? null }),
    };
    return reason === undefined ? { ok: true, details } : { ok: false, reason, details };
  }

  async #lives(): Promise<void> {
    const { signal } = this.#stopping;
    const { log } = this.#options;
    try {
      await retryUntilDone(() => this.#life(signal), {
        signal,
        firstWaitMs: 200,
        longestWaitMs: 10_000,
        worked: () => this.#trouble === undefined,
        onWait: ({ error, attempts, waitMs }) => {
          this.#trouble = error.message;
          log.warn({ err: error, attempts, waitMs }, 'the source begins again from its committed position');
        },
      });
    } catch (error) {
      if (signal.aborted) return;
      this.#show('failed');
      this.#trouble = reasonOf(error);
      throw error;
    } finally {
      if (signal.aborted) this.#show('stopped');
    }
  }

  /** One life: agree with Kafka and the registry, then carry the stream. Rejects as `retry` when it may begin again. */
  async #life(signal: AbortSignal): Promise<void> {
    const { pipeline, shard, mappings, kafka, redis, registry, topics, log, limits, breaker } = this.#options;
    await withAdmin({ resolve: kafka, logger: log }, (admin) => ensureTopics(admin, topicSpecs(mappings, topics)));
    const contracts = await agreeOnSchemas(mappings, topics.partitions, registry);
    this.#metrics.lives.inc();
    try {
      await runPipeline(
        {
          pipeline,
          shard,
          topics,
          contracts,
          kafka,
          redis,
          registry,
          stateFolder: this.#options.stateFolder,
          limits,
          maxRecordBytes: topics.maxRecordBytes,
          ignoreCommands: new Set(this.#options.ignoreCommands.map((name) => name.toUpperCase())),
          breaker,
          toleratedOutageMs: this.#options.toleratedOutageMs,
          resync: this.#resync,
          log,
          news: this.#news(),
        },
        signal,
      );
    } catch (error) {
      throw againIfReload(error);
    }
  }

  #show(state: ReplicationState | 'failed'): void {
    if (state === this.#state) return;
    this.#metrics.state.set({ state: this.#state }, 0);
    this.#metrics.state.set({ state }, 1);
    this.#state = state;
    this.#options.log.info({ state, offset: this.#offset }, 'replication state');
  }

  #news(): PipelineNews {
    const { log } = this.#options;
    const metrics = this.#metrics;
    return {
      state: (state) => {
        this.#show(state);
      },
      commands: (count) => {
        metrics.commands.inc(count);
      },
      event: (mapping, op) => {
        metrics.events.inc({ mapping, op });
      },
      removal: (mapping, { cause, policy }) => {
        metrics.removals.inc({ mapping, cause, policy });
      },
      rejected: (mapping, db, key, problem) => {
        metrics.deadLetters.inc({ mapping });
        log.warn({ mapping, db, key, problem }, 'a hash cannot be a row; it is a dead letter');
      },
      flushed: (db, slots) => {
        log.warn({ db, slots }, 'the server was flushed; the policy of the cause `flushed` applies to all these rows');
      },
      backlog: ({ size, rate }) => {
        metrics.backlogBytes.set(size);
        metrics.streamRate.set(rate);
      },
      keyRead: (reason) => {
        metrics.keyReads.inc();
        log.debug({ reason }, 'a key was read beside the stream');
      },
      waits: (error) => {
        this.#trouble = error.message;
      },
      link: (answer, replid, offset) => {
        this.#trouble = undefined;
        metrics.links.inc({ answer });
        if (answer === 'continue') this.#offset = offset;
        log.info({ answer, replid, offset }, answer === 'full' ? 'full resync' : 'the stream goes on');
      },
      snapshotProgress: (bytes, total) => {
        this.#snapshot = { bytes, total };
        metrics.snapshotBytes.set(bytes);
      },
      snapshotRead: (facts) => {
        this.#snapshot = undefined;
        log.info(facts, 'the snapshot is read');
      },
      committed: (offset, records, bytes) => {
        this.#offset = offset;
        this.#trouble = undefined;
        this.#resync = false;
        metrics.transactions.inc();
        metrics.records.inc(records);
        metrics.bytes.inc(bytes);
        metrics.offset.set(offset);
      },
    };
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
