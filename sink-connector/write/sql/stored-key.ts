import type { ColumnValue } from '../../../schemas/index.ts';
import type { StoredKey, TargetTable } from '../port.ts';

/**
 * A row of a page of keys, every column of which was read as a text: the key columns, then the version.
 * @returns undefined for a row whose key no event can have: it is NULL, or no number where the mapping has one.
 */
export function storedKey(table: TargetTable, texts: readonly (string | null)[]): StoredKey | undefined {
  const keyValues: ColumnValue[] = [];
  for (const [index, { type }] of table.keyColumns.entries()) {
    const value = keyValue(texts[index] ?? null, type === 'string');
    if (value === null) return undefined;
    keyValues.push(value);
  }
  const version = integerOf(texts[table.keyColumns.length] ?? '');
  return { keyValues, version: version === null ? undefined : BigInt(version) };
}

function keyValue(text: string | null, isText: boolean): ColumnValue {
  return text === null || isText ? text : integerOf(text);
}

/** A column of a decimal type shows digits after the point, all of them 0 in a key that an event has written. */
function integerOf(text: string): number | bigint | null {
  const digits = /^(-?\d+)(\.0*)?$/.exec(text)?.[1];
  if (digits === undefined) return null;
  return Number.isSafeInteger(Number(digits)) ? Number(digits) : BigInt(digits);
}
