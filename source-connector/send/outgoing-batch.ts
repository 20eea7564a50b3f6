import { batchOverhead, recordBytes, type OutgoingMessage, type OutgoingPart } from '../../clients/kafka/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import type { OutgoingBatch, RecordHeaders } from './port.ts';

/** kafkajs copies the list of a partition's messages for each message of a request, so it gets short ones. */
const recordsPerPart = 200;
/** A request holds one part of many partitions; beyond this it is sent without the rest. */
const requestBytes = 4_194_304;

interface PartitionRecords {
  readonly topic: string;
  readonly partition: number;
  readonly messages: OutgoingMessage[];
  /** What each message takes in a record batch, at most. */
  readonly sizes: number[];
  /** The first message that is in no request yet. */
  next: number;
}

/** Records by topic and partition, cut into requests. */
export class PartitionedBatch implements OutgoingBatch {
  readonly #maxRecordBytes: number;
  readonly #topics = new Map<string, (PartitionRecords | undefined)[]>();
  readonly #all: PartitionRecords[] = [];
  #records = 0;
  #bytes = 0;

  /** @param maxRecordBytes the largest record batch that the topics take (max.message.bytes) */
  constructor(maxRecordBytes: number) {
    this.#maxRecordBytes = maxRecordBytes;
  }

  get records(): number {
    return this.#records;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @throws RECORD_TOO_LARGE: such a record should have become a dead letter before. */
  append(topic: string, partition: number, key: Buffer, value: Buffer | null, headers?: RecordHeaders): void {
    const size = recordBytes(key, value, headers);
    if (size + batchOverhead > this.#maxRecordBytes) {
      throw new AfterwriteError('RECORD_TOO_LARGE', `a record of ${size} bytes is over ${this.#maxRecordBytes}`, {
        where: { topic, partition },
      });
    }
    const held = this.#of(topic, partition);
    held.messages.push(headers === undefined ? { partition, key, value } : { partition, key, value, headers });
    held.sizes.push(size);
    this.#records += 1;
    this.#bytes += key.length + (value?.length ?? 0) + headerBytes(headers);
  }

  /**
   * Hands the records out once, in requests to be sent one after the other: so many that kafkajs takes them well and that
   * no record batch is over the limit. Records of one partition keep their order.
   */
  *requests(): Generator<OutgoingPart[]> {
    let waiting = this.#all;
    while (waiting.length > 0) {
      const parts: OutgoingPart[] = [];
      let bytes = 0;
      for (const held of waiting) {
        const end = this.#endOfPart(held);
        for (let index = held.next; index < end; index += 1) bytes += held.sizes[index] ?? 0;
        parts.push({ topic: held.topic, partition: held.partition, messages: held.messages.slice(held.next, end) });
        held.next = end;
        if (bytes >= requestBytes) break;
      }
      yield parts;
      waiting = waiting.filter(({ next, messages }) => next < messages.length);
    }
  }

  #endOfPart({ next, sizes }: PartitionRecords): number {
    let bytes = batchOverhead + (sizes[next] ?? 0);
    let end = next + 1;
    const last = Math.min(sizes.length, next + recordsPerPart);
    for (; end < last; end += 1) {
      bytes += sizes[end] ?? 0;
      if (bytes > this.#maxRecordBytes) break;
    }
    return end;
  }

  #of(topic: string, partition: number): PartitionRecords {
    let partitions = this.#topics.get(topic);
    if (partitions === undefined) this.#topics.set(topic, (partitions = []));
    let held = partitions[partition];
    if (held === undefined) {
      held = partitions[partition] = { topic, partition, messages: [], sizes: [], next: 0 };
      this.#all.push(held);
    }
    return held;
  }
}

function headerBytes(headers: RecordHeaders | undefined): number {
  if (headers === undefined) return 0;
  let bytes = 0;
  for (const [name, content] of Object.entries(headers)) bytes += Buffer.byteLength(name) + Buffer.byteLength(content);
  return bytes;
}
