import {
  lastCommitted,
  PartitionReader,
  TransactionalProducer,
  type KafkaClientOptions,
  type KeyPlace,
} from '../../clients/kafka/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { NOBODY, numberingSchema, type Numbering } from './numbering.ts';

/** As long as a write may take; a writer that dies in between holds readers up for this long, ms. */
const transactionTimeoutMs = 10_000;

/** The key of the record among the positions of shard 0. */
const KEY = Buffer.from('shards');

export interface NumberingRecordOptions extends KafkaClientOptions {
  readonly positionsTopic: string;
  readonly transactionalId: string;
}

/**
 * The numbers of a cluster's shards, as a record of the positions topic. Several workers may find at the same time that
 * it has to change: who writes it claims a transactional id first, and reads what stands there after that.
 */
export class NumberingRecord {
  readonly #options: NumberingRecordOptions;
  readonly #place: KeyPlace;

  constructor(options: NumberingRecordOptions) {
    this.#options = options;
    this.#place = { topic: options.positionsTopic, partition: 0, key: KEY };
  }

  /** What is committed. @throws KAFKA_DOWN, TOPIC_MISSING, POSITION_UNREADABLE */
  async read(): Promise<Numbering> {
    const reader = await PartitionReader.open(this.#options);
    try {
      return await this.#readBy(reader);
    } finally {
      await reader.close();
    }
  }

  /**
   * Changes what is committed.
   * @param change gives the same object when nothing has to change
   * @returns what is committed then
   * @throws KAFKA_DOWN; PRODUCER_FENCED and KAFKA_TRANSACTION when another worker changes it now
   */
  async update(change: (before: Numbering) => Numbering): Promise<Numbering> {
    const reader = await PartitionReader.open(this.#options);
    try {
      const before = await this.#readBy(reader);
      if (change(before) === before) return before;
      return await this.#write(reader, change);
    } finally {
      await reader.close();
    }
  }

  async #write(reader: PartitionReader, change: (before: Numbering) => Numbering): Promise<Numbering> {
    const { transactionalId } = this.#options;
    const producer = await TransactionalProducer.open({ ...this.#options, transactionalId, transactionTimeoutMs });
    try {
      // Fences every other writer: what is read after it is what the write replaces, or the write does not come through.
      const transaction = await producer.begin();
      const before = await this.#readBy(reader);
      const after = change(before);
      const { topic, partition } = this.#place;
      const value = Buffer.from(JSON.stringify(after));
      await producer.send(transaction, [{ topic, partition, messages: [{ partition, key: KEY, value }] }]);
      await producer.commit(transaction);
      return after;
    } finally {
      await producer.close().catch(() => undefined);
    }
  }

  async #readBy(reader: PartitionReader): Promise<Numbering> {
    const { topic, partition } = this.#place;
    const first = await reader.firstOffset(topic, partition);
    const { highWatermark } = await reader.fetch(topic, partition, first, 0);
    const value = await lastCommitted(reader, this.#place, highWatermark);
    if (value === null) return NOBODY;
    try {
      return numberingSchema.parse(JSON.parse(value.toString('utf8')));
    } catch (cause) {
      throw new AfterwriteError(
        'POSITION_UNREADABLE',
        'the numbers of the shards are not ones that this version writes',
        {
          where: { topic, partition },
          cause,
        },
      );
    }
  }
}
