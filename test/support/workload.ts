import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Random } from './random.ts';
import type { Scope } from './scope.ts';
import { until } from './until.ts';
import { sendSteps, untilNothingExpires } from './workload-steps.ts';
import { CommandStream, type CommandMix } from './workload-commands.ts';

export interface WorkloadOptions extends CommandMix {
  readonly port: number;
  readonly seed: number;
  /** Steps a second, about: a step is a command, a transaction or a script. */
  readonly rate: number;
  /** It ends by itself after so many steps. */
  readonly steps: number;
}

/** How often a handful of steps is sent, ms. */
const BEAT = 20;

/** A client that issues random commands until it is stopped. It is alone: nobody else writes to this server. */
export class Workload {
  /** Steps that were answered. */
  done = 0;
  /** Answers that were errors. */
  refused = 0;
  readonly #options: WorkloadOptions;
  readonly #client: Redis;
  readonly #commands: CommandStream;
  readonly #running: Promise<void>;
  readonly #stopping = new AbortController();

  constructor(scope: Scope, options: WorkloadOptions) {
    this.#options = options;
    this.#client = new Redis(options.port, '127.0.0.1');
    // The server may end before this client does, when the test is over.
    this.#client.on('error', () => undefined);
    this.#commands = new CommandStream(new Random(options.seed), options);
    this.#running = this.#run();
    // Whoever awaits `stop` sees the error; until then it is no unhandled one.
    this.#running.catch(() => undefined);
    scope.after(async () => {
      this.#stopping.abort();
      await this.#running.catch(() => undefined);
      this.#client.disconnect();
    });
  }

  /** Names of keys that had an expiry at some time, or were flushed: their rows may be kept (by the default policies). */
  get expirable(): ReadonlySet<string> {
    return this.#commands.expirable;
  }

  /** Waits until this many more steps are done. */
  async more(steps: number): Promise<void> {
    const goal = this.done + steps;
    await until(`${steps} more steps of the workload`, () => this.done >= goal, { timeoutMs: 120_000 });
  }

  /** Ends it and waits until nothing changes any more: keys that expire soon have expired. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await untilNothingExpires(this.#client);
  }

  async #run(): Promise<void> {
    const { rate, steps } = this.#options;
    const began = performance.now();
    while (this.done < steps && !this.#stopping.signal.aborted) {
      const due = Math.floor(((performance.now() - began) / 1000) * rate);
      const handful = Math.min(due - this.done, steps - this.done, rate);
      if (handful > 0) this.refused += await sendSteps(this.#client, this.#commands, handful);
      this.done += Math.max(0, handful);
      await wait(BEAT, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
  }
}
