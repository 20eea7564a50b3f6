import type { Redis } from 'ioredis';
import { z } from 'zod';
import { PartitionReader, readToEnd } from '../clients/kafka/index.ts';
import { positionsTopic } from '../config/index.ts';
import { AfterwriteError } from '../ops/errors/index.ts';
import { decodePosition, type Position } from '../source-connector/position.ts';
import type { Cleanup } from './cleanup.ts';
import type { Program } from './program.ts';
import type { Servers } from './servers.ts';
import type { Setup } from './setup.ts';

/** Offsets of one partition: from the first one up to, not including, the second. */
export type OffsetRange = readonly [from: number, to: number];

/** Ranges of all partitions of a topic, as one process tells another. */
export const offsetRanges = z.array(z.tuple([z.int(), z.int()]).readonly()).readonly();

/** What a source has published in one of its lives. */
export interface Published {
  /** By partition; no record of that life stands outside. */
  readonly ranges: readonly OffsetRange[];
  readonly records: number;
  /** Records a second between the first and the last transaction. */
  readonly rate: number;
}

/** Reads what a source has committed, without asking the source: its topics tell. */
export class PublishedReader {
  readonly #reader: PartitionReader;
  readonly #setup: Setup;
  readonly #topic: string;
  #nextPosition = 0;
  /** When each transaction was about to end, ms; of those since the last `take`. */
  #moments: number[] = [];
  #ends: number[] = [];

  private constructor(reader: PartitionReader, setup: Setup, topic: string) {
    this.#reader = reader;
    this.#setup = setup;
    this.#topic = topic;
  }

  /** @param topic whose records `take` counts */
  static async open(cleanup: Cleanup, servers: Servers, setup: Setup, topic: string): Promise<PublishedReader> {
    const reader = await PartitionReader.open(servers.kafka.client);
    cleanup.after(() => reader.close());
    return new PublishedReader(reader, setup, topic);
  }

  /** Waits for a committed position like this. */
  async position(what: string, isIt: (position: Position) => boolean, source: Program): Promise<void> {
    const look = async (): Promise<boolean> => (await this.#nextPositions()).some(isIt);
    await source.until(what, look, { timeoutMs: 600_000, everyMs: 10 });
  }

  /** Waits until all that Redis has told its replicas up to now is committed. */
  async caughtUp(redis: Redis, source: Program): Promise<void> {
    const end = Number(/^master_repl_offset:(\d+)/m.exec(await redis.info('replication'))?.[1]);
    await this.position('the end of the backlog', ({ offset }) => offset >= end, source);
  }

  /** What was published since the last call. The source must be at rest. */
  async take(): Promise<Published> {
    const topic = this.#topic;
    const [first = NaN] = this.#moments;
    const last = this.#moments.at(-1) ?? NaN;
    const ranges: OffsetRange[] = [];
    let records = 0;
    let afterFirst = 0;
    for (const partition of await this.#reader.partitions(topic)) {
      const from = this.#ends[partition] ?? 0;
      // Records are stamped when their request is made: those of the first transaction before its position.
      const to = await readToEnd(this.#reader, { topic, partition, from }, ({ timestamp }) => {
        records++;
        if (timestamp > first) afterFirst++;
      });
      ranges.push([from, to]);
      this.#ends[partition] = to;
    }
    // A source that ends in order may commit where it stands once more, which is nothing of the next life.
    while ((await this.#nextPositions()).length > 0);
    this.#moments = [];
    return { ranges, records, rate: afterFirst / ((last - first) / 1000) };
  }

  async #nextPositions(): Promise<Position[]> {
    const topic = positionsTopic(this.#setup.pipeline);
    try {
      const page = await this.#reader.fetch(topic, 0, this.#nextPosition, 200);
      this.#nextPosition = page.nextOffset;
      const positions = page.lists.flatMap((list) => [...list]).filter(({ key }) => key?.toString() === '0');
      this.#moments.push(...positions.map(({ timestamp }) => timestamp));
      return positions.flatMap(({ value }) => (value === null ? [] : [decodePosition(value, topic, 0)]));
    } catch (error) {
      // The source makes the topic.
      if (error instanceof AfterwriteError && error.code === 'TOPIC_MISSING') return [];
      throw error;
    }
  }
}
