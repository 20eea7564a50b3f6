import type { Change, Changes } from '../decode/change.ts';
import { keyOrder } from './key-order.ts';
import { Selection } from './selection.ts';

/** What is left of a run of changes: one change a key, in two sets that share no key, each sorted by key. */
export interface MergedChanges {
  readonly upserts: Changes;
  readonly deletes: Changes;
}

/**
 * Reduces a run of changes, in the order of the log, to the last event of each key. Writing first all rows and then all
 * tombstones of an unreduced run would let a delete win over the insert that followed it; after the reduction the two
 * sets may be written in any order. They are sorted by key so that two transactions always take their row locks in the
 * same order.
 *
 * @param guarded whether the table keeps versions: then an event that is older than one already met for its key is
 *   dropped here, as the table's guard would drop it in a batch of its own.
 */
export function lastEvents(changes: Changes, guarded: boolean): MergedChanges {
  const keys: string[] = [];
  const removals = new Uint8Array(changes.length);
  for (let index = 0; index < changes.length; index++) {
    const change = changes.at(index);
    keys.push(change?.keyText ?? '');
    removals[index] = change?.isRemoval === true ? 1 : 0;
  }
  const upserts = new Selection(changes);
  const deletes = new Selection(changes);
  let last = -1;
  const settle = (): void => {
    if (last >= 0) (removals[last] === 1 ? deletes : upserts).add(last);
  };
  // The events of a key follow each other, in the order of the log.
  for (const index of keyOrder(keys)) {
    if (last >= 0 && keys[index] === keys[last]) {
      if (guarded && isOlder(changes.at(index), changes.at(last))) continue;
    } else {
      settle();
    }
    last = index;
  }
  settle();
  return { upserts, deletes };
}

function isOlder(change: Change | undefined, kept: Change | undefined): boolean {
  const [version, keptVersion] = [change?.version, kept?.version];
  return version !== undefined && keptVersion !== undefined && version < keptVersion;
}
