import type { ColumnValue, KeyPattern } from '../../schemas/index.ts';
import type { Changes } from '../decode/change.ts';

/** An event whose command had an id: whoever sent it waits to be told. */
export interface AskedFor {
  readonly offset: bigint;
  /** Microseconds. */
  readonly version: bigint;
  /** The hash's key in Redis. */
  readonly key: Buffer;
  readonly id: string;
}

/**
 * The events of a batch that have ids, before the batch is reduced to one event a key: each id is told of, also where several
 * are of one key.
 * @param after only those behind this offset: the others were told of before, and are read again by a replay
 * @param notBefore only those from this version on: nobody waits for older ones
 */
export function askedFor(changes: Changes, pattern: KeyPattern, after: bigint, notBefore: bigint): AskedFor[] {
  const found: AskedFor[] = [];
  for (let index = 0; index < changes.length; index++) {
    const change = changes.at(index);
    const id = change?.commandId;
    if (change === undefined || id === undefined || BigInt(change.offset) <= after) continue;
    const { version, keyValues, offset } = change;
    if (version === undefined || version < notBefore) continue;
    found.push({ offset: BigInt(offset), version, key: pattern.render(keyValues.map(bytesOf)), id });
  }
  return found;
}

function bytesOf(value: ColumnValue): Buffer {
  return Buffer.from(String(value));
}
