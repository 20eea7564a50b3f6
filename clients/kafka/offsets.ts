import type { Admin } from 'kafkajs';
import { kafkaError } from './errors.ts';

/** What a partition holds: from its first offset up to, not including, its end. */
export interface OffsetBounds {
  readonly first: number;
  readonly end: number;
}

/** The bounds of a topic's partitions, by their numbers. @throws TOPIC_MISSING, KAFKA_DOWN, KAFKA_FORBIDDEN */
export async function fetchOffsetBounds(admin: Admin, topic: string): Promise<Map<number, OffsetBounds>> {
  try {
    const found = await admin.fetchTopicOffsets(topic);
    return new Map(found.map(({ partition, low, high }) => [partition, { first: Number(low), end: Number(high) }]));
  } catch (error) {
    throw kafkaError(error, 'The offsets of a topic could not be read', { topic });
  }
}

/**
 * The first record of each partition that is not older than a time, by the partitions' numbers: its offset, or the end
 * of the partition when there is none.
 * @throws TOPIC_MISSING, KAFKA_DOWN, KAFKA_FORBIDDEN
 */
export async function fetchOffsetsAt(admin: Admin, topic: string, time: Date): Promise<Map<number, number>> {
  try {
    const found = await admin.fetchTopicOffsetsByTimestamp(topic, time.getTime());
    return new Map(found.map(({ partition, offset }) => [partition, Number(offset)]));
  } catch (error) {
    throw kafkaError(error, 'The offsets of a time could not be read', { topic });
  }
}
