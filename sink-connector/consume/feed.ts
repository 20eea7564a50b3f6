import type { CommittedPage, RecordList } from '../../clients/kafka/index.ts';
import { abortable } from '../../ops/abortable.ts';
import { now, type Moment } from '../../ops/moment.ts';
import type { RetryOptions } from '../../ops/retry.ts';
import { BatchCutter, type Batch, type BatchLimits } from './batch-cutter.ts';
import type { SteadyReader } from './steady-reader.ts';

export interface FeedLimits extends BatchLimits {
  /** How long after the last batch one that is not full may follow, ms: a change after a pause does not wait. */
  readonly lingerMs: number;
}

export interface FedBatch extends Batch<RecordList> {
  /** The end of the partition when it was last read. */
  readonly highWatermark: number;
  /** When that was: long ago, if writing the last batch took long. */
  readonly readAt: Moment;
}

interface DatedPage {
  readonly page: CommittedPage;
  readonly readAt: Moment;
}

/** How long Kafka may hold back its answer when there is nothing to read, ms. */
const idleWait = 500;

/**
 * Reads a partition from an offset on, for ever: each fetch asks for exactly the offset after the last one, so a jump
 * cannot happen (rule 15). The next page is fetched while the consumer writes the last batch.
 *
 * A batch from one offset to the same one says that the partition was idle.
 * @throws OFFSET_OUT_OF_RANGE with the remedy; the reason of the signal of `retry`
 */
export async function* feed(
  reader: Pick<SteadyReader, 'fetch'>,
  from: number,
  limits: FeedLimits,
  retry: RetryOptions,
): AsyncGenerator<FedBatch, never> {
  const cutter = new BatchCutter<RecordList>(from, limits);
  let highWatermark = from;
  let readAt = now();
  let coming: Promise<DatedPage> | undefined;
  const ask = (waitMs: number): Promise<DatedPage> =>
    reader.fetch(cutter.next, waitMs, retry).then((page) => ({ page, readAt: now() }));
  for (;;) {
    const deadline = performance.now() + limits.lingerMs;
    retry.signal.throwIfAborted();
    // Nothing is read while what is left makes a batch: a page may hold more than one, and memory would grow with the backlog.
    while (!cutter.isFull) {
      // Before a fetch is asked for: nobody would wait for its failure.
      retry.signal.throwIfAborted();
      const left = Math.max(0, Math.round(deadline - performance.now()));
      coming ??= ask(cutter.isEmpty ? idleWait : left);
      const dated: DatedPage = await abortable(coming, retry.signal);
      coming = undefined;
      cutter.push(dated.page);
      highWatermark = dated.page.highWatermark;
      readAt = dated.readAt;
      if (cutter.isEmpty || performance.now() >= deadline) break;
    }
    const batch = cutter.cut();
    if (!cutter.isFull) {
      coming = ask(cutter.isEmpty ? idleWait : limits.lingerMs);
      // It is awaited later, and until then its failure is nobody's.
      coming.catch(() => undefined);
    }
    yield { ...batch, highWatermark, readAt };
  }
}
