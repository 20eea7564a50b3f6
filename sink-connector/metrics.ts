import type { Metrics } from '../ops/metrics.ts';

/** The metrics of all sinks of a process; every name begins with `afterwrite_sink_`. Defined once a registry. */
export function sinkMetrics(metrics: Metrics) {
  const partition = ['sink', 'topic', 'partition'] as const;
  return {
    events: metrics.counter({
      name: 'sink_events_total',
      help: 'Records of mappings read and committed with their effect, by mapping',
      labels: ['sink', 'mapping'],
    }),
    rows: metrics.counter({
      name: 'sink_rows_total',
      help: 'Rows sent to the database and committed, by mapping and operation (upsert, delete)',
      labels: ['sink', 'mapping', 'op'],
    }),
    deadLetters: metrics.counter({
      name: 'sink_dead_letters_total',
      help: 'Events whose row the database does not take, passed over and committed, by mapping',
      labels: ['sink', 'mapping'],
    }),
    batches: metrics.counter({
      name: 'sink_batches_total',
      help: 'Database transactions committed, by mapping',
      labels: ['sink', 'mapping'],
    }),
    retries: metrics.counter({
      name: 'sink_retries_total',
      help: 'Waits for the end of an outage, by the code of its error',
      labels: ['sink', 'code'],
    }),
    misses: metrics.counter({
      name: 'sink_fence_misses_total',
      help: 'Transactions refused because another owner or position stood in the offset row',
      labels: ['sink'],
    }),
    orphans: metrics.counter({
      name: 'sink_orphans_removed_total',
      help: 'Rows that stood in no record of their topic, removed, by mapping',
      labels: ['sink', 'mapping'],
    }),
    comparing: metrics.gauge({
      name: 'sink_comparing',
      help: '1 while the rows of a partition are compared with its topic, or wait for that',
      labels: partition,
    }),
    writeSeconds: metrics.histogram({
      name: 'sink_write_seconds',
      help: 'Time from a decoded batch to its commit, by mapping',
      labels: ['sink', 'mapping'],
      buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100],
    }),
    lag: metrics.gauge({
      name: 'sink_lag_records',
      help: 'Offsets of a partition that are not in the database yet',
      labels: partition,
    }),
    catchUpTotal: metrics.gauge({
      name: 'sink_catch_up_records',
      help: 'Offsets between where a partition was claimed, or a replay began, and the end at that moment; gone when reached',
      labels: partition,
    }),
    catchUpDone: metrics.gauge({
      name: 'sink_catch_up_done_records',
      help: 'How many of afterwrite_sink_catch_up_records are written',
      labels: partition,
    }),
    catchUpRate: metrics.gauge({
      name: 'sink_catch_up_records_per_second',
      help: 'How fast a partition catches up',
      labels: partition,
    }),
    catchUpSecondsLeft: metrics.gauge({
      name: 'sink_catch_up_seconds_left',
      help: 'When a partition will have caught up, at that rate',
      labels: partition,
    }),
    acknowledgements: metrics.counter({
      name: 'sink_acknowledgements_total',
      help: 'Commands with an id that Redis was told of, by mapping and status (done, failed; refused: Redis does not take it)',
      labels: ['sink', 'mapping', 'status'],
    }),
    acknowledgementsPending: metrics.gauge({
      name: 'sink_acknowledgements_pending',
      help: 'Acknowledgements of a partition that are known to wait',
      labels: partition,
    }),
    acknowledgementsWaiting: metrics.gauge({
      name: 'sink_acknowledgements_waiting',
      help: '1 while the acknowledgements of a partition cannot be sent',
      labels: partition,
    }),
    failed: metrics.gauge({
      name: 'sink_partition_failed',
      help: '1 when a partition has stopped until a person acts',
      labels: partition,
    }),
  };
}

export type SinkMetrics = ReturnType<typeof sinkMetrics>;
