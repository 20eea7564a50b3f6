import { setTimeout as sleep } from 'node:timers/promises';
import type { PartitionName, StoredOffset } from './write/port.ts';

/** How often the offset rows are looked at, ms. */
const pollEvery = 1000;

/**
 * Looks at all offset rows of a sink every second, in one query, so that a partition that has nothing to write notices
 * too that a replay has moved its offset.
 */
export class OffsetWatch {
  readonly #read: () => Promise<readonly (PartitionName & StoredOffset)[]>;
  #rows = new Map<string, StoredOffset>();

  constructor(read: () => Promise<readonly (PartitionName & StoredOffset)[]>) {
    this.#read = read;
  }

  /** Looks until the signal. Never rejects: an outage is shown, and waited for, by the next batch. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await sleep(pollEvery, undefined, { signal });
        this.#rows = new Map((await this.#read()).map((row) => [nameOf(row), row]));
      } catch {
        // The rows that were seen last stay: epochs only grow.
      }
    }
  }

  /** The row of a partition, if it stands under a later epoch than this one; it was read a moment ago. */
  laterThan(partition: PartitionName, epoch: bigint): StoredOffset | undefined {
    const row = this.#rows.get(nameOf(partition));
    return row !== undefined && row.epoch > epoch ? row : undefined;
  }
}

function nameOf({ topic, partition }: PartitionName): string {
  return `${topic} ${partition}`;
}
