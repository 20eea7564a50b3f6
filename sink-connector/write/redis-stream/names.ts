import type { PartitionName } from '../port.ts';

/**
 * The hash that holds, for each topic of a sink, the name of its stream: with it, whoever knows the sink alone finds all
 * of its offsets.
 */
export function indexKey(sink: string): string {
  return `afterwrite_offsets:${sink}`;
}

/**
 * The hash that holds the offsets of a topic's partitions. It has the hash tag of the stream, or the stream's whole name
 * as its tag: in a cluster, both are in one slot, so that one script writes both.
 */
export function offsetsKey(sink: string, topic: string, stream: string): string {
  return `afterwrite_offsets:{${tagOf(stream) ?? stream}}:${sink}:${topic}`;
}

/**
 * The sorted set that is the outbox of a partition, by the offsets of its events (rule 22), with the same tag. A member is
 * offset, version and entry, with a colon between them.
 */
export function outboxKey(sink: string, { topic, partition }: PartitionName, stream: string): string {
  return `afterwrite_acknowledgements:{${tagOf(stream) ?? stream}}:${sink}:${topic}:${partition}`;
}

/** Whether the offsets of a stream can be in the slot of its name: a `}` in it would end their hash tag. */
export function sharesSlot(stream: string): boolean {
  return tagOf(stream) !== undefined || !stream.includes('}');
}

/** What a cluster looks at in a name, where that is not all of it: between the first `{` and the next `}`, not empty. */
function tagOf(name: string): string | undefined {
  return /^[^{]*\{([^}]+)\}/.exec(name)?.[1];
}
