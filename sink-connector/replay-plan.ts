import type { OffsetBounds } from '../clients/kafka/index.ts';
import type { PartitionName, StoredOffset } from './write/port.ts';

/** Where a replay begins: at the first record that Kafka has, at the first one of a time, or at an offset. */
export type ReplayStart =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'time'; readonly time: Date }
  | { readonly kind: 'offset'; readonly offset: bigint };

/** `earliest`, an offset, or an ISO 8601 time that says its zone (a day alone is its midnight in UTC). */
export function parseReplayStart(text: string): ReplayStart | undefined {
  if (text === 'earliest') return { kind: 'earliest' };
  if (/^\d{1,18}$/.test(text)) return { kind: 'offset', offset: BigInt(text) };
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text)) return undefined;
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? undefined : { kind: 'time', time };
}

/**
 * What a replay means for a partition:
 * - `move`: its offset goes back to `to`;
 * - `nothing`: the sink stands there, or has not come so far yet;
 * - `unclaimed`: the sink has never worked on it, and will begin at its first record anyway.
 */
export type ReplayStep = PartitionName &
  (
    | { readonly kind: 'move'; readonly stored: StoredOffset; readonly to: bigint }
    | { readonly kind: 'nothing'; readonly stored: StoredOffset }
    | { readonly kind: 'unclaimed' }
  );

/** What is known of a partition before a replay. */
export interface ReplayedPartition extends PartitionName {
  readonly bounds: OffsetBounds;
  /** The first offset that is not older than the time of the replay, if it begins at one. */
  readonly atTime: number | undefined;
  readonly stored: StoredOffset | undefined;
}

/** @returns the step, or what is wrong with it, a sentence: a replay may never skip a record. */
export function planStep(start: ReplayStart, found: ReplayedPartition): ReplayStep | string {
  const { topic, partition, bounds, stored } = found;
  if (stored === undefined) return { kind: 'unclaimed', topic, partition };
  const { nextOffset } = stored;
  const place = `partition ${partition} of ${topic}`;
  const held = `Kafka holds ${bounds.first} to ${bounds.end}`;
  if (nextOffset < bounds.first || nextOffset > bounds.end) {
    return `The sink stands at offset ${nextOffset} of ${place}, which is not there any more: ${held}`;
  }
  const wanted = wantedOffset(start, found);
  if (start.kind === 'offset' && wanted > nextOffset) {
    return `Offset ${wanted} of ${place} is ahead of the sink, which stands at ${nextOffset}: records would be skipped`;
  }
  if (wanted < bounds.first) return `Offset ${wanted} of ${place} is not there any more: ${held}`;
  if (wanted >= nextOffset) return { kind: 'nothing', topic, partition, stored };
  return { kind: 'move', topic, partition, stored, to: wanted };
}

function wantedOffset(start: ReplayStart, { bounds, atTime }: ReplayedPartition): bigint {
  switch (start.kind) {
    case 'earliest':
      return BigInt(bounds.first);
    case 'offset':
      return start.offset;
    case 'time':
      return BigInt(Math.max(bounds.first, atTime ?? bounds.end));
  }
}
