import { asOutage, Membership, type KafkaClientOptions } from '../clients/kafka/index.ts';
import type { Masters } from '../clients/redis/index.ts';
import {
  consumerGroup,
  deadLettersTopic,
  deadLettersTopicSpec,
  resolveSecrets,
  type Config,
  type SinkConfig,
} from '../config/index.ts';
import { AfterwriteError, reasonOf } from '../ops/errors/index.ts';
import type { PartStatus, PartStatuses } from '../ops/http.ts';
import type { Logger } from '../ops/logging.ts';
import { retryUntilDone, type RetryOptions } from '../ops/retry.ts';
import { EventDecoder, SchemaRegistry } from '../schemas/index.ts';
import { AcknowledgementProgress } from './acknowledgement-progress.ts';
import type { CommitNews, CommitWait } from './commit-wait.ts';
import { Assignments } from './consume/assignments.ts';
import { SteadyReader } from './consume/steady-reader.ts';
import type { SinkMetrics } from './metrics.ts';
import { PartitionOrphans } from './orphans/partition-orphans.ts';
import { runPartition } from './pipeline.ts';
import { PartitionProgress } from './progress.ts';
import { outboxOf, prepareSink, type PreparedSink } from './prepared-sink.ts';
import { sinkOf, type SinkTarget } from './targets.ts';
import { DeadLetters } from './write/dead-letters.ts';

export interface SinkWorkerOptions {
  readonly config: Config;
  /** The sink's name in the configuration. */
  readonly sink: string;
  readonly log: Logger;
  readonly metrics: SinkMetrics;
  /** The masters of the source: where acknowledgements go, and who is asked by `GET /wait`. */
  readonly masters: () => Masters;
  /** How many orphans of a partition a person agrees to remove. */
  readonly confirmedOrphans?: number | undefined;
}

/** One worker of a sink: a member of its consumer group that writes the partitions it is given. */
export class SinkWorker {
  readonly #options: SinkWorkerOptions;
  readonly #config: SinkConfig;
  readonly #client: KafkaClientOptions;
  readonly #registry: SchemaRegistry;
  readonly #deadLetters: DeadLetters;
  readonly #stopping = new AbortController();
  readonly #partitions = new Map<string, PartitionProgress>();
  #working: Promise<void> | undefined;
  #member: Membership | undefined;
  /** Undefined until everything was checked. */
  #commits: CommitWait | undefined;
  /** What it waits for, or has stopped at, as a whole. */
  #trouble: AfterwriteError | undefined;
  #failed = false;

  /** @throws CONFIG_INVALID when the configuration has no such sink */
  constructor(options: SinkWorkerOptions) {
    const { config, sink, log } = options;
    const { brokers, ssl, sasl, maxRecordBytes, topics } = config.kafka;
    const clientId = `afterwrite.${consumerGroup(config.pipeline, sink)}`;
    this.#options = options;
    this.#config = sinkOf(config, sink);
    this.#client = { resolve: () => resolveSecrets({ brokers, ssl, sasl, clientId }), logger: log };
    this.#registry = new SchemaRegistry(() => resolveSecrets(config.registry));
    const { pipeline } = config;
    const topic = deadLettersTopicSpec(deadLettersTopic(pipeline), topics.replicationFactor, maxRecordBytes);
    this.#deadLetters = new DeadLetters({ client: this.#client, pipeline, sink, topic, maxRecordBytes });
  }

  /**
   * Checks all tables and the cluster; waits for the end of outages. Then joins the group and works until `stop`.
   * @throws TABLE_UNFIT, DATABASE_ACCESS, KAFKA_AUTH and whatever else a person must act on before anything works
   */
  async start(): Promise<void> {
    let prepared: PreparedSink;
    try {
      prepared = await prepareSink({
        ...this.#options,
        sinkConfig: this.#config,
        client: this.#client,
        deadLetters: this.#deadLetters,
        ownOffset: ({ topic, partition }) => this.#partitions.get(placeOf(topic, partition))?.nextOffset,
        retry: this.#retry(),
      });
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.#fail(error);
      throw error;
    }
    this.#trouble = undefined;
    this.#commits = prepared.commits;
    this.#working = this.#work(prepared);
  }

