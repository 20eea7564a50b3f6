import type { TopicSpec } from '../clients/kafka/index.ts';
import { deadLettersTopicSpec, positionsPartitions } from '../config/index.ts';
import type { Mapping } from '../schemas/index.ts';

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

/** The topics of a source, in the order in which they are made. */
export function topicSpecs(mappings: readonly Mapping[], settings: TopicSettings): TopicSpec[] {
  const { partitions, replicationFactor, minCompactionLagMs, maxRecordBytes } = settings;
  const compacted = compactedBy(settings);
  return [
    // One partition a shard, fixed: a shard's partition must never change. Before the topics of mappings, so that a sink
    // that finds one of those finds the positions, which tell whether all of it was published.
    positionsTopicSpec(settings),
    { ...compacted, topic: settings.marks, partitions: positionsPartitions },
    ...mappings.map(({ topic }) => ({ ...compacted, topic, partitions, minCompactionLagMs })),
    deadLettersTopicSpec(settings.deadLetters, replicationFactor, maxRecordBytes),
  ];
}

/** The topic of positions alone: where the numbers of a cluster's shards are kept, it is needed before any shard runs. */
export function positionsTopicSpec(settings: TopicSettings): TopicSpec {
  return { ...compactedBy(settings), topic: settings.positions, partitions: positionsPartitions };
}

function compactedBy({ replicationFactor, deleteRetentionMs, maxRecordBytes }: TopicSettings) {
  return { replicationFactor, cleanupPolicy: 'compact', deleteRetentionMs, maxMessageBytes: maxRecordBytes } as const;
}
