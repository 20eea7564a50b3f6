import { asOutage, fetchClusterId, withAdmin, type KafkaClientOptions } from '../clients/kafka/index.ts';
import type { Masters } from '../clients/redis/index.ts';
import { positionsTopic, type Config, type SinkConfig } from '../config/index.ts';
import { retryUntilDone, type RetryOptions } from '../ops/retry.ts';
import { PartitionOutbox } from './acknowledge/partition-outbox.ts';
import { AcknowledgementSender } from './acknowledge/sender.ts';
import type { AcknowledgementProgress } from './acknowledgement-progress.ts';
import { CommitWait } from './commit-wait.ts';
import { OffsetWatch } from './offset-watch.ts';
import { readPublished } from './orphans/published.ts';
import type { OrphanSettings } from './orphans/settings.ts';
import { TopicSettings } from './orphans/topic-settings.ts';
import { Turns } from './orphans/turns.ts';
import { SourcePositions } from './source-positions.ts';
import { sinkTargets, type SinkTarget } from './targets.ts';
import type { DeadLetters } from './write/dead-letters.ts';
import type { PartitionName } from './write/port.ts';
import { createDialect } from './write/registry.ts';
import { DatabaseWriter, type RejectedRows } from './write/writer.ts';

/** What a worker has once everything was checked, and its partitions share. */
export interface PreparedSink {
  readonly writer: DatabaseWriter;
  readonly watch: OffsetWatch;
  readonly orphans: OrphanSettings;
  readonly targets: readonly SinkTarget[];
  readonly clusterId: string;
  /** Where some mapping asks for acknowledgements. */
  readonly sender: AcknowledgementSender | undefined;
  readonly masters: Masters;
  readonly positions: SourcePositions;
  readonly commits: CommitWait;
}

/** What it is made of. */
export interface SinkParts {
  readonly config: Config;
  /** The sink's name in the configuration, and what it says there. */
  readonly sink: string;
  readonly sinkConfig: SinkConfig;
  readonly client: KafkaClientOptions;
  readonly deadLetters: DeadLetters;
  readonly masters: () => Masters;
  /** How many orphans of a partition a person agrees to remove. */
  readonly confirmedOrphans?: number | undefined;
  /** The offset that a partition of this worker has committed; undefined for one that is not its own. */
  readonly ownOffset: (partition: PartitionName) => number | undefined;
  readonly retry: RetryOptions;
}

/**
 * Checks all tables and the cluster; waits for the end of outages.
 * @throws TABLE_UNFIT, DATABASE_ACCESS, KAFKA_AUTH and whatever else a person must act on before anything works
 */
export async function prepareSink(parts: SinkParts): Promise<PreparedSink> {
  const { config, sink, sinkConfig, client, ownOffset, retry } = parts;
  const targets = sinkTargets(config, sinkConfig, sink);
  const writer = new DatabaseWriter(await createDialect(sink, sinkConfig), sink, rejectedRows(parts));
  const tables = targets.map(({ table }) => table);
  const { create, evolve } = sinkConfig;
  await writer.prepare(tables, { create, evolve }, retry);
  const clusterId = await retryUntilDone(() => withAdmin(client, fetchClusterId), retry);
  const watch = new OffsetWatch(() => writer.readOffsets());
  const acknowledges = targets.some(({ acknowledger }) => acknowledger !== undefined);
  const masters = parts.masters();
  const sender = acknowledges ? new AcknowledgementSender(masters) : undefined;
  const positions = new SourcePositions(client, positionsTopic(config.pipeline));
  const commits = new CommitWait({ targets, masters, positions, ownOffset, storedOffsets: () => writer.readOffsets() });
  const orphans = orphanSettings(parts, writer);
  return { writer, watch, orphans, targets, clusterId, sender, masters, positions, commits };
}

/** Where a partition keeps its acknowledgements until Redis has them; undefined where its mapping asks for none. */
export function outboxOf(
  { writer, sender }: PreparedSink,
  { table, mapping, acknowledger }: SinkTarget,
  partition: number,
  listener: AcknowledgementProgress,
): PartitionOutbox | undefined {
  if (acknowledger === undefined || sender === undefined) return undefined;
  const name = { topic: table.topic, partition };
  return new PartitionOutbox({
    ...acknowledger,
    pattern: mapping.key,
    store: {
      read: (limit, retry) => writer.readOutbox(name, limit, retry),
      drop: (rows, retry) => writer.dropFromOutbox(name, rows, retry),
    },
    send: (acknowledgements) => sender.send(acknowledgements),
    listener,
  });
}

function orphanSettings(
  { config, sinkConfig, client, confirmedOrphans: confirmed }: SinkParts,
  writer: DatabaseWriter,
): OrphanSettings {
  const { policy, breaker } = sinkConfig.orphans;
  const settings = new TopicSettings(client);
  return {
    policy: writer.keepsEveryEvent ? 'keep' : policy,
    breaker: { ...breaker, confirmed },
    turns: new Turns(),
    retention: (topic) => settings.of(topic),
    published: (topic) => readPublished(client, positionsTopic(config.pipeline), topic),
  };
}

function rejectedRows({ sinkConfig, deadLetters }: SinkParts): RejectedRows {
  const { policy, limit } = sinkConfig.rejectedRows;
  return {
    limit: policy === 'stop' ? 0 : limit,
    send: async ({ table, move }, rejected) => {
      try {
        await deadLetters.send(table, move, rejected);
      } catch (error) {
        throw asOutage(error);
      }
    },
  };
}
