import type { RowView } from '../fold/change.ts';
import { eachKey } from '../each-key.ts';
import { OperationField, pendingEffect } from '../operation.ts';
import type { StateStore } from '../state/port.ts';
import { placeName, type Effects } from './effects.ts';

/**
 * Carries out again what an earlier life may not have done, or what a failover may have taken back: every operation that is committed,
 * and whose field is still in its hash.
 */
export async function pendingEffects(
  state: StateStore,
  viewOf: (db: number, key: Buffer) => Pick<RowView<unknown>, 'operations'> | undefined,
  { version }: { readonly version: number },
  effects: Pick<Effects, 'begin' | 'room' | 'uncommitted'>,
): Promise<void> {
  const field = new OperationField();
  const uncommitted = effects.uncommitted();
  await eachKey(state, (db, key) => {
    const operations = viewOf(db, key)?.operations;
    if (operations === undefined) return undefined;
    const entry = state.get(db, key);
    if (entry?.current == null) return undefined;
    const effect = pendingEffect(db, key, entry, field.of(entry.current), operations.awaited);
    if (effect === undefined || uncommitted.has(placeName(db, key))) return undefined;
    effects.begin([{ ...effect, version: Math.max(version, Date.now() * 1000), failure: undefined }]);
    return effects.room();
  });
}
