import { z } from 'zod';
import { FIRST_SINK_PLACE, type Acknowledgement } from '../../clients/redis/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import type { OutboxRow } from '../write/port.ts';
import type { AskedFor } from './asked.ts';

/** Who acknowledges, for which mapping. */
export interface Acknowledger {
  readonly sink: string;
  /** Its index in the mapping's `acknowledge`. */
  readonly index: number;
  /** The Redis database of the mapping. */
  readonly database: number;
}

const entrySchema = z.object({
  database: z.int(),
  key: z.string(),
  id: z.string(),
  place: z.int(),
  error: z.string().optional(),
});

/** Characters of a reason, at most: the stream stands in the memory of Redis. */
const longestReason = 500;
/** Where a partition's outbox says up to which offset events were acknowledged: no event has this offset. */
const MARK = -1n;

/** What is kept of an event until it was acknowledged: JSON in ASCII, which every database keeps as it is. */
export function outboxRow(acknowledger: Acknowledger, asked: AskedFor, failure: string | undefined): OutboxRow {
  const { offset, version, key, id } = asked;
  const { database, index } = acknowledger;
  const error = failure?.slice(0, longestReason);
  const place = FIRST_SINK_PLACE + index;
  return { offset, version, entry: ascii({ database, key: key.toString(), id, place, error }) };
}

/** @throws RECORD_UNREADABLE for a row that somebody else has written */
export function acknowledgementOf(row: OutboxRow, sink: string): Acknowledgement {
  try {
    const { database, key, id, place, error } = entrySchema.parse(JSON.parse(row.entry));
    const version = Number(row.version);
    return { database, key: Buffer.from(key), id: Buffer.from(id), version, place, sink, failure: error };
  } catch (cause) {
    throw new AfterwriteError('RECORD_UNREADABLE', 'A row of afterwrite_acknowledgements is not one of this version', {
      where: { sink, offset: row.offset },
      remedy: 'Delete it, if nobody waits for it; the others of its partition are sent after it.',
      cause,
    });
  }
}

/** The mark that all events up to an offset were acknowledged, or stand in the outbox. */
export function markAt(through: bigint, version: bigint): OutboxRow {
  return { offset: MARK, version, entry: String(through) };
}

/** Takes the mark out of rows. */
export function separateMark(rows: readonly OutboxRow[]): { readonly mark?: OutboxRow; readonly rows: OutboxRow[] } {
  const mark = rows.find(({ offset }) => offset === MARK);
  const others = rows.filter((row) => row !== mark);
  return mark === undefined ? { rows: others } : { mark, rows: others };
}

function ascii(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
