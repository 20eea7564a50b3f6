import type { TargetTable } from '../port.ts';

/** The bookkeeping tables that these tables have no use for; that of the offsets all have. */
export function unneededTables(
  tables: readonly TargetTable[],
  { deleted, outbox }: { readonly deleted: string; readonly outbox: string },
): ReadonlySet<string> {
  const unneeded = new Set<string>();
  if (!tables.some(({ versionColumn }) => versionColumn !== undefined)) unneeded.add(deleted);
  if (!tables.some(({ acknowledges }) => acknowledges === true)) unneeded.add(outbox);
  return unneeded;
}
