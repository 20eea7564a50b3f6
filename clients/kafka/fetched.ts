import { AfterwriteError } from '../../ops/errors/index.ts';
import { ByteReader } from './byte-reader.ts';
import type { AbortedTransaction } from './committed.ts';

/** The part of a fetch answer that is about one partition. */
export interface FetchedPartition {
  readonly topicName: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: number;
  /** Where the first open transaction begins, or the high watermark. */
  readonly lastStableOffset: number;
  readonly aborted: readonly AbortedTransaction[];
  /** Record batches, of which the last may be cut off. */
  readonly batches: Buffer;
}

export interface FetchAnswer {
  /** How long the client has to be silent, ms. */
  readonly throttleMs: number;
  readonly partitions: readonly FetchedPartition[];
}

/**
 * Reads the answer to a fetch, of the versions that kafkajs asks in.
 *
 *   answer    := throttle:int32 (error:int16 session:int32)⁷ [topic]
 *   topic     := name:string [partition]
 *   partition := index:int32 error:int16 highWatermark:int64 lastStable:int64 (logStart:int64)⁵ [aborted]
 *                (preferredReplica:int32)¹¹ batches:bytes
 *   aborted   := producer:int64 firstOffset:int64            ⁿ: from version n on
 *
 * https://kafka.apache.org/protocol#The_Messages_Fetch
 */
export function readFetchAnswer(bytes: Buffer, version: number): FetchAnswer {
  if (version < 4 || version > 11) {
    throw new AfterwriteError('KAFKA_REFUSED', `The broker speaks version ${version} of Kafka's fetch, not 4 to 11`);
  }
  const reader = new ByteReader(bytes);
  const throttleMs = reader.int32();
  if (version >= 7) reader.skip(6);
  const partitions: FetchedPartition[] = [];
  for (let topics = reader.int32(); topics > 0; topics--) {
    const topicName = reader.sized(reader.int16())?.toString() ?? '';
    for (let count = reader.int32(); count > 0; count--) partitions.push(readPartition(reader, version, topicName));
  }
  return { throttleMs, partitions };
}

function readPartition(reader: ByteReader, version: number, topicName: string): FetchedPartition {
  const partition = reader.int32();
  const errorCode = reader.int16();
  const highWatermark = offset(reader);
  const lastStableOffset = offset(reader);
  if (version >= 5) reader.skip(8);
  const aborted: AbortedTransaction[] = [];
  for (let count = reader.int32(); count > 0; count--) {
    aborted.push({ producerId: reader.int64(), firstOffset: offset(reader) });
  }
  if (version >= 11) reader.skip(4);
  const batches = reader.sized(reader.int32()) ?? Buffer.alloc(0);
  return { topicName, partition, errorCode, highWatermark, lastStableOffset, aborted, batches };
}

/** No partition gets to 2^53 records. */
function offset(reader: ByteReader): number {
  return Number(reader.int64());
}
