import type { Change, Changes } from '../decode/change.ts';
import type { MergedChanges } from '../merge/last-event.ts';

/** An event whose row the database does not take, and why. */
export interface RejectedChange {
  readonly change: Change;
  readonly cause: unknown;
}

export interface EventOrderOptions {
  /** Applies changes, or undoes just them and rejects. */
  readonly attempt: (changes: MergedChanges) => Promise<void>;
  /** Whether an error says that some row is bad. Any other one ends the work and is thrown. */
  readonly isRejection: (error: unknown) => boolean;
  /** How many rejected events are too many: the work ends at the first one above. */
  readonly limit: number;
}

/**
 * Applies all events of a batch, unreduced and in their order, except those that the database does not take (rule 19).
 * A row that only the reduction made impossible, such as two rows that swapped a unique value, passes here; what is
 * refused here was refused as it was in Redis. A rejected event leaves its row at what the events before made of it.
 *
 * Events are tried in runs that one statement can take: of one operation, no key twice. A refused run is halved until
 * the event stands alone: some 2 · log2(n) tries for one of n, and never more than twice the events.
 *
 * @returns the rejected events in their order; more than the limit when there were too many: then not all were tried.
 */
export async function applyInEventOrder(
  changes: Changes,
  { attempt, isRejection, limit }: EventOrderOptions,
): Promise<readonly RejectedChange[]> {
  const rejected: RejectedChange[] = [];
  const settle = async (run: readonly Change[]): Promise<void> => {
    const [first] = run;
    if (first === undefined || rejected.length > limit) return;
    try {
      await attempt(first.isRemoval ? { upserts: [], deletes: run } : { upserts: run, deletes: [] });
    } catch (error) {
      if (!isRejection(error)) throw error;
      if (run.length === 1) {
        rejected.push({ change: first, cause: error });
        return;
      }
      const half = run.length >> 1;
      await settle(run.slice(0, half));
      await settle(run.slice(half));
    }
  };
  for (const run of runsOf(changes)) await settle(run);
  return rejected;
}

/** Cuts events into the longest runs of one operation in which no key stands twice. */
function* runsOf(changes: Changes): Generator<readonly Change[]> {
  let run: Change[] = [];
  let keys = new Set<string>();
  for (const change of changes) {
    const key = change.keyText;
    const [first] = run;
    if (first !== undefined && (keys.has(key) || first.isRemoval !== change.isRemoval)) {
      yield run;
      run = [];
      keys = new Set();
    }
    run.push(change);
    keys.add(key);
  }
  if (run.length > 0) yield run;
}
