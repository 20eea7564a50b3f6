import { AfterwriteError } from '../../ops/errors/index.ts';
import { before, elapsedSince, now, type Moment } from '../../ops/moment.ts';
import { retryUntilDone, type RetryOptions } from '../../ops/retry.ts';
import type { OffsetMove, PartitionName, StoredOffset, TargetTable } from '../write/port.ts';
import type { DatabaseWriter } from '../write/writer.ts';
import { Comparison, type ComparisonFigures } from './comparison.ts';
import { firstKeySchemaId, type KeyedPartition, type LogReader } from './live-keys.ts';
import type { Published } from './published.ts';
import { holdsRows, holdsRowsOf } from './stored-rows.ts';
import type { OrphanSettings } from './settings.ts';
import type { Retention } from './topic-settings.ts';

/** Who is told what a comparison does. */
export interface ComparisonListener {
  /** @param what it does, for people */
  compares(what: string): void;
  compared(figures: ComparisonFigures, seconds: number): void;
  /** Orphans cannot be told on this topic, and stay. */
  cannotCompare(cleanupPolicy: string): void;
}

export interface OrphanedPartition extends OrphanSettings {
  readonly table: TargetTable;
  readonly partition: number;
  readonly writer: DatabaseWriter;
  readonly listener: ComparisonListener;
  /** Reads a partition of the table's topic; whoever asks for it closes it. */
  readonly openLog: (partition: number) => LogReader;
}

/**
 * What came of the end of a partition: `complete`: the table lacks nothing, and has nothing too much; `later`: nobody can
 * say so yet, and the partition goes on meanwhile; `missed`: as of a batch.
 */
export type EndOutcome =
  | { readonly kind: 'complete' }
  | { readonly kind: 'later'; readonly reason: string }
  | { readonly kind: 'missed'; readonly stored: StoredOffset | undefined };

/** What was known of the topic's settings for longer than this is asked for again, ms. */
const settingsLast = 60_000;
/** The share of the retention that counts: clocks, slow answers and long transactions have the rest. */
const countedShare = 0.9;
/** An idle partition is looked at twice a second, so less than this tells nothing of an absence, ms. */
const shortest = 2000;
/** Waits between two attempts that could not be finished, ms: they double from the first to the last. */
const firstWait = 1000;
const longestWait = 60_000;

/**
 * Knows since when the topic tells all that a partition's rows lack, and compares the table with the topic when that is
 * longer ago than tombstones last (rule 17). Until then it costs one look at the topic's settings after each claim.
 */
export class PartitionOrphans {
  readonly #part: OrphanedPartition;
  /** When the end was seen last; undefined while rows may stand there of which nobody knows. */
  #since: Moment | undefined;
  #retention: Retention | undefined;
  /** After an attempt that could not be finished: when, how long to wait, and why. */
  #postponed: { readonly at: Moment; readonly waitMs: number; readonly reason: string } | undefined;

  constructor(part: OrphanedPartition) {
    this.#part = part;
  }

  /**
   * Takes over what the offset row says, after a claim or where a replay begins. Before the first record is written over
   * a table without rows of the partition, it is noted that there were none: then a fill ends without a comparison.
   */
  async begin(owned: StoredOffset, retry: RetryOptions): Promise<void> {
    const { table, partition, writer } = this.#part;
    const place = { topic: table.topic, partition };
    this.#postponed = undefined;
    const at = now();
    if (owned.caughtUpAt !== null) {
      const time = await writer.now(place, retry);
      this.#since = before(at, time.getTime() - owned.caughtUpAt.getTime());
    } else if (this.#part.policy === 'remove' && (await this.#mayHoldRows(place, retry))) {
      this.#since = undefined;
    } else {
      this.#since = at;
      const { owner, epoch, nextOffset } = owned;
      const here = { ...place, owner, epoch, from: nextOffset, to: nextOffset, caughtUp: true };
      // Best effort: what is not noted costs a comparison when the next owner comes to the end.
      await writer.markCaughtUp(here).catch(() => false);
    }
  }

