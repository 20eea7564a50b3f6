/** Names that follow from the pipeline's name. They are part of the protocol: a rename loses the position. */

/** How many partitions the positions topic has, for ever: partition n belongs to shard n. */
export const positionsPartitions = 64;

export function positionsTopic(pipeline: string): string {
  return `${pipeline}.positions`;
}

export function marksTopic(pipeline: string): string {
  return `${pipeline}.marks`;
}

export function deadLettersTopic(pipeline: string): string {
  return `${pipeline}.dead-letters`;
}

/** How the topic of dead letters has to be, whoever creates it: the source or the first sink that needs it. */
export function deadLettersTopicSpec(topic: string, replicationFactor: number, maxRecordBytes: number) {
  return {
    topic,
    partitions: 1,
    replicationFactor,
    cleanupPolicy: 'delete',
    maxMessageBytes: maxRecordBytes,
  } as const;
}

export function transactionalId(pipeline: string, shard: number): string {
  return `${pipeline}.source.${shard}`;
}

/** The consumer group of the source's workers: why no sink may be called `source`. */
export function sourceGroup(pipeline: string): string {
  return consumerGroup(pipeline, 'source');
}

/** Who numbers the shards of a cluster claims this transactional id. */
export function shardsTransactionalId(pipeline: string): string {
  return `${pipeline}.source.shards`;
}

/** The consumer group of a sink. */
export function consumerGroup(pipeline: string, sink: string): string {
  return `${pipeline}.${sink}`;
}
