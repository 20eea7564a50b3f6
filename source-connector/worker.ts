import { ensureTopics, withAdmin, type TopicSpec } from '../clients/kafka/index.ts';
import { deadLettersTopicSpec, positionsPartitions } from '../config/index.ts';
import type { PartStatus, PartStatuses } from '../ops/http.ts';
import type { Logger } from '../ops/logging.ts';
import type { Metrics } from '../ops/metrics.ts';
import { retryUntilDone } from '../ops/retry.ts';
import { WorkSet } from '../ops/work-set.ts';
import type { Mapping } from '../schemas/index.ts';
import { agreeOnSchemas, type Contract } from './contract.ts';
import { ShardMetrics, sourceMetrics, type SourceMetrics } from './metrics.ts';
import type { ShardDirectory, ShardPlace } from './shard-directory.ts';
import { ShardWorker, type ShardSettings } from './shard-worker.ts';

/** What a source worker needs; connections resolve their secrets anew at each attempt. */
export interface SourceWorkerOptions extends ShardSettings {
  readonly directory: ShardDirectory;
  readonly mappings: readonly Mapping[];
  readonly topics: TopicSettings;
  /** Whether its shards begin with a full resync, wherever the committed positions stand; not unless told. */
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

/** The shards of one process: each runs by itself, and one that stops for a person lets the others go on. */
export class SourceWorker {
  readonly #options: SourceWorkerOptions;
  readonly #metrics: SourceMetrics;
  readonly #stopping = new AbortController();
  readonly #set = new WorkSet<ShardPlace>((place, signal) => this.#carry(place, signal));
  readonly #shards = new Map<number, ShardWorker>();
  /** Shards that were run in this process: a resync that was asked for is made once. */
  readonly #begun = new Set<number>();
  /** Rejects when no shard runs any more, since each waits for a person. */
  readonly #failure: Promise<never>;
  #fail: (error: unknown) => void = () => undefined;
  #running: Promise<void> | undefined;
  #agreeing: Promise<readonly Contract[]> | undefined;
  /** Why it is not known which shards there are; undefined once it is. */
  #trouble: string | undefined = 'it is not known yet which shards there are';

  constructor(options: SourceWorkerOptions) {
    this.#options = options;
    this.#metrics = sourceMetrics(options.metrics);
    this.#failure = new Promise((_, reject) => {
      this.#fail = reject;
    });
    // It may come when nobody waits for it any more.
    this.#failure.catch(() => undefined);
  }

  /** Runs until `stop`, and rejects when a person has to act before any shard can go on. @throws AfterwriteError */
  run(): Promise<void> {
    this.#running ??= this.#work();
    return this.#running;
  }

  /** Commits what was read as whole, and closes everything. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running?.catch(() => undefined);
  }

  /** Not ok when a person must act; for /healthz. */
  health(): PartStatuses {
    return this.#statuses({ ok: true }, (shard) => shard.health());
  }

  /** Whether all of its shards follow their streams; for /readyz. */
  ready(): PartStatuses {
    const trouble = this.#trouble;
    return this.#statuses(trouble === undefined ? { ok: true } : { ok: false, reason: trouble }, (shard) =>
      shard.ready(),
    );
  }

  #statuses(own: PartStatus, of: (shard: ShardWorker) => PartStatus): PartStatuses {
    const shards = [...this.#shards].sort(([a], [b]) => a - b);
    return { source: own, ...Object.fromEntries(shards.map(([shard, worker]) => [partOf(shard), of(worker)])) };
  }

  async #work(): Promise<void> {
    try {
      await Promise.race([this.#followDirectory(), this.#failure]);
    } finally {
      await this.#set.end();
    }
  }

  /** Runs the shards that there are, until it is stopped. */
  async #followDirectory(): Promise<void> {
    const { directory, log } = this.#options;
    const { signal } = this.#stopping;
    let changed = false;
    let wake = (): void => undefined;
    const ring = (): void => {
      changed = true;
      wake();
    };
    const unsubscribe = directory.subscribe(ring);
    signal.addEventListener('abort', ring, { once: true });
    try {
      while (!signal.aborted) {
        changed = false;
        const places = await retryUntilDone(() => directory.shards(signal), {
          signal,
          longestWaitMs: 10_000,
          onWait: ({ error, waitMs }) => {
            this.#trouble = error.message;
            log.warn({ err: error, waitMs }, 'it cannot be known yet which shards there are');
          },
        });
        this.#trouble = undefined;
        this.#set.take(new Map(places.map((place) => [String(place.shard), place])));
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (changed) resolve();
        });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      unsubscribe();
    }
  }

  /** Works on one shard. Never rejects: one that stops lets the others go on. */
  async #carry(place: ShardPlace, signal: AbortSignal): Promise<void> {
    const { shard } = place;
    const log = this.#options.log.child({ shard });
    const metrics = new ShardMetrics(this.#metrics, shard);
    const worker = new ShardWorker({
      ...this.#options,
      place,
      agree: () => this.#agree(),
      resync: this.#options.resync === true && !this.#begun.has(shard),
      log,
      metrics,
      stopping: signal,
    });
    this.#begun.add(shard);
    this.#shards.set(shard, worker);
    try {
      await worker.run();
    } catch (error) {
      if ([...this.#shards.values()].every(({ failed }) => failed)) this.#fail(error);
      else log.error({ err: error }, 'the shard has stopped: a person has to act');
      await aborted(signal);
    } finally {
      // What a process ends with is still asked for.
      if (!this.#stopping.signal.aborted && !worker.failed) {
        this.#shards.delete(shard);
        metrics.end();
      }
    }
  }

  /** Agrees with Kafka and the registry; all who ask at the same time wait for one answer. */
  async #agree(): Promise<readonly Contract[]> {
    this.#agreeing ??= this.#agreeOnce().finally(() => {
      this.#agreeing = undefined;
    });
    return await this.#agreeing;
  }

  async #agreeOnce(): Promise<readonly Contract[]> {
    const { mappings, kafka, registry, topics, log } = this.#options;
    await withAdmin({ resolve: kafka, logger: log }, (admin) => ensureTopics(admin, topicSpecs(mappings, topics)));
    return await agreeOnSchemas(mappings, topics.partitions, registry);
  }
}

/** The name of a shard's part on /healthz and /readyz. */
function partOf(shard: number): string {
  return `source shard ${shard}`;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => {
    signal.addEventListener('abort', resolve, { once: true });
  });
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
