import { AfterwriteError } from '../../ops/errors/index.ts';
import { type EventDecoder, EventList, type EventRecord, type RecordSource } from '../../schemas/index.ts';
import type { Change, Changes } from './change.ts';

/** The changes that records say, up to the first record that cannot be read. */
export interface DecodedRecords {
  readonly changes: Changes;
  /** Why the record at `offset` cannot be read; nothing after it was decoded. */
  readonly failure: { readonly error: AfterwriteError; readonly offset: number } | undefined;
}

/**
 * Decodes a batch. What stands before a bad record is still written; the bad record itself is never passed over.
 * @param lists the records, list after list
 * @param guarded whether the table keeps versions, so that every record has to have one
 * @throws what the registry throws in an outage: the same batch can be tried again
 */
export async function decodeRecords(
  decoder: EventDecoder,
  lists: readonly RecordSource[],
  guarded: boolean,
): Promise<DecodedRecords> {
  const changes = new EventList(lists);
  for (const list of lists) {
    for (let index = 0; index < list.length; index++) {
      const record = list.at(index);
      if (record === undefined) continue;
      try {
        if (!decoder.isPrepared(record)) await decoder.prepare([record]);
        changes.push(changeOf(decoder, record, guarded));
      } catch (error) {
        if (!isBadRecord(error)) throw error;
        return { changes, failure: { error, offset: record.offset } };
      }
    }
  }
  return { changes, failure: undefined };
}

function changeOf(decoder: EventDecoder, record: EventRecord, guarded: boolean): Change {
  const change = decoder.decode(record);
  if (guarded && change.version === undefined) {
    throw new AfterwriteError('RECORD_UNREADABLE', 'A tombstone has no version, and its table keeps versions', {
      where: { offset: record.offset },
      remedy: 'Find out who else writes the topic; a tombstone made by hand needs the header afterwrite.version.',
    });
  }
  return change;
}

function isBadRecord(error: unknown): error is AfterwriteError {
  return error instanceof AfterwriteError && (error.code === 'RECORD_UNREADABLE' || error.code === 'SCHEMA_UNKNOWN');
}
