import { KeyEncoder, partitionOf } from '../../schemas/index.ts';
import type { StoredKey, TargetTable } from '../write/port.ts';
import type { KeyedPartition } from './live-keys.ts';

type Pages = AsyncIterable<readonly StoredKey[]>;

/** Whether a table holds any row. */
export async function holdsRows(pages: Pages): Promise<boolean> {
  for await (const page of pages) if (page.length > 0) return true;
  return false;
}

/** Whether a table holds a row whose record would stand in this partition. */
export async function holdsRowsOf(pages: Pages, table: TargetTable, place: KeyedPartition): Promise<boolean> {
  const encoder = new KeyEncoder(table, place.keySchemaId);
  for await (const page of pages) {
    for (const { keyValues } of page) {
      const key = encoder.encodeValues(keyValues);
      if (key !== undefined && partitionOf(key, place.partitions) === place.partition) return true;
    }
  }
  return false;
}
