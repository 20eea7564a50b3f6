import { AfterwriteError } from '../../ops/errors/index.ts';

/** How many rows of a partition may go without a person, and what a person has confirmed. */
export interface OrphanBreaker {
  readonly rows: number;
  readonly percent: number;
  /** Up to so many rows of a partition may go. */
  readonly confirmed: number | undefined;
}

export interface BrokenPlace {
  readonly table: string;
  readonly topic: string;
  readonly partition: number;
}

export interface OrphanCounts {
  readonly records: number;
  readonly rows: number;
  readonly orphans: number;
}

/** As at the source (rule 4): an emptied topic must never wipe a table. @throws ORPHANS_BREAKER */
export function checkBreaker(breaker: OrphanBreaker, place: BrokenPlace, counts: OrphanCounts): void {
  const { records, rows, orphans } = counts;
  const isEmptied = records === 0 && orphans > 0;
  if (!isEmptied && orphans <= breaker.rows && orphans * 100 <= rows * breaker.percent) return;
  if (breaker.confirmed !== undefined && orphans <= breaker.confirmed) return;
  const { table, topic, partition } = place;
  throw new AfterwriteError(
    'ORPHANS_BREAKER',
    isEmptied
      ? `the partition holds no record at all, but ${rows} rows of the table belong to it and would be removed`
      : `${orphans} of ${rows} rows of the partition stand in none of its ${records} records and would be removed`,
    {
      where: { table, topic, partition },
      remedy:
        'Look at the topic and the table first: is it the right Kafka, and does Redis hold these keys? If the rows ' +
        `should go, start the sink once with --confirm-orphans ${orphans}; nothing is removed before that. To keep ` +
        'rows that nobody publishes, set orphans.policy: keep.',
    },
  );
}
