import { AfterwriteError, reasonOf } from '../ops/errors/index.ts';
import type { PartStatus } from '../ops/http.ts';
import type { Logger } from '../ops/logging.ts';
import type { RetryWait } from '../ops/retry.ts';
import type { AcknowledgementProgress } from './acknowledgement-progress.ts';
import { CatchUp, type CatchUpFigures } from './catch-up.ts';
import type { SinkMetrics } from './metrics.ts';
import type { PartitionNames } from './partition-names.ts';
import type { ComparisonFigures } from './orphans/comparison.ts';
import type { RejectedChange } from './write/event-order.ts';
import type { StoredOffset } from './write/port.ts';

/**
 * Where a partition stands:
 * - `claiming`: its offset row is being taken over;
 * - `running`: batches are written as they come;
 * - `comparing`: its rows are compared with the topic, and those that the topic lacks go (rule 17);
 * - `waiting`: an outage is being waited for;
 * - `failed`: it has stopped until a person acts; the others go on.
 */
export type PartitionState = 'claiming' | 'running' | 'comparing' | 'waiting' | 'failed';

/** How often a long way back to the end is told, ms. */
const tellEvery = 5000;

/** What people, probes and Prometheus are told of one partition. */
export class PartitionProgress {
  readonly names: PartitionNames;
  readonly #log: Logger;
  readonly #metrics: SinkMetrics;
  readonly #acknowledgements: AcknowledgementProgress | undefined;
  #state: PartitionState = 'claiming';
  #nextOffset: number | undefined;
  #lag: number | undefined;
  #deadLetters = 0;
  #caughtUp = false;
  /** Why it is not ready, although it is written up to its end. */
  #lacking: string | undefined;
  /** Set from a claim or the begin of a replay until the end of that moment is reached. */
  #catchUp: CatchUp | undefined;
  #epoch: bigint | undefined;
  #toldAt = 0;
  #reason: string | undefined;

  /** @param acknowledgements where the partition has some */
  constructor(names: PartitionNames, log: Logger, metrics: SinkMetrics, acknowledgements?: AcknowledgementProgress) {
    this.#acknowledgements = acknowledgements;
    this.names = names;
    this.#log = log;
    this.#metrics = metrics;
  }

  claimed({ nextOffset, owner, epoch }: StoredOffset): void {
    this.#runs();
    this.#begins(Number(nextOffset), epoch);
    const facts = { ...this.#place(), nextOffset: Number(nextOffset), owner: String(owner), epoch: String(epoch) };
    this.#log.info(facts, 'the partition is claimed');
  }

  /** The offset was moved, under a new epoch: what follows was written before, and is written again. */
  replays({ nextOffset, epoch }: StoredOffset): void {
    this.#caughtUp = false;
    this.#begins(Number(nextOffset), epoch);
    const facts = { ...this.#place(), nextOffset: Number(nextOffset), epoch: String(epoch) };
    this.#log.info(facts, 'a replay begins');
  }

  /** Records were read; they are not written yet. */
  fed(highWatermark: number): void {
    this.#catchUp?.sees(highWatermark);
    this.#showCatchUp();
  }

  /**
   * The end of an outage shows by anything that works again.
   * @param isComplete whether the table lacks nothing, and has nothing too much
   */
  reached(nextOffset: number, highWatermark: number, isComplete: boolean): void {
    this.#runs();
    this.#nextOffset = nextOffset;
    this.#lag = Math.max(0, highWatermark - nextOffset);
    if (isComplete) this.#completes();
    this.#metrics.lag.set(this.#labels(), this.#lag);
    this.#catchesUp(nextOffset);
  }

  written(events: number, upserts: number, deletes: number, seconds: number): void {
    const { sink, mapping } = this.names;
    this.#metrics.events.inc({ sink, mapping }, events);
    this.#metrics.rows.inc({ sink, mapping, op: 'upsert' }, upserts);
    this.#metrics.rows.inc({ sink, mapping, op: 'delete' }, deletes);
    this.#metrics.batches.inc({ sink, mapping });
    this.#metrics.writeSeconds.observe({ sink, mapping }, seconds);
  }

  /** Events that were passed over, each with its dead letter, now that this is committed. */
  rejected(changes: readonly RejectedChange[]): void {
    const { sink, mapping } = this.names;
    this.#deadLetters += changes.length;
    this.#metrics.deadLetters.inc({ sink, mapping }, changes.length);
    for (const { change, cause } of changes) {
      const facts = {
        ...this.#place(),
        offset: change.offset,
        key: change.keyValues.join(', '),
        reason: reasonOf(cause),
      };
      this.#log.error(facts, 'a row that the database does not take became a dead letter');
    }
  }

  /** Before the partition is ready, its rows are compared with the topic. */
  compares(what: string): void {
    this.#caughtUp = false;
    this.#state = 'comparing';
    this.#reason = what;
    this.#metrics.comparing.set(this.#labels(), 1);
  }

  compared(figures: ComparisonFigures, seconds: number): void {
    const { sink, mapping } = this.names;
    this.#metrics.orphans.inc({ sink, mapping }, figures.removed);
    this.#log.info({ ...this.#place(), ...figures, seconds }, 'the table was compared with the topic');
  }

  cannotCompare(cleanupPolicy: string): void {
    this.#log.warn(
      { ...this.#place(), cleanupPolicy },
      'the table may hold rows that were deleted: a topic that is not compacted only cannot tell, so they stay',
    );
  }

  /** A comparison has ended, or has to be tried again. */
  ended(outcome: { readonly kind: 'complete' } | { readonly kind: 'later'; readonly reason: string }): void {
    this.#runs();
    this.#metrics.comparing.remove(this.#labels());
    if (outcome.kind === 'complete') this.#completes();
    else if (this.#lacking !== outcome.reason) {
      this.#lacking = outcome.reason;
      this.#log.warn({ ...this.#place(), reason: outcome.reason }, 'the partition is not ready yet');
    }
  }

  missed(): void {
    this.#metrics.misses.inc({ sink: this.names.sink });
    this.#log.warn(this.#place(), 'another owner or position stands in the offset row: nothing was written');
  }

  waits({ error, attempts, waitMs }: RetryWait): void {
    this.#state = 'waiting';
    this.#reason = error.message;
    this.#metrics.retries.inc({ sink: this.names.sink, code: error.code });
    this.#log.warn({ ...this.#place(), err: error, attempts, waitMs }, 'an outage is waited for');
  }

  failed(error: unknown): void {
    this.#state = 'failed';
    this.#reason = error instanceof AfterwriteError ? error.message : String(error);
    this.#metrics.failed.set(this.#labels(), 1);
    this.#metrics.comparing.remove(this.#labels());
    this.#log.error({ ...this.#place(), err: error }, 'the partition has stopped');
  }

  /** The partition is not this worker's any more. */
  left(): void {
    this.#metrics.lag.remove(this.#labels());
    this.#metrics.failed.remove(this.#labels());
    this.#metrics.comparing.remove(this.#labels());
    this.#acknowledgements?.left();
    this.#forgetCatchUp();
  }

  /** The first offset that is not in the database yet, as far as this worker has written it; undefined before the claim. */
  get nextOffset(): number | undefined {
    return this.#nextOffset;
  }

  get state(): PartitionState {
    return this.#state;
  }

  /** Whether it is written up to its end, with nothing too much in the table, or was and keeps up since. */
  get isReady(): boolean {
    return this.#state === 'running' && this.#caughtUp;
  }

  /** @param ok what the asker means by it: healthy, or ready. */
  status(ok: boolean): PartStatus {
    const lacking = this.#lacking ?? 'it is not written up to its end yet';
    const reason = this.#reason ?? (this.#caughtUp ? undefined : lacking);
    return {
      ok,
      ...(reason === undefined ? {} : { reason }),
      details: {
        state: this.#state,
        nextOffset: this.#nextOffset ?? null,
        lag: this.#lag ?? null,
        deadLetters: this.#deadLetters,
        epoch: this.#epoch === undefined ? null : String(this.#epoch),
        ...this.#figures(),
        ...this.#acknowledgements?.details(),
      },
    };
  }

  #completes(): void {
    this.#caughtUp = true;
    this.#lacking = undefined;
  }

  #begins(nextOffset: number, epoch: bigint): void {
    const now = performance.now();
    this.#nextOffset = nextOffset;
    this.#epoch = epoch;
    this.#catchUp = new CatchUp(nextOffset, now);
    this.#toldAt = now;
  }

