import type { Assignment } from '../../clients/kafka/index.ts';
import { WorkSet } from '../../ops/work-set.ts';

/** Works on one partition until the signal. Never rejects. */
export type PartitionWork = (topic: string, partition: number, signal: AbortSignal) => Promise<void>;

/** Keeps the work of a worker to the partitions that its group has given it. */
export class Assignments {
  readonly #set: WorkSet<{ readonly topic: string; readonly partition: number }>;

  constructor(work: PartitionWork) {
    this.#set = new WorkSet(({ topic, partition }, signal) => work(topic, partition, signal));
  }

  /**
   * Takes over an assignment. What stays is left alone, even if it was another's for a moment: then its next write misses
   * the offset row.
   */
  take(assignment: Assignment): void {
    const wanted = new Map<string, { topic: string; partition: number }>();
    for (const [topic, partitions] of Object.entries(assignment)) {
      for (const partition of partitions) wanted.set(`${topic} ${partition}`, { topic, partition });
    }
    this.#set.take(wanted);
  }

  /** Stops everything, and waits for the transactions in progress. */
  async end(): Promise<void> {
    await this.#set.end();
  }
}
