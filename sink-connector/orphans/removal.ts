import { fault } from '../../ops/faults.ts';
import type { RetryOptions } from '../../ops/retry.ts';
import type { Change } from '../decode/change.ts';
import type { OffsetMove, StoredKey, TargetTable } from '../write/port.ts';
import type { DatabaseWriter, RemovalOutcome } from '../write/writer.ts';

/** A row that stands in no record, with the key that its record would have. */
export type Orphan = StoredKey & { readonly key: Buffer };

/** How many rows go in one transaction. */
const rowsOfRemoval = 1000;

export interface Removed {
  readonly removed: number;
  /** Why not all of them have gone. */
  readonly ended: Exclude<RemovalOutcome, { kind: 'removed' }> | undefined;
}

/** Removes orphans, in transactions of bounded size. Those that rows of other tables name are passed over. */
export async function removeOrphans(
  writer: DatabaseWriter,
  table: TargetTable,
  move: OffsetMove,
  orphans: readonly Orphan[],
  retry: RetryOptions,
): Promise<Removed> {
  const sorted = orphans.map((orphan) => deletionOf(orphan, move)).sort((a, b) => a.key.compare(b.key));
  let removed = 0;
  let blocked: Removed['ended'];
  for (let at = 0; at < sorted.length; at += rowsOfRemoval) {
    retry.signal.throwIfAborted();
    const deletes = sorted.slice(at, at + rowsOfRemoval);
    fault('sink.orphans-found');
    const outcome = await writer.remove({ table, deletes, move }, retry);
    fault('sink.orphans-removed');
    if (outcome.kind === 'missed') return { removed, ended: outcome };
    if (outcome.kind === 'removed') removed += deletes.length;
    else blocked = outcome;
  }
  return { removed, ended: blocked };
}

/** At the row's own version. A version that is NULL counts as 0, as everywhere under a guard. */
function deletionOf({ key, keyValues, version }: Orphan, { to }: OffsetMove): Change {
  const place = { key, keyText: key.toString('latin1'), keyValues, offset: Number(to) };
  return { ...place, isRemoval: true, isTombstone: false, values: null, version: version ?? 0n };
}
