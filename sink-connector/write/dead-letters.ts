import {
  batchOverhead,
  ensureTopics,
  IdempotentProducer,
  recordBytes,
  withAdmin,
  type KafkaClientOptions,
  type TopicSpec,
} from '../../clients/kafka/index.ts';
import { deadLetter, deadLetterKey } from './dead-letter.ts';
import type { RejectedChange } from './event-order.ts';
import type { PartitionName, TargetTable } from './port.ts';

export interface DeadLettersOptions {
  readonly client: KafkaClientOptions;
  readonly pipeline: string;
  readonly sink: string;
  /** The topic, which is created at the first dead letter if the source has not done so. */
  readonly topic: TopicSpec;
  readonly maxRecordBytes: number;
}

/** Writes the dead letters of one sink to Kafka. Nothing is connected before the first one. */
export class DeadLetters {
  readonly #options: DeadLettersOptions;
  readonly #producer: IdempotentProducer;
  #topicIsThere = false;

  constructor(options: DeadLettersOptions) {
    this.#options = options;
    this.#producer = new IdempotentProducer(options.client);
  }

  /**
   * Returns when all in-sync replicas have a dead letter of each change.
   * @throws KAFKA_DOWN, KAFKA_AUTH, KAFKA_FORBIDDEN, TOPIC_MISCONFIGURED: some may have been written
   */
  async send(table: TargetTable, partition: PartitionName, rejected: readonly RejectedChange[]): Promise<void> {
    const { client, topic } = this.#options;
    if (!this.#topicIsThere) await withAdmin(client, (admin) => ensureTopics(admin, [topic]));
    this.#topicIsThere = true;
    for (const messages of this.#requests(table, partition, rejected)) {
      await this.#producer.send({ topic: topic.topic, partition: 0 }, messages);
    }
  }

  async close(): Promise<void> {
    await this.#producer.close();
  }

  /** A request is one record batch, and what limits a record limits that. */
  *#requests(table: TargetTable, partition: PartitionName, rejected: readonly RejectedChange[]) {
    const { maxRecordBytes, pipeline, sink } = this.#options;
    let messages: { readonly key: Buffer; readonly value: Buffer }[] = [];
    let bytes = batchOverhead;
    for (const change of rejected) {
      const key = deadLetterKey(sink, partition, change.change.offset);
      const room = maxRecordBytes - batchOverhead - recordBytes(key, null);
      const value = deadLetter({ pipeline, sink }, table, partition, change, Date.now(), room);
      const more = recordBytes(key, value);
      if (messages.length > 0 && bytes + more > maxRecordBytes) {
        yield messages;
        messages = [];
        bytes = batchOverhead;
      }
      messages.push({ key, value });
      bytes += more;
    }
    if (messages.length > 0) yield messages;
  }
}
