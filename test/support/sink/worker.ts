import { Writable } from 'node:stream';
import { pino } from 'pino';
import { checkConfig, type Config } from '../../../config/index.ts';
import { createMetrics, type Metrics } from '../../../ops/metrics.ts';
import { mastersOf } from '../../../cli/connections.ts';
import { describeError } from '../../../ops/logging.ts';
import { sinkMetrics } from '../../../sink-connector/metrics.ts';
import { SinkWorker, type SinkWorkerOptions } from '../../../sink-connector/worker.ts';
import { uniqueName } from '../names.ts';
import type { Scope } from '../scope.ts';
import { shared } from '../servers.ts';

export interface SinkConfigOptions {
  /** Where the rows go: `kind` and whatever else of the sink's options leads there. */
  readonly database: { readonly sinkOptions: Readonly<Record<string, unknown>> };
  /** Further options of the sink. */
  readonly sink?: Readonly<Record<string, unknown>>;
  /** The URL of the Redis that is captured. */
  readonly source?: string;
  /** What differs in the mapping. */
  readonly mapping?: Readonly<Record<string, unknown>>;
  /** What differs in the Kafka part. */
  readonly kafka?: Readonly<Record<string, unknown>>;
  readonly registry?: string;
  /** A unique name unless told: pipelines of the same name share their topics. */
  readonly pipeline?: string;
}

/** A pipeline with the mapping person (table persons) and the sink `warehouse`, as a configuration file has it. */
export function sinkYaml({ database, sink, source, mapping, kafka, registry, pipeline }: SinkConfigOptions): string {
  // JSON is YAML.
  return JSON.stringify({
    pipeline: pipeline ?? uniqueName('pipe'),
    kafka: { brokers: [shared('kafka')], ...kafka },
    registry: { url: registry ?? shared('registry') },
    source: { url: source ?? 'redis://127.0.0.1:1' },
    mappings: {
      person: {
        key: 'person:{person_id}',
        table: 'persons',
        fields: { first: 'first', age: { type: 'int' } },
        ...mapping,
      },
    },
    sinks: { warehouse: { create: true, batch: { linger: '1ms' }, ...database.sinkOptions, ...sink } },
  });
}

export function sinkConfig(options: SinkConfigOptions): Config {
  return parsed(sinkYaml(options));
}

/** The configuration in a text. */
export function parsed(yaml: string): Config {
  const { config, problems } = checkConfig(yaml);
  if (config === undefined) throw new Error(JSON.stringify(problems));
  return config;
}

export interface TestWorker {
  readonly worker: SinkWorker;
  readonly metrics: Metrics;
  /** What it logged, as objects. */
  readonly lines: Record<string, unknown>[];
}

/** A worker of that sink, or of another one; it is stopped after the test. */
export function createWorker(
  scope: Scope,
  config: Config,
  options: Partial<Pick<SinkWorkerOptions, 'confirmedOrphans' | 'sink'>> = {},
): TestWorker {
  const lines: Record<string, unknown>[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      const line: unknown = JSON.parse(chunk.toString());
      if (typeof line === 'object' && line !== null) lines.push({ ...line });
      done();
    },
  });
  const log = pino({ serializers: { err: describeError } }, stream);
  const metrics = createMetrics();
  const masters = () => mastersOf(config.source);
  const worker = new SinkWorker({ config, sink: 'warehouse', log, metrics: sinkMetrics(metrics), masters, ...options });
  scope.after(() => worker.stop());
  return { worker, metrics, lines };
}
