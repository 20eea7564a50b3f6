import { setTimeout as wait } from 'node:timers/promises';
import type { Cluster, Consumer } from 'kafkajs';
import { AfterwriteError, type Where } from '../../ops/errors/index.ts';
import { committedBatches } from './committed.ts';
import { connectKafka, type KafkaClientOptions } from './connection.ts';
import { kafkaError } from './errors.ts';
import { fetchBytes } from './fetch-bytes.ts';
import type { FetchedPartition } from './fetched.ts';
import { readBatches, type RecordBatch } from './record-batch.ts';
import type { RecordList } from './record-list.ts';

/** What a fetch brought of one partition. */
export interface CommittedPage {
  /** Committed records at or after the asked offset, ascending; no list is empty. */
  readonly lists: readonly RecordList[];
  /** Where to fetch next; as asked when nothing could be read. */
  readonly nextOffset: number;
  readonly highWatermark: number;
  /** Where the first open transaction begins, or the high watermark. */
  readonly lastStableOffset: number;
}

const readCommitted = 1;
const attempts = 5;

/**
 * Reads partitions by offset, committed records only, without a consumer group: nothing has to join, no rebalance delay
 * is waited for, no group is left behind, and every answer tells the last stable offset, which kafkajs's consumer hides.
 *
 * kafkajs hands its cluster to partition assigners, whose type is public; that is where it comes from.
 */
export class PartitionReader {
  readonly #consumer: Consumer;
  readonly #cluster: Cluster;
  /** The end of the request before. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(consumer: Consumer, cluster: Cluster) {
    this.#consumer = consumer;
    this.#cluster = cluster;
  }

  /** Connects. @throws KAFKA_DOWN, KAFKA_TLS, KAFKA_AUTH, SECRET_UNRESOLVED */
  static async open(client: KafkaClientOptions): Promise<PartitionReader> {
    const kafka = await connectKafka(client);
    let cluster: Cluster | undefined;
    const consumer = kafka.consumer({
      // Never joined: a consumer has to have a name.
      groupId: 'afterwrite-reader',
      allowAutoTopicCreation: false,
      partitionAssigners: [
        (given) => {
          cluster = given.cluster;
          return { name: 'none', version: 0, assign: () => Promise.resolve([]), protocol: () => noProtocol };
        },
      ],
    });
    if (cluster === undefined) throw new AfterwriteError('INTERNAL', 'kafkajs did not hand out its cluster');
    try {
      await consumer.connect();
    } catch (error) {
      throw kafkaError(error, 'Kafka could not be reached');
    }
    return new PartitionReader(consumer, cluster);
  }

  async close(): Promise<void> {
    // Whoever closes it has read what it wanted, or has a better error to tell.
    await this.#consumer.disconnect().catch(() => undefined);
  }

  /** The partitions of a topic, ascending. @throws TOPIC_MISSING, KAFKA_DOWN, KAFKA_FORBIDDEN */
  async partitions(topic: string): Promise<number[]> {
    return await this.#insist(`The partitions of topic ${topic} could not be read`, { topic }, async () => {
      await this.#cluster.addMultipleTargetTopics([topic]);
      const found = this.#cluster.findTopicPartitionMetadata(topic);
      return found.map(({ partitionId }) => partitionId).sort((a, b) => a - b);
    });
  }

  /** The first offset that a partition still has. @throws TOPIC_MISSING, KAFKA_DOWN, KAFKA_FORBIDDEN */
  async firstOffset(topic: string, partition: number): Promise<number> {
    const where = { topic, partition };
    return await this.#insist('The first offset of a partition could not be read', where, async () => {
      await this.#leaderOf(topic, partition);
      const [found] = await this.#cluster.fetchTopicsOffset([
        { topic, partitions: [{ partition }], fromBeginning: true },
      ]);
      return Number(found?.partitions[0]?.offset ?? 0);
    });
  }

  /**
   * Fetches one page of a partition. One partition a request, because only then an answer without records means that
   * there are none.
   * @param waitMs how long the broker may wait for records when there are none
   * @throws OFFSET_OUT_OF_RANGE, RECORD_UNREADABLE, TOPIC_MISSING, KAFKA_DOWN, KAFKA_FORBIDDEN
   */
  async fetch(topic: string, partition: number, offset: number, waitMs: number): Promise<CommittedPage> {
    const { highWatermark, lastStableOffset, aborted, batches } = await this.#fetchOnce(
      topic,
      partition,
      offset,
      waitMs,
    );
    const found = await this.#batches(batches, { topic, partition, offset });
    // The first batch may begin before what was asked for.
    const lists = committedBatches(found, aborted).map(({ records }) => records.since(offset));
    const nextOffset = Math.max(offset, (found.at(-1)?.lastOffset ?? -1) + 1);
    return { lists: lists.filter(({ length }) => length > 0), nextOffset, highWatermark, lastStableOffset };
  }

  async #batches(bytes: Buffer, where: Where): Promise<RecordBatch[]> {
    try {
      return await readBatches(bytes);
    } catch (error) {
      throw error instanceof AfterwriteError
        ? new AfterwriteError(error.code, error.what, { where, cause: error })
        : error;
    }
  }

  async #fetchOnce(topic: string, partition: number, offset: number, waitMs: number): Promise<FetchedPartition> {
    const where = { topic, partition, offset };
    return await this.#insist('Records could not be read', where, async () => {
      const nodeId = await this.#leaderOf(topic, partition);
      const broker = await this.#cluster.findBroker({ nodeId });
      const request = { partition, fetchOffset: String(offset), maxBytes: 1_048_576 };
      const answer = await fetchBytes(broker, {
        isolationLevel: readCommitted,
        maxWaitTime: waitMs,
        topics: [{ topic, partitions: [request] }],
      });
      const [page] = answer.partitions;
      if (page !== undefined) return page;
      throw new AfterwriteError('KAFKA_DOWN', 'Kafka throttles this client', { where });
    });
  }

  async #leaderOf(topic: string, partition: number): Promise<string> {
    await this.#cluster.addMultipleTargetTopics([topic]);
    const found = this.#cluster.findTopicPartitionMetadata(topic).find(({ partitionId }) => partitionId === partition);
    if (found === undefined) {
      throw new AfterwriteError('TOPIC_MISSING', 'the topic has no such partition', { where: { topic, partition } });
    }
    return String(found.leader);
  }

  /** One request at a time: two that find no connection make kafkajs open two, and forget one of them for ever. */
  async #insist<T>(what: string, where: object, work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => this.#attempt(what, where, work));
    this.#last = turn.catch(() => undefined);
    return await turn;
  }

  /** Elections and restarts of a broker last some moments: looks for the new leader and tries again. */
  async #attempt<T>(what: string, where: object, work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        const described = kafkaError(error, what, { ...where });
        if (described.recovery !== 'retry' || attempt === attempts) throw described;
        await wait(50 * 2 ** attempt);
        // Its failure shows again, with its reason, in the next attempt.
        await this.#cluster.refreshMetadata().catch(() => undefined);
      }
    }
  }
}

const noProtocol = { name: 'none', metadata: Buffer.alloc(0) };
