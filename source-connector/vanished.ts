import { AfterwriteError } from '../ops/errors/index.ts';
import type { RemovalCause } from './fold/change.ts';
import { isKept } from './mark.ts';
import type { Shard } from './shard.ts';
import type { Entry } from './state/port.ts';

export { vanishedCause } from './fold/removal-cause.ts';

/** Published rows whose hash was not found. */
export interface Missing {
  /** Rows that the policies of their causes delete; not those of a flush, which was told of, as in the stream. */
  readonly rows: number;
  /** Published rows that had a hash when last seen, found or not. */
  readonly published: number;
  readonly causes: Readonly<Partial<Record<RemovalCause, number>>>;
}

/**
 * Counts what is missing, before any of it is removed.
 * @param causeOf why a hash is missing; undefined when it is not
 */
export function countMissing(
  { state, policiesOf }: Shard,
  causeOf: (db: number, key: Buffer, entry: Entry) => RemovalCause | undefined,
): Missing {
  const found = { rows: 0, published: 0, causes: new Map<RemovalCause, number>() };
  for (const db of state.databases()) {
    for (const key of state.keys(db)) {
      const entry = state.get(db, key);
      const policies = policiesOf(db, key);
      if (entry?.current == null || entry.published === null || policies === undefined || isKept(entry.mark)) continue;
      found.published++;
      const cause = causeOf(db, key, entry);
      if (cause === undefined) continue;
      found.causes.set(cause, (found.causes.get(cause) ?? 0) + 1);
      if (cause !== 'flushed' && policies.policy(cause) === 'delete') found.rows++;
    }
  }
  return { ...found, causes: Object.fromEntries(found.causes) };
}

/**
 * Rule 4: an empty Redis must never wipe a database.
 * @param hashes how many hashes the server has shown
 * @throws AfterwriteError VANISHED_BREAKER
 */
export function checkBreaker({ breaker, progress }: Shard, { rows, published, causes }: Missing, hashes: number): void {
  const emptied = hashes === 0 && rows > 0;
  if (!emptied && rows <= breaker.rows && rows * 100 <= published * breaker.percent) return;
  if (breaker.confirmed !== undefined && rows <= breaker.confirmed) return;
  throw new AfterwriteError(
    'VANISHED_BREAKER',
    hashes === 0
      ? `the server has no captured hash at all, but ${published} rows were published; ${rows} of them would be deleted`
      : `${rows} of ${published} published rows have no hash any more and would be deleted`,
    {
      where: { replid: progress.replid, offset: progress.offset, ...causes },
      remedy: `Look at the Redis server first. If the hashes really are gone and the rows should go too, start the source once with --confirm-vanished ${rows}; nothing is deleted before that.`,
    },
  );
}
