import type { Changes } from '../decode/change.ts';
import type { MergedChanges } from './last-event.ts';
import { Selection } from './selection.ts';

/**
 * A run of changes for what keeps every event and no rows: unreduced, both sets in the order of the log, which the
 * offsets tell. A delete is an event and its tombstone; the tombstone counts, because compaction takes the event.
 */
export function everyEvent(changes: Changes): MergedChanges {
  const upserts = new Selection(changes);
  const deletes = new Selection(changes);
  for (let index = 0; index < changes.length; index++) {
    const change = changes.at(index);
    if (change?.isRemoval === false) upserts.add(index);
    else if (change?.isTombstone === true) deletes.add(index);
  }
  return { upserts, deletes };
}
