import type { EventRecord } from '../../schemas/index.ts';

/** A record as a producer sends it. */
export interface SentRecord extends Partial<Pick<EventRecord, 'headers' | 'offset'>> {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/** The record as a fetch brings it: in the midst of other bytes. */
export function fetched({ key, value, headers, offset = 0 }: SentRecord): EventRecord {
  const others = Buffer.from([0xff, 0, 0xff]);
  const keyStart = others.length;
  const keyEnd = keyStart + (key?.length ?? 0);
  const valueStart = keyEnd + others.length;
  return {
    bytes: Buffer.concat([others, key ?? Buffer.alloc(0), others, value ?? Buffer.alloc(0), others]),
    keyStart: key === null ? -1 : keyStart,
    keyEnd,
    valueStart: value === null ? -1 : valueStart,
    valueEnd: valueStart + (value?.length ?? 0),
    headers,
    offset,
  };
}
