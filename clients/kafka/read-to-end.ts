import { AfterwriteError } from '../../ops/errors/index.ts';
import type { PartitionReader } from './partition-reader.ts';
import type { FetchedRecord } from './record-list.ts';

export interface ReadRange {
  readonly topic: string;
  readonly partition: number;
  /** Where to begin: the first offset that the partition still has, unless told. */
  readonly from?: number | undefined;
  /** Before which offset to end: the high watermark of the moment, unless told. It has to exist already. */
  readonly to?: number | undefined;
  /** How long an open transaction may hold up reading before that is an error; 120 s unless told. */
  readonly patienceMs?: number | undefined;
}

export type OnRecord = (record: FetchedRecord) => void | Promise<void>;

/** How long a broker holds a fetch back while an open transaction hides what is to be read. */
const pollMs = 200;

/**
 * Reads the committed records of one partition up to an end that is known beforehand. Control records, aborted records
 * and those that compaction removed count as read: the end is a matter of offsets, not of records.
 * @returns the offset after the last one read.
 * @throws TRANSACTION_OPEN, OFFSET_OUT_OF_RANGE, TOPIC_MISSING, KAFKA_DOWN, and whatever `onRecord` throws
 */
export async function readToEnd(reader: PartitionReader, range: ReadRange, onRecord: OnRecord): Promise<number> {
  const { topic, partition, patienceMs = 120_000 } = range;
  let position = range.from ?? (await reader.firstOffset(topic, partition));
  let end = range.to;
  let movedAt = performance.now();
  let waitMs = 0;
  while (end === undefined || position < end) {
    const page = await reader.fetch(topic, partition, position, waitMs);
    end ??= page.highWatermark;
    for (const list of page.lists) {
      for (const record of list) {
        if (record.offset >= end) break;
        // Awaiting what is no promise costs a turn of the event loop's microtasks for each record.
        const handled = onRecord(record);
        if (handled !== undefined) await handled;
      }
    }
    if (page.nextOffset > position) {
      position = page.nextOffset;
      movedAt = performance.now();
      waitMs = 0;
      continue;
    }
    waitMs = pollMs;
    if (performance.now() - movedAt > patienceMs) {
      throw new AfterwriteError('TRANSACTION_OPEN', `nothing could be read for ${patienceMs / 1000} s`, {
        where: { topic, partition, offset: position, lastStableOffset: page.lastStableOffset, end },
      });
    }
  }
  return end;
}

/** Reads all partitions of a topic to their ends, one after the other. */
export async function readTopicToEnd(
  reader: PartitionReader,
  topic: string,
  onRecord: (record: FetchedRecord, partition: number) => void | Promise<void>,
): Promise<void> {
  for (const partition of await reader.partitions(topic)) {
    await readToEnd(reader, { topic, partition }, (record) => onRecord(record, partition));
  }
}
