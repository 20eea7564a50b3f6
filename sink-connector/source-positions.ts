import { z } from 'zod';
import {
  fetchOffsetBounds,
  lastCommitted,
  PartitionReader,
  withAdmin,
  type KafkaClientOptions,
} from '../clients/kafka/index.ts';
import { AfterwriteError } from '../ops/errors/index.ts';

/** How far a shard of the source is, as far as it decides what stands in the topics: the positions topic is JSON. */
const positionSchema = z.object({
  mode: z.enum(['replication', 'notifications']).default('replication'),
  replid: z.string(),
  offset: z.number(),
  snapshot: z.boolean(),
  fills: z.record(z.string(), z.object({ stage: z.string() })).default({}),
  mappings: z.record(z.string(), z.object({ topic: z.string(), partitions: z.int(), keySchemaId: z.int() })),
});

export type SourcePosition = z.output<typeof positionSchema>;

interface Shard {
  /** Where its partition is read on. */
  next: number;
  position: SourcePosition | undefined;
}

/** How often is looked for shards that were not there before, ms. */
const shardsLast = 5000;

/** The committed positions of the source's shards, and the ends of topics, read again and again over one connection. */
export class SourcePositions {
  readonly #client: KafkaClientOptions;
  readonly #topic: string;
  readonly #shards = new Map<number, Shard>();
  #lookedForShards = -Infinity;
  #reader: Promise<PartitionReader> | undefined;
  #looking: Promise<readonly SourcePosition[]> | undefined;

  constructor(client: KafkaClientOptions, topic: string) {
    this.#client = client;
    this.#topic = topic;
  }

  /**
   * The last committed positions. Who asks while they are read for somebody else is given those.
   * @throws KAFKA_DOWN and its like, POSITION_UNREADABLE, TRANSACTION_OPEN
   */
  async read(): Promise<readonly SourcePosition[]> {
    this.#looking ??= this.#guarded((reader) => this.#read(reader)).finally(() => {
      this.#looking = undefined;
    });
    return await this.#looking;
  }

  /**
   * The end of a partition, behind what is not committed yet, too.
   * @param from an offset that it has, best a late one
   * @throws KAFKA_DOWN and its like, OFFSET_OUT_OF_RANGE
   */
  async endOf(topic: string, partition: number, from: number | undefined): Promise<number> {
    return await this.#guarded(async (reader) => {
      const first = await reader.firstOffset(topic, partition);
      return (await reader.fetch(topic, partition, Math.max(first, from ?? first), 0)).highWatermark;
    });
  }

  async close(): Promise<void> {
    const reader = await this.#reader?.catch(() => undefined);
    this.#reader = undefined;
    await reader?.close();
  }

  async #guarded<T>(work: (reader: PartitionReader) => Promise<T>): Promise<T> {
    this.#reader ??= PartitionReader.open(this.#client);
    const opened = this.#reader;
    try {
      return await work(await opened);
    } catch (error) {
      if (this.#reader === opened) await this.close();
      throw error;
    }
  }

  async #read(reader: PartitionReader): Promise<readonly SourcePosition[]> {
    if (performance.now() - this.#lookedForShards > shardsLast) await this.#findShards(reader);
    for (const [partition, shard] of this.#shards) await this.#readOn(reader, partition, shard);
    return [...this.#shards.values()].flatMap(({ position }) => position ?? []);
  }

  async #findShards(reader: PartitionReader): Promise<void> {
    const topic = this.#topic;
    const bounds = await withAdmin(this.#client, (admin) => fetchOffsetBounds(admin, topic));
    for (const [partition, { first, end }] of bounds) {
      if (first === end || this.#shards.has(partition)) continue;
      const value = await lastCommitted(reader, { topic, partition, key: keyOf(partition) }, end);
      this.#shards.set(partition, { next: end, position: value === null ? undefined : this.#parsed(value, partition) });
    }
    this.#lookedForShards = performance.now();
  }

  async #readOn(reader: PartitionReader, partition: number, shard: Shard): Promise<void> {
    const key = keyOf(partition);
    for (;;) {
      const page = await reader.fetch(this.#topic, partition, shard.next, 0);
      let last: Buffer | null = null;
      for (const list of page.lists)
        for (const record of list) if (record.key?.equals(key) === true) last = record.value;
      if (last !== null) shard.position = this.#parsed(last, partition);
      if (page.nextOffset === shard.next) return;
      shard.next = page.nextOffset;
    }
  }

  #parsed(value: Buffer, partition: number): SourcePosition {
    try {
      return positionSchema.parse(JSON.parse(value.toString()));
    } catch (cause) {
      throw new AfterwriteError('POSITION_UNREADABLE', 'the committed position is not one that this version writes', {
        where: { topic: this.#topic, partition },
        cause,
      });
    }
  }
}

function keyOf(shard: number): Buffer {
  return Buffer.from(String(shard));
}
