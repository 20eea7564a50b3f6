import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export type { Counter, Gauge, Histogram } from 'prom-client';

const prefix = 'afterwrite_';

/** What every metric says of itself. The name comes without the project's prefix. */
export interface MetricDefinition<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly L[];
}

export interface HistogramDefinition<L extends string> extends MetricDefinition<L> {
  /** Upper bounds of the buckets, ascending, in the unit that the name ends with. */
  readonly buckets: readonly number[];
}

/** The metrics of one process. Each room defines its own through the factories. */
export interface Metrics {
  counter<L extends string = never>(definition: MetricDefinition<L>): Counter<L>;
  /** `collect` is called at each scrape and sets the gauge; for values that are counted elsewhere. */
  gauge<L extends string = never>(definition: MetricDefinition<L>, collect?: (gauge: Gauge<L>) => void): Gauge<L>;
  histogram<L extends string = never>(definition: HistogramDefinition<L>): Histogram<L>;
  /** Full names of the metrics that were defined here, for the check against the documentation. */
  names(): string[];
  /** All metrics in the format that Prometheus reads. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** A registry of its own, so that several pipelines in one process (and tests) do not meet, with the process metrics. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const names: string[] = [];
  collectDefaultMetrics({ register: registry });
  const common = <L extends string>({ name, help, labels = [] }: MetricDefinition<L>) => {
    names.push(prefix + name);
    return { name: prefix + name, help, labelNames: labels, registers: [registry] };
  };
  return {
    counter: (definition) => new Counter(common(definition)),
    gauge: (definition, collect) => {
      const gauge = new Gauge({
        ...common(definition),
        ...(collect === undefined
          ? {}
          : {
              collect: () => {
                collect(gauge);
              },
            }),
      });
      return gauge;
    },
    histogram: (definition) => new Histogram({ ...common(definition), buckets: [...definition.buckets] }),
    names: () => [...names],
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
