import type { Metrics } from '../ops/metrics.ts';
import type { KeyLevels } from './capture/replication-state.ts';
import type { KeyEventNews } from './key-event-news.ts';

/** The metrics of following servers by their key events, of all shards of a process. Defined once a registry. */
export function keyEventMetrics(metrics: Metrics) {
  const levels = new Map<number, () => KeyLevels>();
  const level = (name: string, help: string, value: (found: KeyLevels) => number): unknown =>
    metrics.gauge({ name, help, labels: ['shard'] }, (gauge) => {
      gauge.reset();
      for (const [shard, look] of levels) gauge.set({ shard }, value(look()));
    });
  level('source_waiting_keys', 'Keys that were told of and wait to be read', ({ waiting }) => waiting);
  level(
    'source_waiting_keys_seconds',
    'How long ago the oldest change was told of that is not in Kafka yet',
    ({ lagMs }) => lagMs / 1000,
  );
  const counter = <L extends string = never>(name: string, help: string, labels: readonly L[] = []) =>
    metrics.counter({ name, help, labels: ['shard', ...labels] });
  return {
    levels,
    events: counter('source_key_events_total', 'Events of captured keys that were heard'),
    coalesced: counter('source_key_events_coalesced_total', 'Of these, those of keys that waited to be read already'),
    reads: counter('source_keys_read_total', 'Keys that were read because of an event or a comparison'),
    comparisons: counter('source_comparisons_total', 'Comparisons of all keys that were ended, by reason', ['reason']),
    unheard: counter('source_unheard_changes_total', 'Differences that comparisons found and no event had told of'),
    lost: counter('source_key_event_sessions_lost_total', 'Sessions of key events that ended by themselves'),
  };
}

export type KeyEventMetrics = ReturnType<typeof keyEventMetrics>;

/** What counts; the rest is for logs and status. */
export type CountedKeyEvents = Omit<KeyEventNews, 'warn' | 'following' | 'comparing'>;

/** One shard's part of these metrics. */
export function countKeyEvents(all: KeyEventMetrics, shard: number): CountedKeyEvents {
  return {
    subscribing: (look) => {
      all.levels.set(shard, look);
    },
    compared: ({ reason, unheard }) => {
      all.comparisons.inc({ shard, reason });
      all.unheard.inc({ shard }, unheard);
    },
    keyEvent: (first) => {
      all.events.inc({ shard });
      if (!first) all.coalesced.inc({ shard });
    },
    keysRead: (count) => {
      all.reads.inc({ shard }, count);
    },
    lost: () => {
      all.lost.inc({ shard });
    },
  };
}
