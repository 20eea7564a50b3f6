import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { projectFolder } from '../../services/folders.ts';
import { findProgram, lastLines } from '../../services/programs.ts';
import type { Scope } from './scope.ts';
import { until } from './until.ts';

const statusPage = z.object({
  parts: z.record(z.string(), z.object({ ok: z.boolean(), reason: z.string().optional() })),
});
type PartStatus = z.infer<typeof statusPage>['parts'][string];

const program = join(projectFolder, 'cli', 'bin.mjs');

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ConnectorOptions {
  /** Unique in its folder: names the log. */
  readonly name: string;
  /** Arguments of the program, such as `source -c FILE`. */
  readonly args: readonly string[];
  /** Where the log goes. */
  readonly folder: string;
  /** The port that its HTTP server was given. */
  readonly httpPort: number;
  /** Beside the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * One connector as a process of its own, that is killed and started again as often as a test likes. All of its lives
 * write to one log. It ends with the test, and with this process if that is killed.
 */
export class Connector {
  readonly name: string;
  readonly log: string;
  readonly #options: ConnectorOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<Exit> | undefined;
  /** How many lives it has had. */
  lives = 0;

  constructor(scope: Scope, options: ConnectorOptions) {
    this.name = options.name;
    this.log = join(options.folder, `${options.name}.log`);
    this.#options = options;
    scope.after(async () => {
      await this.kill();
    });
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /**
   * Begins a new life.
   *
   * @param faults steps at which it kills itself, as AFTERWRITE_FAULT takes them
   */
  start(faults = ''): void {
    assert.ok(!this.running, `${this.name} is started only when it does not run`);
    const output = openSync(this.log, 'a');
    this.lives += 1;
    writeSync(
      output,
      `--- life ${this.lives}${faults === '' ? '' : `, dies at ${faults}`}, ${new Date().toISOString()}\n`,
    );
    const child = spawn(...endingWithUs(process.execPath, ['--enable-source-maps', program, ...this.#options.args]), {
      stdio: ['ignore', output, output],
      env: { ...process.env, ...this.#options.env, AFTERWRITE_FAULT: faults },
    });
    closeSync(output);
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        resolve({ code, signal });
      });
      child.once('error', () => {
        resolve({ code: 127, signal: null });
      });
    });
  }

  /** kill -9. Returns when the process is gone; a process that is already gone is none of its business. */
  async kill(): Promise<void> {
    if (this.running) this.#child?.kill('SIGKILL');
    await this.#exited;
  }

  /** Stops it in the middle of whatever it does, until `thaw`. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  /** Only sends the signal. */
  signal(signal: NodeJS.Signals): void {
    assert.ok(this.running, `${this.name} runs until it is told to end; ${this.tail()}`);
    this.#child?.kill(signal);
  }

  /** Ends it as Ctrl-C does. It must end in order, with code 0. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.signal(signal);
    const exit = await this.ended(30_000);
    assert.deepEqual(exit, { code: 0, signal: null }, `${this.name} ends in order after ${signal}; ${this.tail()}`);
  }

  /** Waits for its end. @throws when it still runs after that time */
  async ended(withinMs = 60_000): Promise<Exit> {
    return await until(`the end of ${this.name}`, () => (this.running ? undefined : this.#exited), {
      timeoutMs: withinMs,
    }).catch((error: unknown) => {
      throw new Error(`${this.name} does not end; ${this.tail()}`, { cause: error });
    });
  }

  /** Waits until it has killed itself at the fault that `start` armed. */
  async diedAtFault(withinMs = 60_000): Promise<void> {
    const exit = await this.ended(withinMs);
    assert.deepEqual(exit, { code: null, signal: 'SIGKILL' }, `${this.name} dies at its fault only; ${this.tail()}`);
  }

  /** Waits until it says that it does its job. @throws when it ends instead */
  async ready(withinMs = 60_000): Promise<void> {
    await this.untilAnswers('/readyz', 200, withinMs);
  }

  /** Waits for an answer of its HTTP server. @throws when it ends instead */
  async untilAnswers(path: string, status: number, withinMs = 60_000): Promise<void> {
    let answer = 'none';
    const look = async (): Promise<'answered' | 'ended' | undefined> => {
      if (!this.running) return 'ended';
      const response = await fetch(`http://127.0.0.1:${this.#options.httpPort}${path}`);
      answer = `${response.status} ${await response.text()}`;
      return response.status === status ? 'answered' : undefined;
    };
    const what = `${this.name}: ${path} answers ${status}`;
    const patience = { timeoutMs: withinMs, everyMs: 50 };
    const seen = await until(what, look, patience).catch((error: unknown) => {
      throw new Error(`${what}; last answer: ${answer}; ${this.tail()}`, { cause: error });
    });
    assert.equal(seen, 'answered', `${this.name} runs; ${this.tail()}`);
  }

  /** The parts that a page of its HTTP server tells of, by name. @throws when it does not answer within seconds */
  async parts(path: '/healthz' | '/readyz'): Promise<Readonly<Record<string, PartStatus>>> {
    const url = `http://127.0.0.1:${this.#options.httpPort}${path}`;
    return statusPage.parse(await (await fetch(url, { signal: AbortSignal.timeout(10_000) })).json()).parts;
  }

  /** The value of a metric, which is 0 where it is not told. */
  async metric(series: string): Promise<number> {
    const url = `http://127.0.0.1:${this.#options.httpPort}/metrics`;
    const text = await (await fetch(url, { signal: AbortSignal.timeout(5000) })).text();
    const line = text.split('\n').find((one) => one.startsWith(`${series} `));
    return line === undefined ? 0 : Number(line.slice(series.length + 1));
  }

  /** What it and its earlier lives printed. */
  printed(): string {
    try {
      return readFileSync(this.log, 'utf8');
    } catch {
      return '';
    }
  }

  /** The last lines of its log, for messages. */
  tail(): string {
    return `its log ends with:\n${lastLines(this.printed(), 12)}`;
  }
}

/** A command that the kernel kills when this process ends, however that ends; where setpriv is, which is part of Debian. */
export function endingWithUs(command: string, args: readonly string[]): [string, readonly string[]] {
  const setpriv = findProgram('setpriv');
  return setpriv === undefined ? [command, args] : [setpriv, ['--pdeathsig', 'KILL', '--', command, ...args]];
}
