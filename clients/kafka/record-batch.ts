import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { RecordList, unreadable } from './record-list.ts';

/** What a producer sent at once, or what compaction has left of it: the bounds stay when records go. */
export interface RecordBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly producerId: bigint;
  readonly inTransaction: boolean;
  /** Whether it is the end of a transaction, and no record of anybody. */
  readonly isControl: boolean;
  /** Of a control batch: whether the transaction was aborted. */
  readonly isAbort: boolean;
  readonly records: RecordList;
}

/** Bytes before the length of a batch ends, and before its records begin. */
const FRAME = 12;
const HEADER = 61;

const decompress = promisify(gunzip);
const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

/**
 * Reads record batches. The last one may be cut off, as brokers do with what does not fit: it is left out.
 *
 *   batch  := baseOffset:int64 length:int32 leaderEpoch:int32 magic:int8=2 crc:uint32 attributes:int16
 *             lastOffsetDelta:int32 baseTimestamp:int64 maxTimestamp:int64 producerId:int64 producerEpoch:int16
 *             baseSequence:int32 count:int32 records
 *   attributes := compression (bits 0–2), time of the log (3), in a transaction (4), control (5)
 *
 * https://kafka.apache.org/documentation/#recordbatch
 * @throws RECORD_UNREADABLE for bytes that are no batches, and for a compression that this program does not know
 */
export async function readBatches(bytes: Buffer): Promise<RecordBatch[]> {
  const batches: RecordBatch[] = [];
  for (let at = 0; at + FRAME <= bytes.length;) {
    const end = at + FRAME + bytes.readInt32BE(at + 8);
    if (end > bytes.length) break;
    if (end < at + HEADER) throw unreadable(`a record batch of ${end - at} bytes`);
    batches.push(await readBatch(bytes.subarray(at, end)));
    at = end;
  }
  return batches;
}

async function readBatch(bytes: Buffer): Promise<RecordBatch> {
  const magic = bytes.readInt8(16);
  if (magic !== 2) throw unreadable(`record batches of format ${magic}, not 2`);
  const attributes = bytes.readInt16BE(21);
  const baseOffset = Number(bytes.readBigInt64BE(0));
  const isControl = (attributes & 32) !== 0;
  const count = bytes.readInt32BE(57);
  const compression = attributes & 7;
  const body = compression === 0 ? bytes.subarray(HEADER) : await decompressed(bytes.subarray(HEADER), compression);
  const baseTimestamp = Number(bytes.readBigInt64BE(27));
  const appendedAt = (attributes & 8) === 0 ? undefined : Number(bytes.readBigInt64BE(35));
  const records = RecordList.read({ bytes: body, baseOffset, baseTimestamp, appendedAt }, count);
  return {
    baseOffset,
    lastOffset: baseOffset + bytes.readInt32BE(23),
    producerId: bytes.readBigInt64BE(43),
    inTransaction: (attributes & 16) !== 0,
    isControl,
    isAbort: isControl && records.length > 0 && isAbortMarker(records.at(0).key),
    records: isControl ? records.slice(0, 0) : records,
  };
}

async function decompressed(bytes: Buffer, compression: number): Promise<Buffer> {
  if (compression !== 1) {
    const name = codecs[compression] ?? `no. ${compression}`;
    throw unreadable(`records compressed with ${name}; only gzip can be read`);
  }
  // What compaction has emptied keeps its compression, but has nothing to decompress.
  if (bytes.length === 0) return bytes;
  try {
    return await decompress(bytes);
  } catch (cause) {
    throw unreadable('records that gzip cannot decompress', cause);
  }
}

/** marker := version:int16 type:int16, where 0 is abort and 1 commit */
function isAbortMarker(key: Buffer | null): boolean {
  return key !== null && key.length >= 4 && key.readInt16BE(2) === 0;
}
