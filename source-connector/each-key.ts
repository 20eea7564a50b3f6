import { setImmediate } from 'node:timers/promises';
import type { StateStore } from './state/port.ts';

/** Keys that are looked through before the event loop gets a turn. */
const KEYS_A_TURN = 5000;

/** Visits every key of the state, one after the other. Entries may be put meanwhile, as `StateStore.keys` allows. */
export async function eachKey(
  state: StateStore,
  visit: (db: number, key: Buffer) => Promise<void> | undefined,
): Promise<void> {
  let keys = 0;
  for (const db of state.databases()) {
    for (const key of state.keys(db)) {
      const visited = visit(db, key);
      if (visited !== undefined) await visited;
      if (++keys % KEYS_A_TURN === 0) await setImmediate();
    }
  }
}
