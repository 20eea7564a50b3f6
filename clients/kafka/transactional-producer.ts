import type { Message, Producer, RecordMetadata, RetryOptions, Transaction } from 'kafkajs';
import { connectKafka, type KafkaClientOptions } from './connection.ts';
import { kafkaError, transactionError } from './errors.ts';
import { LeaderGuard, type TopicPartition } from './leaders.ts';

/** Records of one partition, in order. */
export interface OutgoingPart extends TopicPartition {
  readonly messages: OutgoingMessage[];
}

export interface OutgoingMessage {
  /** That of its part: kafkajs asks each message. */
  readonly partition: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, Buffer | string>>;
}

export interface ProducerOptions extends KafkaClientOptions {
  readonly transactionalId: string;
  /** After so long without its end, Kafka aborts a transaction and fences its producer. */
  readonly transactionTimeoutMs: number;
}

/**
 * EndTxn is asynchronous in the broker, and a transaction that begins at once is turned away for some milliseconds: the
 * first waits have to be short. All together last about 20 s, for an election or the restart of one broker.
 */
const transactionRetry: RetryOptions = { initialRetryTime: 5, multiplier: 1.2, maxRetryTime: 250, retries: 100 };

/** Splitting by leader learns the leaders of one topic a time, and they may move while it does. */
const splits = 5;

/** A producer of kafkajs with a transactional id, whose requests each go to one broker. */
export class TransactionalProducer {
  readonly #producer: Producer;
  readonly #guard: LeaderGuard;
  readonly #where: { readonly transactionalId: string };

  private constructor(producer: Producer, guard: LeaderGuard, transactionalId: string) {
    this.#producer = producer;
    this.#guard = guard;
    this.#where = { transactionalId };
  }

  /** Connects. This does not claim the transactional id: the first `begin` does. @throws KAFKA_DOWN, KAFKA_AUTH … */
  static async open(options: ProducerOptions): Promise<TransactionalProducer> {
    const kafka = await connectKafka(options, transactionRetry);
    const guard = new LeaderGuard();
    const producer = kafka.producer({
      transactionalId: options.transactionalId,
      transactionTimeout: options.transactionTimeoutMs,
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: guard.partitioner,
      retry: transactionRetry,
    });
    try {
      await producer.connect();
    } catch (error) {
      throw kafkaError(error, 'Kafka could not be reached');
    }
    return new TransactionalProducer(producer, guard, options.transactionalId);
  }

  /**
   * Begins a transaction. The first one sends InitProducerId: it aborts what an earlier owner of the transactional id has
   * open, and fences that owner.
   */
  async begin(): Promise<Transaction> {
    try {
      return await this.#producer.transaction();
    } catch (error) {
      throw kafkaError(error, 'The transactional id could not be claimed', this.#where);
    }
  }

  /**
   * Sends records and waits until all in-sync replicas have them.
   * @returns what Kafka says of each partition, the offset of its first record among it.
   * @throws PRODUCER_FENCED, RECORD_TOO_LARGE, KAFKA_TRANSACTION
   */
  async send(transaction: Transaction, parts: readonly OutgoingPart[]): Promise<RecordMetadata[]> {
    try {
      return await this.#sendSplit(transaction, parts, splits);
    } catch (error) {
      throw transactionError(error, 'Records could not be sent', this.#where);
    }
  }

  /** @throws PRODUCER_FENCED, KAFKA_TRANSACTION: whether it was committed is then open. */
  async commit(transaction: Transaction): Promise<void> {
    try {
      await transaction.commit();
    } catch (error) {
      throw transactionError(error, 'A transaction could not be committed', this.#where);
    }
  }

  async close(): Promise<void> {
    await this.#producer.disconnect();
  }

  async #sendSplit(
    transaction: Transaction,
    parts: readonly OutgoingPart[],
    splitsLeft: number,
  ): Promise<RecordMetadata[]> {
    const answers: RecordMetadata[] = [];
    for (const group of this.#guard.split(parts)) {
      try {
        this.#guard.begin();
        answers.push(...(await transaction.sendBatch({ acks: -1, topicMessages: byTopic(group) })));
      } catch (error) {
        if (!this.#guard.tripped || splitsLeft === 0) throw error;
        answers.push(...(await this.#sendSplit(transaction, group, splitsLeft - 1)));
      }
    }
    return answers;
  }
}

function byTopic(parts: readonly OutgoingPart[]): { topic: string; messages: Message[] }[] {
  const topics = new Map<string, OutgoingMessage[]>();
  for (const { topic, messages } of parts) {
    const held = topics.get(topic);
    topics.set(topic, held === undefined ? messages : held.concat(messages));
  }
  return [...topics].map(([topic, messages]) => ({ topic, messages }));
}
