import { AfterwriteError } from '../../ops/errors/index.ts';
import type { RetryOptions } from '../../ops/retry.ts';
import { partitionOf } from '../../schemas/index.ts';
import type { SteadyReader } from '../consume/steady-reader.ts';
import type { KeyHashes } from './key-hashes.ts';

/** The log of one partition, on a connection of its own. */
export type LogReader = Pick<SteadyReader, 'firstOffset' | 'fetch' | 'partitionCount' | 'close'>;

/** Bytes of Confluent's framing before a key: a zero byte and the schema's id. */
export const keyFrame = 5;

/** How long Kafka may hold back an answer without records, ms. */
const waitMs = 500;

/** What the keys of a partition have in common. */
export interface KeyedPartition {
  readonly topic: string;
  readonly partition: number;
  /** How many partitions the topic's keys are spread over. */
  readonly partitions: number;
  readonly keySchemaId: number;
}

/**
 * Adds the key of every committed record of a partition to a set, be it a row or a tombstone.
 *
 * It reads until an answer says that nothing committed follows, and not only up to an end that was known before: while
 * it reads, compaction may take the record of a key away because a newer one follows. The newest record of a key is
 * never taken (but a tombstone, late). At the moment of that last answer it had been committed and lay behind the place
 * that was read to; it was there when that place was passed, so it was seen. So whatever was live at that moment is in
 * the set.
 * @returns how many records there are
 * @throws ORPHANS_UNDECIDABLE when a key has another schema or belongs to another partition; what Kafka throws
 */
export async function readLiveKeys(
  log: LogReader,
  place: KeyedPartition,
  live: KeyHashes,
  retry: RetryOptions,
): Promise<number> {
  let records = 0;
  let position = await log.firstOffset(retry);
  for (;;) {
    const page = await log.fetch(position, waitMs, retry);
    for (const list of page.lists) {
      for (const { key, offset } of list) live.add(checkedKey(key, offset, place), keyFrame);
      records += list.length;
    }
    position = page.nextOffset;
    if (position >= page.lastStableOffset) return records;
    retry.signal.throwIfAborted();
  }
}

/** The schema id of a partition's first key; undefined when it holds no record. */
export async function firstKeySchemaId(log: LogReader, retry: RetryOptions): Promise<number | undefined> {
  let position = await log.firstOffset(retry);
  for (;;) {
    const page = await log.fetch(position, waitMs, retry);
    const [first] = page.lists;
    if (first !== undefined) return schemaIdOf(first.at(0).key);
    position = page.nextOffset;
    if (position >= page.lastStableOffset) return undefined;
    retry.signal.throwIfAborted();
  }
}

function schemaIdOf(key: Buffer | null): number | undefined {
  return key !== null && key.length >= keyFrame && key[0] === 0 ? key.readUInt32BE(1) : undefined;
}

/** A key whose bytes say which rows it is about: a row's own bytes are made with the same schema and the same spread. */
function checkedKey(key: Buffer | null, offset: number, place: KeyedPartition): Buffer {
  const { topic, partition, partitions, keySchemaId } = place;
  const id = schemaIdOf(key);
  if (key !== null && id === keySchemaId && partitionOf(key, partitions) === partition) return key;
  const what =
    id === keySchemaId
      ? `The key of a record does not belong to its partition, by the ${partitions} partitions that the topic has`
      : `The key of a record has the schema ${id ?? '(none)'}, and others have ${keySchemaId}`;
  throw new AfterwriteError('ORPHANS_UNDECIDABLE', what, { where: { topic, partition, offset } });
}