  /** Whether the end of the partition, as it was read at a moment, may be noted as such; otherwise `compare` is due. */
  async isComplete(readAt: Moment, retry: RetryOptions): Promise<boolean> {
    if (this.#part.policy === 'remove') {
      if (this.#since === undefined) return false;
      const age = elapsedSince(this.#since);
      if (this.#retention === undefined || age > settingsLast) {
        this.#retention = await retryUntilDone(() => this.#part.retention(this.#part.table.topic), retry);
      }
      if (age > Math.max(shortest, countedShare * this.#retention.deleteRetentionMs)) return false;
    }
    this.#since = readAt;
    return true;
  }

  /**
   * Compares the table with the topic and removes the orphans, unless it is too early to try again.
   * @param move where the partition is written to: its end
   * @throws ORPHANS_BREAKER, ORPHANS_UNDECIDABLE, WRITE_REFUSED, KAFKA_FORBIDDEN: a person must act
   */
  async compare(move: OffsetMove, retry: RetryOptions): Promise<EndOutcome> {
    const postponed = this.#postponed;
    if (postponed !== undefined && elapsedSince(postponed.at) < postponed.waitMs) return laterBy(postponed.reason);
    this.#part.listener.compares('the table waits to be compared with the topic');
    const outcome = await retryUntilDone(
      () => this.#part.turns.take(() => this.#attempt(move, retry), retry.signal),
      retry,
    );
    if (outcome.kind !== 'later') this.#postponed = undefined;
    else {
      const waitMs = Math.min(longestWait, postponed === undefined ? firstWait : 2 * postponed.waitMs);
      this.#postponed = { at: now(), waitMs, reason: outcome.reason };
    }
    return outcome;
  }

  async #attempt(move: OffsetMove, retry: RetryOptions): Promise<EndOutcome> {
    const { table, partition, writer, listener, breaker, limits } = this.#part;
    const startedAt = performance.now();
    const { cleanupPolicy } = await this.#part.retention(table.topic);
    if (cleanupPolicy !== 'compact') {
      listener.cannotCompare(cleanupPolicy);
      this.#since = now();
      return { kind: 'complete' };
    }
    const published = await this.#part.published(table.topic);
    if (published?.lacking !== undefined) return laterBy(`orphans cannot be told yet: ${published.lacking}`);
    listener.compares('the table is being compared with the topic, so that rows whose deletes were missed go');
    const log = this.#part.openLog(partition);
    try {
      const place = await this.#keyed(log, published, retry);
      const version = published?.version ?? 0n;
      const outcome = await new Comparison({ table, place, move, log, version, writer, breaker, retry, limits }).run();
      if (outcome.kind === 'missed') return outcome;
      listener.compared(outcome.figures, (performance.now() - startedAt) / 1000);
      if (outcome.kind === 'blocked') {
        return laterBy(`orphans cannot be removed while other rows name them: ${outcome.cause.what}`);
      }
      this.#since = outcome.readAt;
      return { kind: 'complete' };
    } finally {
      await log.close();
    }
  }

  /** Whether rows of the partition may stand in the table; yes, when nobody can say whose they are. */
  async #mayHoldRows(place: PartitionName, retry: RetryOptions): Promise<boolean> {
    const { table, partition, writer } = this.#part;
    if (!(await writer.readKeys(place, table, holdsRows, retry))) return false;
    const log = this.#part.openLog(partition);
    try {
      const keySchemaId = await firstKeySchemaId(log, retry);
      if (keySchemaId === undefined) return true;
      const keyed = { ...place, partitions: await log.partitionCount(retry), keySchemaId };
      return await writer.readKeys(place, table, (pages) => holdsRowsOf(pages, table, keyed), retry);
    } finally {
      await log.close();
    }
  }

  /** How the keys of the partition's records are made. */
  async #keyed(log: LogReader, published: Published | undefined, retry: RetryOptions): Promise<KeyedPartition> {
    const { table, partition } = this.#part;
    const { topic } = table;
    const partitions = await log.partitionCount(retry);
    if (published?.partitions !== undefined && published.partitions !== partitions) {
      const what = `The topic has ${partitions} partitions, and its keys were spread over ${published.partitions}`;
      throw new AfterwriteError('ORPHANS_UNDECIDABLE', what, { where: { topic, partition } });
    }
    const keySchemaId = published?.keySchemaId ?? (await this.#anyKeySchemaId(log, partitions, retry));
    if (keySchemaId !== undefined) return { topic, partition, partitions, keySchemaId };
    throw new AfterwriteError('ORPHANS_BREAKER', 'the topic holds no record at all, but the table holds rows', {
      where: { table: table.name, topic, partition },
      remedy:
        'Look whether this is the right Kafka, and have the source publish all rows with a full resync. If the rows ' +
        'should go, empty the table by hand; to keep them, set orphans.policy: keep. Then start the sink again.',
    });
  }

  async #anyKeySchemaId(log: LogReader, partitions: number, retry: RetryOptions): Promise<number | undefined> {
    const own = await firstKeySchemaId(log, retry);
    for (let other = 0; own === undefined && other < partitions; other++) {
      const reader = this.#part.openLog(other);
      try {
        const id = await firstKeySchemaId(reader, retry);
        if (id !== undefined) return id;
      } finally {
        await reader.close();
      }
    }
    return own;
  }
}

function laterBy(reason: string): EndOutcome {
  return { kind: 'later', reason };
}
