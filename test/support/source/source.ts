import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { sourceOf, type SourceOrders } from '../../../cli/source.ts';
import type { Config } from '../../../config/index.ts';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import { describeError } from '../../../ops/logging.ts';
import { createMetrics, type Metrics } from '../../../ops/metrics.ts';
import type { Position } from '../../../source-connector/position.ts';
import type { ShardDirectory } from '../../../source-connector/shard-directory.ts';
import type { SourceWorker } from '../../../source-connector/worker.ts';
import { until } from '../until.ts';

/** What a person tells a source on its command line; and its shards, where they are not those of the configuration. */
export interface Orders extends SourceOrders {
  readonly directory?: ShardDirectory;
}

/** Its shard's part on /healthz and /readyz. */
export const PART = 'source shard 0';

/** For what a source does on busy servers. */
export const PATIENCE = { timeoutMs: 90_000, everyMs: 50 };

/** One source in this process. */
export class TestSource {
  readonly worker: SourceWorker;
  readonly metrics: Metrics;
  /** What it logged, as objects. */
  readonly lines: Record<string, unknown>[] = [];
  readonly #committed: () => Promise<Position>;
  /** How it ended, once it has: what made it end, or undefined after a stop. */
  #ended: { readonly by: unknown } | undefined;
  readonly #end: Promise<void>;

  /** @param committed waits until all that Redis has done so far is committed in Kafka */
  constructor(config: Config, orders: Orders, committed: () => Promise<Position>) {
    this.#committed = committed;
    this.metrics = createMetrics();
    const stream = new Writable({
      write: (chunk: Buffer, _, done) => {
        const line: unknown = JSON.parse(chunk.toString());
        if (typeof line === 'object' && line !== null) this.lines.push({ ...line });
        done();
      },
    });
    const log = pino({ serializers: { err: describeError } }, stream);
    this.worker = sourceOf(config, orders, log, this.metrics, orders.directory);
    this.#end = this.worker.run().then(
      () => {
        this.#ended = { by: undefined };
      },
      (by: unknown) => {
        this.#ended = { by };
      },
    );
  }

  /** Waits until it has committed everything that Redis has done so far. @throws what ended it instead */
  async caughtUp(): Promise<Position> {
    const early = this.#end.then(() => {
      throw new Error('the source ended', { cause: this.#ended?.by });
    });
    const follows = async (): Promise<Position> => {
      await until('the source follows the stream', () => this.worker.ready()[PART]?.ok, PATIENCE);
      return await this.#committed();
    };
    return await Promise.race([follows(), early]);
  }

  /** Ends it as Ctrl-C does. */
  async stop(): Promise<void> {
    await this.worker.stop();
    await this.#end;
    assert.equal(this.#ended?.by, undefined, 'it ends in order');
  }

  /** Waits until it ends because a person has to act; returns the reason. */
  async failed(): Promise<AfterwriteError> {
    const { by } = await until('the source ends by itself', () => this.#ended, PATIENCE);
    assert.ok(by instanceof AfterwriteError, `it ends with a reason: ${String(by)}`);
    return by;
  }

  /** The value of its shard's counter; further labels as Prometheus writes them. */
  async count(name: string, labels = ''): Promise<number> {
    const start = `afterwrite_source_${name}{shard="0"${labels === '' ? '' : `,${labels}`}} `;
    const line = (await this.metrics.text()).split('\n').find((text) => text.startsWith(start));
    return line === undefined ? 0 : Number(line.slice(start.length));
  }

  /** How its links began. */
  async links(): Promise<{ continued: number; full: number }> {
    return {
      continued: await this.count('links_total', 'answer="continue"'),
      full: await this.count('links_total', 'answer="full"'),
    };
  }

  /** The codes of the errors that it logged. */
  codes(): string[] {
    return this.lines.flatMap(({ err }) =>
      typeof err === 'object' && err !== null && 'code' in err ? [String(err.code)] : [],
    );
  }
}
