import type { KafkaClientOptions } from '../clients/kafka/index.ts';
import { AfterwriteError } from '../ops/errors/index.ts';
import { elapsedSince } from '../ops/moment.ts';
import { retryUntilDone, type RetryOptions } from '../ops/retry.ts';
import type { EventDecoder } from '../schemas/index.ts';
import type { PartitionOutbox } from './acknowledge/partition-outbox.ts';
import { feed, type FedBatch, type FeedLimits } from './consume/feed.ts';
import { SteadyReader } from './consume/steady-reader.ts';
import { decodeRecords } from './decode/records.ts';
import { everyEvent } from './merge/every-event.ts';
import { lastEvents } from './merge/last-event.ts';
import type { PartitionOrphans } from './orphans/partition-orphans.ts';
import type { OffsetWatch } from './offset-watch.ts';
import type { PartitionProgress } from './progress.ts';
import type { OffsetMove, StoredOffset, TargetTable } from './write/port.ts';
import type { DatabaseWriter } from './write/writer.ts';

/** Everything that carries one partition into the database. */
export interface PartitionPipeline {
  readonly table: TargetTable;
  readonly partition: number;
  readonly clusterId: string;
  readonly client: KafkaClientOptions;
  readonly decoder: EventDecoder;
  readonly writer: DatabaseWriter;
  readonly limits: FeedLimits;
  readonly progress: PartitionProgress;
  readonly watch: OffsetWatch;
  readonly orphans: PartitionOrphans;
  /** Where the sink acknowledges events of the topic (rule 22). */
  readonly outbox: PartitionOutbox | undefined;
  /** Resolves when the consumer group has confirmed, from now on, that the partition still is this worker's. */
  readonly confirmed: (signal: AbortSignal) => Promise<void>;
  /** Ends the partition; the transaction in progress is ended first. */
  readonly signal: AbortSignal;
}

/** An outage that is over is noticed at most this much later, ms. */
const longestWait = 10_000;

/** How often the offset row of an idle partition is told that nothing is missing, ms. */
const caughtUpEvery = 60_000;

/** An end of the partition that was read longer ago tells nothing of now, ms: writing the last batch took long. */
const endLasts = 60_000;

/**
 * Carries one partition, consume → decode → merge → write, until the signal. Throws when it cannot go on; everything up
 * to the offset in the database is written then, and nothing after it.
 */
