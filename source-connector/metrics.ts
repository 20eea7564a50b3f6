import type { Metrics } from '../ops/metrics.ts';
import { replicationStateNames, type ReplicationState } from './capture/replication-state.ts';
import { countKeyEvents, keyEventMetrics, type CountedKeyEvents } from './key-event-metrics.ts';

/** What of a shard is looked at when metrics are asked for. */
export interface SourceLevels {
  readonly lagBytes: number;
  readonly lagMs: number;
  readonly spilledBytes: number;
  /** ms; 0 when no attempt is waited for. */
  readonly nextAttemptMs: number;
}

/** The metrics of all shards of a process; every name begins with `afterwrite_source_`. Defined once a registry. */
export function sourceMetrics(metrics: Metrics) {
  const levels = new Map<number, () => SourceLevels>();
  defineLevels(metrics, levels);
  return { levels, keyEvents: keyEventMetrics(metrics), ...defineCounts(metrics) };
}

export type SourceMetrics = ReturnType<typeof sourceMetrics>;

/** Gauges that are set at each scrape, for the shards that are followed then. */
function defineLevels(metrics: Metrics, levels: ReadonlyMap<number, () => SourceLevels>): void {
  const level = (name: string, help: string, value: (found: SourceLevels) => number): unknown =>
    metrics.gauge({ name, help, labels: ['shard'] }, (gauge) => {
      gauge.reset();
      for (const [shard, look] of levels) gauge.set({ shard }, value(look()));
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
}

function defineCounts(metrics: Metrics) {
  const counter = <L extends string = never>(name: string, help: string, labels: readonly L[] = []) =>
    metrics.counter({ name, help, labels: ['shard', ...labels] });
  const gauge = <L extends string = never>(name: string, help: string, labels: readonly L[] = []) =>
    metrics.gauge({ name, help, labels: ['shard', ...labels] });
  return {
    commands: counter('source_commands_total', 'Commands of the stream that mattered, decoded'),
    events: counter('source_events_total', 'Events published, by mapping and operation', ['mapping', 'op']),
    removals: counter('source_removals_total', 'Published rows whose hash went away, by mapping, cause and policy', [
      'mapping',
      'cause',
      'policy',
    ]),
    deadLetters: counter('source_dead_letters_total', 'Hashes that could not be rows, by mapping', ['mapping']),
    writeThroughs: counter(
      'source_write_throughs_total',
      'Staged writes that were decided on, by mapping and verdict',
      ['mapping', 'verdict'],
    ),
    transactions: counter('source_transactions_total', 'Kafka transactions committed'),
    records: counter('source_records_total', 'Kafka records committed, positions left out'),
    bytes: counter('source_bytes_total', 'Bytes of Kafka records committed, positions left out'),
    keyReads: counter('source_key_reads_total', 'Keys whose value the stream did not hold, read beside it'),
    links: counter('source_links_total', "Links to Redis, by the server's answer", ['answer']),
    lives: counter('source_lives_total', 'Times the shard was begun from its committed position'),
    offset: gauge('source_offset', 'Replication offset that is committed in Kafka'),
    backlogBytes: gauge('source_backlog_bytes', "Size of the server's replication backlog"),
    streamRate: gauge('source_stream_bytes_per_second', "Bytes that the server's stream grows by a second"),
    withoutSentinel: gauge(
      'source_without_sentinel',
      '1 while no Sentinel tells which servers there are, so that a failover would not be noticed; else 0',
    ),
    effectsWaiting: gauge('source_effects_waiting', 'What operations have still to do in Redis, after its commit'),
    snapshotBytes: gauge('source_snapshot_bytes', 'Bytes of the snapshot that was begun last, read so far'),
    snapshotTotalBytes: gauge(
      'source_snapshot_total_bytes',
      'Bytes of the snapshot that was begun last; 0 when the server does not say',
    ),
    mode: gauge('source_mode', '1 for the way in which the server is followed, with the reason for it', [
      'mode',
      'reason',
    ]),
    state: gauge(
      'source_state',
      `1 for the state that the shard is in, 0 for the others: ${replicationStateNames.join(', ')}`,
      ['state'],
    ),
  };
}

/** One shard's part of the metrics. */
export class ShardMetrics {
  readonly #all: SourceMetrics;
  readonly #shard: number;
  readonly #of: { readonly shard: number };
  readonly keyEvents: CountedKeyEvents;
  #mode: Readonly<Record<'mode' | 'reason', string>> | undefined;

  constructor(all: SourceMetrics, shard: number) {
    this.#all = all;
    this.#shard = shard;
    this.#of = { shard };
    this.keyEvents = countKeyEvents(all.keyEvents, shard);
    const { commands, transactions, records, bytes, keyReads, lives } = all;
    for (const counter of [commands, transactions, records, bytes, keyReads, lives]) counter.inc(this.#of, 0);
  }

  /** The shard is followed here from now on; `levels` is called at each scrape. */
  begin(levels: () => SourceLevels): void {
    this.#all.levels.set(this.#shard, levels);
  }

  /** The shard is not followed here any more. Counters stay, since they only ever rise. */
  end(): void {
    const { levels, state, offset, backlogBytes, streamRate, snapshotBytes, snapshotTotalBytes } = this.#all;
    this.#all.effectsWaiting.remove(this.#of);
    this.#all.withoutSentinel.remove(this.#of);
    levels.delete(this.#shard);
    this.#all.keyEvents.levels.delete(this.#shard);
    if (this.#mode !== undefined) this.#all.mode.remove({ ...this.#of, ...this.#mode });
    for (const name of replicationStateNames) state.remove({ ...this.#of, state: name });
    for (const gauge of [offset, backlogBytes, streamRate, snapshotBytes, snapshotTotalBytes]) gauge.remove(this.#of);
  }

  withoutSentinel(isSo: boolean): void {
    this.#all.withoutSentinel.set(this.#of, isSo ? 1 : 0);
  }

  state(state: ReplicationState): void {
    for (const name of replicationStateNames) this.#all.state.set({ ...this.#of, state: name }, name === state ? 1 : 0);
  }

  /** How the shard is followed from now on, and why. */
  mode(mode: Readonly<Record<'mode' | 'reason', string>>): void {
    if (this.#mode !== undefined) this.#all.mode.remove({ ...this.#of, ...this.#mode });
    this.#mode = { mode: mode.mode, reason: mode.reason };
    this.#all.mode.set({ ...this.#of, ...this.#mode }, 1);
  }

  life(): void {
    this.#all.lives.inc(this.#of);
  }

  link(answer: string): void {
    this.#all.links.inc({ ...this.#of, answer });
  }

  backlog(size: number, rate: number): void {
    this.#all.backlogBytes.set(this.#of, size);
    this.#all.streamRate.set(this.#of, rate);
  }

  snapshot(bytes: number, total: number | undefined): void {
    this.#all.snapshotBytes.set(this.#of, bytes);
    this.#all.snapshotTotalBytes.set(this.#of, total ?? 0);
  }

  commands(count: number): void {
    this.#all.commands.inc(this.#of, count);
  }

  effectsWaiting(count: number): void {
    this.#all.effectsWaiting.set(this.#of, count);
  }

  keyRead(): void {
    this.#all.keyReads.inc(this.#of);
  }

  event(mapping: string, op: string): void {
    this.#all.events.inc({ ...this.#of, mapping, op });
  }

  removal(mapping: string, cause: string, policy: string): void {
    this.#all.removals.inc({ ...this.#of, mapping, cause, policy });
  }

  deadLetter(mapping: string): void {
    this.#all.deadLetters.inc({ ...this.#of, mapping });
  }

  writeThrough(mapping: string, verdict: string): void {
    this.#all.writeThroughs.inc({ ...this.#of, mapping, verdict });
  }

  committed(offset: number, records: number, bytes: number): void {
    this.#all.transactions.inc(this.#of);
    this.#all.records.inc(this.#of, records);
    this.#all.bytes.inc(this.#of, bytes);
    this.#all.offset.set(this.#of, offset);
  }
}