  /** Works until `stop`. @throws what `start` throws, and whatever else ends the worker as a whole */
  async run(): Promise<void> {
    await this.start();
    await this.#working;
    if (this.#failed && this.#trouble !== undefined) throw this.#trouble;
  }

  /** Ends the transactions in progress, leaves the group and closes all connections. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#working;
  }

  /**
   * Waits until what Redis has of a key now is committed here, whoever of this sink writes it.
   * @param signal ends the waiting; then is told what is known
   * @throws as CommitWait.wait
   */
  async waitFor(key: Buffer, signal: AbortSignal): Promise<CommitNews> {
    return this.#commits === undefined
      ? { committed: false, waitsFor: 'sink' }
      : await this.#commits.wait(key, AbortSignal.any([signal, this.#stopping.signal]));
  }

  /** Not ok where a person must act. */
  health(): PartStatuses {
    return this.#statuses(!this.#failed, ({ state }) => state !== 'failed');
  }

  /** Not ok while it has no partitions assigned yet, waits for an outage, or is not written up to the end once. */
  ready(): PartStatuses {
    return this.#statuses(this.#member !== undefined && this.#trouble === undefined, ({ isReady }) => isReady);
  }

  #statuses(ok: boolean, isOk: (progress: PartitionProgress) => boolean): PartStatuses {
    const name = `sink ${this.#options.sink}`;
    const reason =
      this.#trouble?.message ?? (this.#member === undefined ? 'it has not joined its group yet' : undefined);
    const statuses: Record<string, PartStatus> = { [name]: { ok, ...(reason === undefined ? {} : { reason }) } };
    for (const [place, progress] of this.#partitions) statuses[`${name} ${place}`] = progress.status(isOk(progress));
    return statuses;
  }

  /** One membership after another, until the worker is stopped. */
  async #work(prepared: PreparedSink): Promise<void> {
    const { signal } = this.#stopping;
    const assignments = new Assignments((topic, partition, leaving) =>
      this.#carry(prepared, topic, partition, leaving),
    );
    const stopped = new Promise<undefined>((resolve) => {
      signal.addEventListener('abort', () => {
        resolve(undefined);
      });
    });
    const watching = new AbortController();
    void prepared.watch.run(watching.signal);
    try {
      for (let joined = false; ; joined = true) {
        const member = await retryUntilDone(() => this.#join(prepared.targets, assignments, joined), this.#retry());
        this.#trouble = undefined;
        const reason = await Promise.race([member.ended, stopped]);
        // Partitions are written to the end of their transactions before others may have them.
        if (reason === undefined) await assignments.end();
        await member.leave();
        signal.throwIfAborted();
        this.#options.log.warn({ err: reason }, 'the consumer group was left; joining it again');
      }
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    } finally {
      watching.abort();
      await assignments.end();
      prepared.masters.close();
      await Promise.all([prepared.writer.close(), this.#deadLetters.close(), prepared.positions.close()]);
    }
  }

  async #join(targets: readonly SinkTarget[], assignments: Assignments, before: boolean): Promise<Membership> {
    const { config, sink } = this.#options;
    try {
      return await Membership.join({
        client: this.#client,
        groupId: consumerGroup(config.pipeline, sink),
        topics: targets.map(({ table }) => table.topic),
        onAssigned: (assignment, member) => {
          this.#member = member;
          if (!this.#stopping.signal.aborted) assignments.take(assignment);
        },
      });
    } catch (error) {
      throw before ? asOutage(error) : error;
    }
  }

  /** Works on one partition. Never rejects: a partition that stops lets the others go on. */
  async #carry(prepared: PreparedSink, topic: string, partition: number, signal: AbortSignal): Promise<void> {
    const { sink, log, metrics } = this.#options;
    const target = prepared.targets.find(({ table }) => table.topic === topic);
    if (target === undefined) return;
    const { rows, bytes, linger } = this.#config.batch;
    const place = placeOf(topic, partition);
    const names = { sink, topic, partition, mapping: target.mapping.name };
    const acknowledgements =
      target.acknowledger === undefined ? undefined : new AcknowledgementProgress(names, log, metrics);
    const progress = new PartitionProgress(names, log, metrics, acknowledgements);
    const outbox = acknowledgements && outboxOf(prepared, target, partition, acknowledgements);
    const sending = outbox?.run(signal);
    this.#partitions.set(place, progress);
    try {
      await runPartition({
        table: target.table,
        partition,
        clusterId: prepared.clusterId,
        client: this.#client,
        decoder: new EventDecoder(target.mapping, this.#registry),
        writer: prepared.writer,
        limits: { rows, bytes, lingerMs: linger },
        progress,
        watch: prepared.watch,
        orphans: new PartitionOrphans({
          ...prepared.orphans,
          table: target.table,
          partition,
          writer: prepared.writer,
          listener: progress,
          openLog: (of) => new SteadyReader(this.#client, topic, of),
        }),
        outbox,
        confirmed: async (until) => this.#member?.confirmed(until),
        signal,
      });
    } catch (error) {
      progress.failed(error);
      await aborted(signal);
    } finally {
      await sending;
      progress.left();
      if (this.#partitions.get(place) === progress) this.#partitions.delete(place);
    }
  }

  #fail(error: unknown): void {
    this.#failed = true;
    this.#trouble =
      error instanceof AfterwriteError ? error : new AfterwriteError('INTERNAL', reasonOf(error), { cause: error });
    this.#options.log.error({ err: error }, 'the sink has stopped');
  }

  #retry(): RetryOptions {
    const { sink, log, metrics } = this.#options;
    return {
      signal: this.#stopping.signal,
      longestWaitMs: 10_000,
      onWait: ({ error, attempts, waitMs }) => {
        this.#trouble = error;
        metrics.retries.inc({ sink, code: error.code });
        log.warn({ err: error, attempts, waitMs }, 'the sink waits for the end of an outage');
      },
    };
  }
}

function placeOf(topic: string, partition: number): string {
  return `${topic} ${partition}`;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener(
      'abort',
      () => {
        resolve();
      },
      { once: true },
    );
  });
}
