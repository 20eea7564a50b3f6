import { lastCommitted, PartitionReader, readToEnd, type KafkaClientOptions } from '../../clients/kafka/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { decodePosition } from '../position.ts';
import type { OtherShard } from './member.ts';

interface Known {
  /** Read up to here. */
  readonly end: number;
  readonly shard: OtherShard | undefined;
}

/** Reads what the shards of a cluster have committed about their slots. */
export class CommittedSlots {
  readonly #client: KafkaClientOptions;
  readonly #topic: string;
  readonly #known = new Map<number, Known>();
  #reader: PartitionReader | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(client: KafkaClientOptions, positionsTopic: string) {
    this.#client = client;
    this.#topic = positionsTopic;
  }

  /**
   * What these shards have committed by now; those that have committed nothing yet are missing.
   * @throws KAFKA_DOWN and its like, also after `close`; POSITION_UNREADABLE, TRANSACTION_OPEN
   */
  async read(shards: readonly number[]): Promise<ReadonlyMap<number, OtherShard>> {
    const turn = this.#last.then(() => this.#read(shards));
    this.#last = turn.catch(() => undefined);
    return await turn;
  }

  /** Shards that are still ending may ask later: a connection that they opened would hold the process. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last;
    await this.#reader?.close();
    this.#reader = undefined;
  }

  async #read(shards: readonly number[]): Promise<ReadonlyMap<number, OtherShard>> {
    if (this.#isClosed) throw new AfterwriteError('KAFKA_DOWN', 'the positions of other shards are not read any more');
    try {
      const reader = (this.#reader ??= await PartitionReader.open(this.#client));
      const found = new Map<number, OtherShard>();
      for (const shard of shards) {
        const known = await this.#readShard(reader, shard, this.#known.get(shard));
        this.#known.set(shard, known);
        if (known.shard !== undefined) found.set(shard, known.shard);
      }
      return found;
    } catch (error) {
      const reader = this.#reader;
      this.#reader = undefined;
      await reader?.close();
      throw error;
    }
  }

  async #readShard(reader: PartitionReader, shard: number, known: Known | undefined): Promise<Known> {
    const topic = this.#topic;
    const key = Buffer.from(String(shard));
    let value: Buffer | null = null;
    let end: number;
    if (known === undefined) {
      const first = await reader.firstOffset(topic, shard);
      end = (await reader.fetch(topic, shard, first, 0)).highWatermark;
      value = await lastCommitted(reader, { topic, partition: shard, key }, end);
    } else {
      end = await readToEnd(reader, { topic, partition: shard, from: known.end }, (record) => {
        if (record.key?.equals(key) === true) value = record.value;
      });
    }
    if (value === null) return { end, shard: known?.shard };
    const { slots, version } = decodePosition(value, topic, shard);
    return { end, shard: slots === undefined ? undefined : { slots, version } };
  }
}
