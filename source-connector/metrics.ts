import type { Metrics } from '../ops/metrics.ts';

/** The source's metrics; every name begins with `afterwrite_source_`. */
export function sourceMetrics(metrics: Metrics) {
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
    snapshotBytes: metrics.gauge({ name: 'source_snapshot_bytes', help: 'Bytes of the current snapshot read so far' }),
    state: metrics.gauge({
      name: 'source_state',
      help: '1 for the state that the shard is in, by state',
      labels: ['state'],
    }),
  };
}

export type SourceMetrics = ReturnType<typeof sourceMetrics>;
