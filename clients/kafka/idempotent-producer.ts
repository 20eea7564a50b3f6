import type { Producer } from 'kafkajs';
import { connectKafka, type KafkaClientOptions } from './connection.ts';
import { kafkaError } from './errors.ts';
import type { TopicPartition } from './leaders.ts';

/**
 * A producer of kafkajs without transactions. It connects at the first record, and anew after an error; what the caller
 * sends again after an error may then stand twice in the log.
 */
export class IdempotentProducer {
  readonly #client: KafkaClientOptions;
  #producer: Producer | undefined;
  /** kafkajs numbers the records of a partition rightly only while one request is under way. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(client: KafkaClientOptions) {
    this.#client = client;
  }

  /**
   * Sends records to one partition, and waits until all in-sync replicas have them.
   * @throws KAFKA_DOWN, KAFKA_AUTH, KAFKA_FORBIDDEN, TOPIC_MISSING, RECORD_TOO_LARGE
   */
  async send(place: TopicPartition, messages: readonly { key: Buffer | null; value: Buffer | null }[]): Promise<void> {
    const sent = this.#last.then(() => this.#sendNow(place, messages));
    this.#last = sent.catch(() => undefined);
    await sent;
  }

  /** Ends after what is being sent. */
  async close(): Promise<void> {
    await this.#last;
    await this.#drop();
  }

  async #sendNow(
    { topic, partition }: TopicPartition,
    messages: readonly { key: Buffer | null; value: Buffer | null }[],
  ): Promise<void> {
    try {
      this.#producer ??= await this.#open();
      await this.#producer.send({ topic, acks: -1, messages: messages.map((message) => ({ ...message, partition })) });
    } catch (error) {
      await this.#drop();
      throw kafkaError(error, 'Records could not be sent', { topic, partition });
    }
  }

  async #open(): Promise<Producer> {
    const kafka = await connectKafka(this.#client);
    const producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition ?? 0,
    });
    this.#producer = producer;
    await producer.connect();
    return producer;
  }

  async #drop(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    // What it was for is done, or has failed for a better reason.
    await producer?.disconnect().catch(() => undefined);
  }
}
