import { setImmediate } from 'node:timers/promises';
import { beginsWith } from '../bytes.ts';
import type { Place } from '../committer.ts';
import { isKept } from '../mark.ts';
import { readPublished, type RebuildOptions } from '../rebuild.ts';
import type { Shard } from '../shard.ts';
import type { Entry } from '../state/port.ts';
import { isUnreadHash, UNREAD_HASH } from '../unread-hash.ts';
import { Fills } from './fills.ts';
import type { FillPlan } from './plan.ts';

const NOTHING: Entry = { current: null, expireAt: 0, published: null, mark: null };
const KEYS_A_TURN = 5000;

/**
 * Makes the state say no more than it knows of the keys that a mapping will be filled with: what it held of them was not
 * followed, and the rows that it remembers may be another topic's. A topic whose rows it does not know is read.
 * @param before the position that was committed last: it stands until the state says nothing that is wrong
 */
export async function beginFills(shard: Shard, plan: FillPlan, before: Place, options: RebuildOptions): Promise<void> {
  const { committer, recorder } = shard;
  const fills = new Fills(options.contracts, plan.fills);
  const makeRoom = async (): Promise<void> => {
    if (committer.full) await committer.cut({ ...before, version: recorder.version }, performance.now());
  };
  for (const { contract, knowsRows } of plan.begins) {
    const { database, key } = contract.mapping;
    const range = { database, prefix: key.prefix };
    await forget(shard, fills, range, knowsRows, makeRoom);
    if (knowsRows) continue;
    const isWanted = (db: number, bytes: Buffer): boolean =>
      db === database && beginsWith(bytes, 0, bytes.length, key.prefix);
    await readPublished(shard.state, { ...options, contracts: [contract] }, isWanted, makeRoom);
  }
}

async function forget(
  { state }: Shard,
  fills: Fills,
  range: { readonly database: number; readonly prefix: Buffer },
  knowsRows: boolean,
  makeRoom: () => Promise<void>,
): Promise<void> {
  let looked = 0;
  for (const db of state.databases()) {
    for (const key of state.keys(db)) {
      if (++looked % KEYS_A_TURN === 0) await setImmediate();
      if (!fills.isIn(range, db, key)) continue;
      const entry = state.get(db, key);
      if (entry === undefined) continue;
      state.put(db, key, db === range.database && !knowsRows ? NOTHING : unread(entry));
      await makeRoom();
    }
  }
}

/** What is still known when it is not known what the key holds. The row of a kept mark has no hash until one is found. */
function unread(entry: Entry): Entry {
  const { published, mark, expireAt, current } = entry;
  if (published === null && mark === null) return NOTHING;
  if (isKept(mark) && (current === null || isUnreadHash(current))) return { ...entry, current: null };
  return { current: UNREAD_HASH, expireAt, published, mark };
}
