import type { EventLog } from '../../support/sink/event-log.ts';
import { untilEqual, type Patience } from '../../support/until.ts';
import type { ContractDatabase } from '../binding.ts';
import { tableRows } from '../canonical.ts';

/** Waits until every partition of the topic is written to its end. */
export async function untilWritten(database: ContractDatabase, log: EventLog, patience: Patience = {}): Promise<void> {
  const ends = (await log.ends()).map((end, partition) => [log.topic, String(partition), String(end)]);
  await untilEqual('the offsets in the database', ends, () => offsetsOf(database), patience);
}

/** Topic, partition and next offset of each row of afterwrite_offsets. */
export async function offsetsOf(database: ContractDatabase): Promise<(string | null)[][]> {
  const rows = await tableRows(database, 'afterwrite_offsets', [
    { name: 'topic', type: 'string' },
    { name: 'partition', type: 'int' },
    { name: 'next_offset', type: 'long' },
  ]);
  return rows.map((row) => [...row]);
}
