import type { Logger } from '../ops/logging.ts';
import type { RetryWait } from '../ops/retry.ts';
import type { OutboxListener } from './acknowledge/partition-outbox.ts';
import type { SinkMetrics } from './metrics.ts';
import type { PartitionNames } from './partition-names.ts';

/**
 * How the acknowledgements of a partition are:
 * - `idle`: none waits;
 * - `sending`: they are sent as they come;
 * - `waiting`: Redis does not take them now; rows are written all the same.
 */
export type AcknowledgementState = 'idle' | 'sending' | 'waiting';

/** What people, probes and Prometheus are told of the acknowledgements of one partition. */
export class AcknowledgementProgress implements OutboxListener {
  readonly #names: PartitionNames;
  readonly #log: Logger;
  readonly #metrics: SinkMetrics;
  #pending = 0;
  #reason: string | undefined;

  constructor(names: PartitionNames, log: Logger, metrics: SinkMetrics) {
    this.#names = names;
    this.#log = log;
    this.#metrics = metrics;
  }

  pends(count: number): void {
    this.#pending = count;
    this.#metrics.acknowledgementsPending.set(this.#labels(), count);
  }

  acknowledged(sent: Parameters<OutboxListener['acknowledged']>[0]): void {
    const { sink, topic, partition, mapping } = this.#names;
    if (this.#reason !== undefined) this.#log.info({ topic, partition }, 'Redis takes acknowledgements again');
    this.#reason = undefined;
    this.#metrics.acknowledgementsWaiting.set(this.#labels(), 0);
    for (const { row, failed, outcome } of sent) {
      const status = outcome.kind === 'refused' ? 'refused' : failed ? 'failed' : 'done';
      this.#metrics.acknowledgements.inc({ sink, mapping, status });
      if (outcome.kind !== 'refused') continue;
      const facts = { topic, partition, offset: Number(row.offset), reason: outcome.reason };
      this.#log.error(facts, 'Redis does not take an acknowledgement: nobody is told of this command');
    }
  }

  acknowledgementsWait({ error, attempts, waitMs }: RetryWait): void {
    const { sink, topic, partition } = this.#names;
    this.#reason = error.message;
    this.#metrics.acknowledgementsWaiting.set(this.#labels(), 1);
    this.#metrics.retries.inc({ sink, code: error.code });
    this.#log.warn(
      { topic, partition, err: error, attempts, waitMs },
      'acknowledgements wait; rows do not wait for them',
    );
  }

  left(): void {
    this.#metrics.acknowledgementsPending.remove(this.#labels());
    this.#metrics.acknowledgementsWaiting.remove(this.#labels());
  }

  /** For the status of the partition. */
  details(): Readonly<Record<string, string | number | null>> {
    const state: AcknowledgementState = this.#reason !== undefined ? 'waiting' : this.#pending > 0 ? 'sending' : 'idle';
    return {
      acknowledgements: state,
      acknowledgementsPending: this.#pending,
      ...(this.#reason === undefined ? {} : { acknowledgementsReason: this.#reason }),
    };
  }

  #labels(): { sink: string; topic: string; partition: number } {
    const { sink, topic, partition } = this.#names;
    return { sink, topic, partition };
  }
}