  #catchesUp(nextOffset: number): void {
    if (this.#catchUp === undefined) return;
    const isThere = this.#catchUp.isReachedAt(nextOffset);
    const now = performance.now();
    const figures = this.#catchUp.figures(nextOffset, now);
    if (figures === undefined) return;
    const isLong = this.#toldAt > this.#catchUp.startedAt;
    if (isThere ? isLong : now - this.#toldAt > tellEvery) {
      this.#toldAt = now;
      const facts = { ...this.#place(), epoch: String(this.#epoch), ...told(figures) };
      this.#log.info(facts, isThere ? 'the partition has caught up' : 'the partition is catching up');
    }
    if (isThere) this.#forgetCatchUp();
    else this.#showCatchUp();
  }

  #showCatchUp(): void {
    const figures = this.#catchUp?.figures(this.#nextOffset ?? 0, performance.now());
    if (figures === undefined) return;
    const { done, total, rate, secondsLeft } = figures;
    const labels = this.#labels();
    this.#metrics.catchUpTotal.set(labels, total);
    this.#metrics.catchUpDone.set(labels, done);
    this.#metrics.catchUpRate.set(labels, rate);
    if (secondsLeft !== undefined) this.#metrics.catchUpSecondsLeft.set(labels, secondsLeft);
  }

  #forgetCatchUp(): void {
    this.#catchUp = undefined;
    const { catchUpTotal, catchUpDone, catchUpRate, catchUpSecondsLeft } = this.#metrics;
    for (const gauge of [catchUpTotal, catchUpDone, catchUpRate, catchUpSecondsLeft]) gauge.remove(this.#labels());
  }

  #figures(): Readonly<Record<string, number | null>> {
    const figures = this.#catchUp?.figures(this.#nextOffset ?? 0, performance.now());
    return figures === undefined ? {} : told(figures);
  }

  #runs(): void {
    if (this.#state === 'waiting') this.#log.info(this.#place(), 'the outage is over');
    this.#state = 'running';
    this.#reason = undefined;
  }

  #place(): { topic: string; partition: number } {
    return { topic: this.names.topic, partition: this.names.partition };
  }

  #labels(): { sink: string; topic: string; partition: number } {
    return { sink: this.names.sink, topic: this.names.topic, partition: this.names.partition };
  }
}

/** Figures for people: whole numbers. */
function told({ done, total, rate, secondsLeft }: CatchUpFigures): Readonly<Record<string, number | null>> {
  const left = secondsLeft === undefined ? null : Math.ceil(secondsLeft);
  return { done, total, recordsPerSecond: Math.round(rate), secondsLeft: left };
}
