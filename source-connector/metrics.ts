import type { Metrics } from '../ops/metrics.ts';
import { replicationStateNames } from './capture/replication-state.ts';

/** What is looked at when metrics are asked for. */
export interface SourceLevels {
  readonly lagBytes: number;
  readonly lagMs: number;
  readonly spilledBytes: number;
  /** ms; 0 when no attempt is waited for. */
  readonly nextAttemptMs: number;
}

const noLevels: SourceLevels = { lagBytes: 0, lagMs: 0, spilledBytes: 0, nextAttemptMs: 0 };

/** The source's metrics; every name begins with `afterwrite_source_`. `levels` is called at each scrape. */
export function sourceMetrics(metrics: Metrics, levels: () => SourceLevels = () => noLevels) {
  const level = (name: string, help: string, value: (found: SourceLevels) => number): unknown =>
    metrics.gauge({ name, help }, (gauge) => {
      gauge.set(value(levels()));
    });
  level('source_lag_bytes', 'Bytes of the stream that are not in Kafka yet', ({ lagBytes }) => lagBytes);
  level(
    'source_lag_seconds',
    'How long ago the first byte of the stream came that is not in Kafka yet',
    ({ lagMs }) => lagMs / 1000,
  );
  level('source_spilled_bytes', 'Bytes of the stream that wait on disk', ({ spilledBytes }) => spilledBytes);
  level(
    'source_next_attempt_seconds',
    'Until the next attempt to follow the server; 0 while none is waited for',
    ({ nextAttemptMs }) => nextAttemptMs / 1000,
  );
  return {
    commands: metrics.counter({ name: 'source_commands_total', help: 'Commands of the stream that mattered, decoded' }),
    events: metrics.counter({
      name: 'source_events_total',
      help: 'Events published, by mapping and operation',
      labels: ['mapping', 'op'],
    }),
    removals: metrics.counter({
      name: 'source_removals_total',
      help: 'Published rows whose hash went away, by mapping, cause and policy',
      labels: ['mapping', 'cause', 'policy'],
    }),
    deadLetters: metrics.counter({
      name: 'source_dead_letters_total',
      help: 'Hashes that could not be rows, by mapping',
      labels: ['mapping'],
    }),
    transactions: metrics.counter({ name: 'source_transactions_total', help: 'Kafka transactions committed' }),
    records: metrics.counter({ name: 'source_records_total', help: 'Kafka records committed, positions left out' }),
    bytes: metrics.counter({
      name: 'source_bytes_total',
      help: 'Bytes of Kafka records committed, positions left out',
    }),
    keyReads: metrics.counter({
      name: 'source_key_reads_total',
      help: 'Keys whose value the stream did not hold, read beside it',
    }),
    links: metrics.counter({
      name: 'source_links_total',
      help: "Links to Redis, by the server's answer",
      labels: ['answer'],
    }),
    lives: metrics.counter({
      name: 'source_lives_total',
      help: 'Times the shard was begun from its committed position',
    }),
    offset: metrics.gauge({ name: 'source_offset', help: 'Replication offset that is committed in Kafka' }),
    backlogBytes: metrics.gauge({ name: 'source_backlog_bytes', help: "Size of the server's replication backlog" }),
    streamRate: metrics.gauge({
      name: 'source_stream_bytes_per_second',
      help: "Bytes that the server's stream grows by a second",
    }),
    snapshotBytes: metrics.gauge({
      name: 'source_snapshot_bytes',
      help: 'Bytes of the snapshot that was begun last, read so far',
    }),
    snapshotTotalBytes: metrics.gauge({
      name: 'source_snapshot_total_bytes',
      help: 'Bytes of the snapshot that was begun last; 0 when the server does not say',
    }),
    state: metrics.gauge({
      name: 'source_state',
      help: `1 for the state that the shard is in, 0 for the others: ${replicationStateNames.join(', ')}`,
      labels: ['state'],
    }),
  };
}

export type SourceMetrics = ReturnType<typeof sourceMetrics>;
