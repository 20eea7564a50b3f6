import { asOutage, PartitionReader, type CommittedPage, type KafkaClientOptions } from '../../clients/kafka/index.ts';
import { retryUntilDone, type RetryOptions } from '../../ops/retry.ts';

/**
 * Reads one partition and waits for the end of every outage, on a connection of its own: a long wait for records of one
 * partition never holds up another.
 */
export class SteadyReader {
  readonly #client: KafkaClientOptions;
  readonly #topic: string;
  readonly #partition: number;
  #reader: PartitionReader | undefined;
  #asking: Promise<unknown> = Promise.resolve();

  constructor(client: KafkaClientOptions, topic: string, partition: number) {
    this.#client = client;
    this.#topic = topic;
    this.#partition = partition;
  }

  /** The first offset that the partition still has. @throws what waiting does not mend */
  async firstOffset(retry: RetryOptions): Promise<number> {
    return await this.#persist(retry, (reader) => reader.firstOffset(this.#topic, this.#partition));
  }

  /** How many partitions the topic has. @throws what waiting does not mend */
  async partitionCount(retry: RetryOptions): Promise<number> {
    return (await this.#persist(retry, (reader) => reader.partitions(this.#topic))).length;
  }

  /** The committed records from an offset on. @throws OFFSET_OUT_OF_RANGE, and what else waiting does not mend */
  async fetch(offset: number, waitMs: number, retry: RetryOptions): Promise<CommittedPage> {
    return await this.#persist(retry, (reader) => reader.fetch(this.#topic, this.#partition, offset, waitMs));
  }

  /** Lets an answer that is under way arrive, since asking would go on over a new connection. Never throws. */
  async close(): Promise<void> {
    await this.#asking.catch(() => undefined);
    await this.#disconnect();
  }

  async #disconnect(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    await reader?.close().catch(() => undefined);
  }

  async #persist<T>(retry: RetryOptions, work: (reader: PartitionReader) => Promise<T>): Promise<T> {
    const asking = retryUntilDone(async () => {
      try {
        this.#reader ??= await PartitionReader.open(this.#client);
        return await work(this.#reader);
      } catch (error) {
        await this.#disconnect();
        throw asOutage(error);
      }
    }, retry);
    this.#asking = asking;
    return await asking;
  }
}
