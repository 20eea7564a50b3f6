import type { OutboxRow, PartitionName, StoredOffset } from '../port.ts';

/**
 * A row of `afterwrite_offsets`, its columns in this order: cluster_id, next_offset, epoch, owner, caught_up_at, topic,
 * partition. Integers may be what the driver has for them, but no number that has lost a digit.
 * @param timeOf reads a time where the driver gives a text and no date
 */
export function storedOffset(row: readonly unknown[], timeOf = utcTime): PartitionName & StoredOffset {
  const [clusterId, nextOffset, epoch, owner, caughtUpAt, topic, partition] = row;
  return {
    clusterId: String(clusterId),
    nextOffset: integer(nextOffset),
    epoch: integer(epoch),
    owner: integer(owner),
    caughtUpAt: caughtUpAt instanceof Date ? caughtUpAt : typeof caughtUpAt === 'string' ? timeOf(caughtUpAt) : null,
    topic: String(topic),
    partition: Number(partition),
  };
}

/** A row of `afterwrite_acknowledgements`: log_offset, version, entry. */
export function outboxRow([offset, version, entry]: readonly unknown[]): OutboxRow {
  return { offset: integer(offset), version: integer(version), entry: String(entry) };
}

/** A time in UTC as servers write it, with three digits of a second or more: 2026-01-31 12:00:00.123456 */
export function utcTime(text: string): Date {
  return new Date(`${text.slice(0, 10)}T${text.slice(11, 23)}Z`);
}

function integer(value: unknown): bigint {
  return BigInt(String(value));
}
