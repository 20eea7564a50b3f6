import type { Change, ColumnValue } from '../../../sink-connector/decode/change.ts';
import type { TargetTable } from '../../../sink-connector/write/port.ts';

/** The table of most tests. */
export const persons: TargetTable = {
  topic: 'shop.person',
  mapping: 'person',
  name: 'persons',
  keyColumns: [{ name: 'person_id', type: 'string' }],
  valueColumns: [
    { name: 'first', type: 'string' },
    { name: 'age', type: 'int' },
  ],
  versionColumn: undefined,
};

/** The value of a key of one column, or those of a composite one. */
export type TestKey = ColumnValue | readonly ColumnValue[];

/** A row that was written, as the decode stage hands it on. The key's bytes are its columns' texts. */
export function upsert(key: TestKey, values: readonly ColumnValue[], version = 1n, offset = 0): Change {
  const keyValues = partsOf(key);
  return {
    ...keyOf(Buffer.from(keyValues.join('\u001f'))),
    keyValues,
    isRemoval: false,
    isTombstone: false,
    values,
    version,
    offset,
  };
}

/** A row that was deleted. */
export function removal(key: TestKey, version = 1n, offset = 0): Change {
  return { ...upsert(key, [], version, offset), isRemoval: true, isTombstone: true, values: null };
}

/** The parts of a change that say its key. */
export function keyOf(key: Buffer): Pick<Change, 'key' | 'keyText'> {
  return { key, keyText: key.toString('latin1') };
}

function partsOf(key: TestKey): readonly ColumnValue[] {
  return key === null || typeof key !== 'object' || Buffer.isBuffer(key) ? [key] : key;
}
