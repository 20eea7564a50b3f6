import { setTimeout as wait } from 'node:timers/promises';
import type { Cluster } from 'ioredis';
import { Random } from './random.ts';
import type { Scope } from './scope.ts';
import { until } from './until.ts';

export interface ClusterLoadOptions {
  readonly seed: number;
  /** How many commands, or small transactions, are sent in one go, about every 20 ms. */
  readonly handful?: number;
  /** How many keys have a hash tag of their own slot, and how many each of a few tags has. */
  readonly keys?: number;
  /** Whether keys are deleted, expire and are renamed; else hashes only change. */
  readonly removes?: boolean;
}

const TAGS = ['red', 'green', 'blue', 'white', 'black', 'grey'] as const;

/** A client that changes hashes `person:…` of a cluster all the time, wherever they live, until it is stopped. */
export class ClusterLoad {
  /** Steps that were answered. */
  done = 0;
  readonly #client: Cluster;
  readonly #options: Required<ClusterLoadOptions>;
  readonly #random: Random;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #count = 0;

  constructor(scope: Scope, client: Cluster, options: ClusterLoadOptions) {
    this.#client = client;
    this.#options = { handful: 10, keys: 60, removes: true, ...options };
    this.#random = new Random(options.seed);
    this.#running = this.#run();
    // The cluster ends before: what it was asked by then may never be answered.
    scope.after(() => {
      this.#stopping.abort();
      return Promise.resolve();
    });
  }

  /** The tags, whose slots hold many keys. */
  static get tags(): readonly string[] {
    return TAGS;
  }

  async more(steps: number): Promise<void> {
    const goal = this.done + steps;
    await until(`${steps} more steps of the load`, () => this.done >= goal, { timeoutMs: 120_000 });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      // A step that meets a failover is refused: whatever came of it, the hashes tell in the end.
      const steps = Array.from({ length: this.#options.handful }, () => this.#step().catch(() => undefined));
      await Promise.all(steps);
      this.done += steps.length;
      await wait(20, undefined, { signal }).catch(() => undefined);
    }
  }

  async #step(): Promise<unknown> {
    const random = this.#random;
    const { keys, removes } = this.#options;
    const key = random.chance(0.5)
      ? `person:${random.below(keys)}`
      : `person:{${random.pick(TAGS)}}:${random.below(keys)}`;
    const name = `n${++this.#count}`;
    const kind = random.next();
    if (removes && kind < 0.15) return await this.#client.del(key);
    if (removes && kind < 0.18) return await this.#client.pexpire(key, random.between(1, 50));
    if (kind < 0.35) return await this.#client.hincrby(key, 'age', random.between(-3, 9));
    if (kind < 0.45) return await this.#client.multi().hset(key, 'name', name).hincrby(key, 'age', 1).exec();
    if (removes && kind < 0.5) {
      const tag = random.pick(TAGS);
      return await this.#client.rename(
        `person:{${tag}}:${random.below(keys)}`,
        `person:{${tag}}:${random.below(keys)}`,
      );
    }
    return await this.#client.hset(key, 'name', name, 'age', random.below(100));
  }
}