export async function runPartition(pipeline: PartitionPipeline): Promise<void> {
  const { client, table, partition, signal, progress } = pipeline;
  const reader = new SteadyReader(client, table.topic, partition);
  const retry: RetryOptions = {
    signal,
    longestWaitMs: longestWait,
    onWait: (wait) => {
      progress.waits(wait);
    },
  };
  try {
    let owned = await claim(pipeline, reader, retry);
    for (;;) {
      const stored = await carry(pipeline, owned, reader, retry);
      if (stored?.owner === owned.owner) {
        // Still the owner, but somewhere else: a replay begins there.
        progress.replays(stored);
        owned = stored;
      } else {
        // Somebody else has claimed it. If the group still says that it is ours, that was the zombie.
        await pipeline.confirmed(signal);
        owned = await claim(pipeline, reader, retry);
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await reader.close();
  }
}

/** Takes the partition over, and makes sure that the offset means this very log. */
async function claim(
  { writer, table, partition, clusterId, progress, outbox }: PartitionPipeline,
  reader: SteadyReader,
  retry: RetryOptions,
): Promise<StoredOffset> {
  const { topic } = table;
  const first = await reader.firstOffset(retry);
  const owned = await writer.claim({ topic, partition }, { clusterId, nextOffset: BigInt(first) }, retry);
  if (owned.clusterId !== clusterId) {
    throw new AfterwriteError('OFFSET_OF_OTHER_CLUSTER', `The offset counts in the Kafka cluster ${owned.clusterId}`, {
      where: { topic, partition, offset: owned.nextOffset, cluster: clusterId },
    });
  }
  await outbox?.begin(owned, retry);
  progress.claimed(owned);
  return owned;
}

/** Writes batch after batch. @returns what stands in the offset row, once it is another owner's or elsewhere. */
async function carry(
  pipeline: PartitionPipeline,
  owned: StoredOffset,
  reader: SteadyReader,
  retry: RetryOptions,
): Promise<StoredOffset | undefined> {
  const { limits, progress, table, partition, watch, orphans } = pipeline;
  let markedAt = performance.now();
  await orphans.begin(owned, retry);
  try {
    for await (const batch of feed(reader, Number(owned.nextOffset), limits, retry)) {
      const moved = watch.laterThan({ topic: table.topic, partition }, owned.epoch);
      if (moved !== undefined) return moved;
      progress.fed(batch.highWatermark);
      const isEnd = batch.to >= batch.highWatermark && elapsedSince(batch.readAt) < endLasts;
      const isComplete = isEnd && (await orphans.isComplete(batch.readAt, retry));
      if (batch.from < batch.to) {
        const outcome = await store(pipeline, owned, { ...batch, isComplete }, retry);
        if (outcome.kind === 'missed') {
          progress.missed();
          return outcome.stored;
        }
        markedAt = performance.now();
      } else if (isComplete && performance.now() - markedAt > caughtUpEvery) {
        // Best effort: an outage shows at the next batch.
        await pipeline.writer.markCaughtUp(moveOf(pipeline, owned, batch.to, batch.to, true)).catch(() => false);
        markedAt = performance.now();
      }
      progress.reached(batch.to, batch.highWatermark, isComplete);
      if (!isEnd || isComplete) continue;
      const outcome = await orphans.compare(moveOf(pipeline, owned, batch.to, batch.to, false), retry);
      if (outcome.kind === 'missed') {
        progress.missed();
        return outcome.stored;
      }
      progress.ended(outcome);
      // The next look at the end notes it.
      if (outcome.kind === 'complete') markedAt = -Infinity;
    }
  } catch (error) {
    throw error instanceof AfterwriteError && error.code === 'OFFSET_OUT_OF_RANGE'
      ? lostOffset(error, table, partition)
      : error;
  }
  throw new AfterwriteError('INTERNAL', 'The feed of a partition ended');
}

/** A batch, and whether the table lacks nothing, and has nothing too much, when it is written. */
type StoredBatch = FedBatch & { readonly isComplete: boolean };

/** decode → merge → write of one batch. */
async function store(
  pipeline: PartitionPipeline,
  owned: StoredOffset,
  batch: StoredBatch,
  retry: RetryOptions,
): Promise<{ kind: 'written' } | { kind: 'missed'; stored: StoredOffset | undefined }> {
  const { decoder, table, writer, progress, outbox } = pipeline;
  const guarded = writer.ordersByVersion || table.versionColumn !== undefined;
  const { changes, failure } = await retryUntilDone(() => decodeRecords(decoder, batch.lists, guarded), retry);
  const kept = outbox?.collect(changes);
  const merged = writer.keepsEveryEvent ? everyEvent(changes) : lastEvents(changes, guarded);
  const to = failure?.offset ?? batch.to;
  if (to > batch.from) {
    const startedAt = performance.now();
    const move = moveOf(pipeline, owned, batch.from, to, batch.isComplete && to === batch.to);
    const rows = kept?.rowsWith.bind(kept);
    const outcome = await writer.write({ table, changes: merged, events: changes, move, outbox: rows }, retry);
    if (outcome.kind === 'missed' && !isWritten(move, outcome.stored)) return outcome;
    if (kept !== undefined) outbox?.committed(kept, outcome.kind === 'written');
    const seconds = (performance.now() - startedAt) / 1000;
    progress.written(changes.length, merged.upserts.length, merged.deletes.length, seconds);
    if (outcome.rejected.length > 0) progress.rejected(outcome.rejected);
  }
  if (failure !== undefined) throw failure.error;
  return { kind: 'written' };
}

/** A commit whose answer was lost: the repeated transaction finds the row where it wanted to move it. */
function isWritten({ owner, epoch, to }: OffsetMove, stored: StoredOffset | undefined): boolean {
  return stored?.owner === owner && stored.epoch === epoch && stored.nextOffset === to;
}

function moveOf(
  { table, partition }: PartitionPipeline,
  owned: StoredOffset,
  from: number,
  to: number,
  caughtUp: boolean,
): OffsetMove {
  return {
    topic: table.topic,
    partition,
    owner: owned.owner,
    epoch: owned.epoch,
    from: BigInt(from),
    to: BigInt(to),
    caughtUp,
  };
}

function lostOffset(cause: AfterwriteError, table: TargetTable, partition: number): AfterwriteError {
  return new AfterwriteError('OFFSET_OUT_OF_RANGE', `${cause.what}; the offset is the one that the database holds`, {
    where: { topic: table.topic, partition, ...cause.where },
    remedy:
      'If retention or a person removed records, or the topic was recreated, the table can be filled again: empty it, ' +
      'delete its rows of afterwrite_offsets, let the source publish all rows if the topic lacks some, start the sink.',
    cause,
  });
}
