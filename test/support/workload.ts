import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Random } from './random.ts';
import type { Scope } from './scope.ts';
import { until } from './until.ts';
import { CommandStream, type Command, type CommandMix, type Step } from './workload-commands.ts';

export interface WorkloadOptions extends CommandMix {
  readonly port: number;
  readonly seed: number;
  /** Steps a second, about: a step is a command, a transaction or a script. */
  readonly rate: number;
  /** It ends by itself after so many steps. */
  readonly steps: number;
}

/** Databases that the commands select. */
const DATABASES = [0, 1, 2] as const;
/** How often a handful of steps is sent, ms. */
const BEAT = 20;
/** An expiry later than this is not waited for, ms. */
const SOON = 60_000;

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
    await until('the end of all short expiries', async () => !(await this.#expiresSoon()), { everyMs: 100 });
  }

  async #run(): Promise<void> {
    const { rate, steps } = this.#options;
    const began = performance.now();
    while (this.done < steps && !this.#stopping.signal.aborted) {
      const due = Math.floor(((performance.now() - began) / 1000) * rate);
      const handful = Math.min(due - this.done, steps - this.done, rate);
      if (handful > 0) await this.#send(Array.from({ length: handful }, () => this.#commands.next()));
      await wait(BEAT, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
  }

  /** Sends steps in one pipeline and gives the answers that matter back to the generator. */
  async #send(steps: readonly Step[]): Promise<void> {
    const pipeline = this.#client.pipeline();
    const listeners = new Map<number, (answer: unknown) => void>();
    const add = ([name, ...args]: Command, listen?: (answer: unknown) => void): void => {
      if (listen !== undefined) listeners.set(pipeline.length, listen);
      pipeline.callBuffer(name, ...args);
    };
    for (const step of steps) this.#add(step, add);
    const answers = (await pipeline.exec()) ?? [];
    for (const [index, [error, answer]] of answers.entries()) {
      if (error !== null) this.refused += 1;
      else listeners.get(index)?.(answer);
    }
    this.done += steps.length;
  }

  #add(step: Step, add: (command: Command, listen?: (answer: unknown) => void) => void): void {
    switch (step.kind) {
      case 'command':
        add(step.command);
        return;
      case 'dump':
        add(step.command, (payload) => {
          if (Buffer.isBuffer(payload)) this.#commands.keepPayload(payload);
        });
        return;
      case 'flush':
        // Only database 0 has rows.
        if (step.command[0] === 'FLUSHALL') add(['SELECT', 0]);
        add(['KEYS', '*'], (keys) => {
          if (Array.isArray(keys)) this.#commands.expireNames(keys.map(String));
        });
        add(step.command);
        return;
      case 'transaction':
        add(['MULTI']);
        for (const command of step.commands) add(command);
        add([step.kept ? 'EXEC' : 'DISCARD']);
    }
  }

  /** Asking for the time to live of an expired key makes the server remove it, and say so in its stream. */
  async #expiresSoon(): Promise<boolean> {
    let found = false;
    for (const db of DATABASES) {
      await this.#client.select(db);
      for (const key of await this.#client.keysBuffer('*')) {
        const left = await this.#client.pttl(key);
        if (left >= 0 && left < SOON) found = true;
      }
    }
    return found;
  }
}
