import type { PartitionReader } from './partition-reader.ts';
import { readToEnd } from './read-to-end.ts';
import type { FetchedRecord } from './record-list.ts';

/** Where the records of one key are. */
export interface KeyPlace {
  readonly topic: string;
  readonly partition: number;
  readonly key: Buffer;
}

/** A record and the marker of its transaction take two offsets, so the last one of a busy key is nearly always in here. */
const firstWindow = 64;
const growth = 8;

/**
 * The value of the last committed record with this key before an offset, looked for backwards in growing windows.
 * @param before a transaction that is open before this offset is waited for, as `readToEnd` does
 * @returns null when there is none, or when the last one is a tombstone.
 */
export async function lastCommitted(
  reader: PartitionReader,
  { topic, partition, key }: KeyPlace,
  before: number,
): Promise<Buffer | null> {
  const first = await reader.firstOffset(topic, partition);
  let to = before;
  for (let window = firstWindow; to > first; window *= growth) {
    const from = Math.max(first, to - window);
    const found: FetchedRecord[] = [];
    await readToEnd(reader, { topic, partition, from, to }, (record) => {
      if (record.key?.equals(key) === true) found[0] = record;
    });
    if (found[0] !== undefined) return found[0].value;
    to = from;
  }
  return null;
}
