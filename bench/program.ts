import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../services/folders.ts';
import { findProgram, lastLines } from '../services/programs.ts';
import { until, type Patience } from '../test/support/until.ts';
import type { Cleanup } from './cleanup.ts';

/** Clock ticks a second in /proc, on every Linux that Node runs on. */
const ticksPerSecond = 100;

export interface ProgramOptions {
  /** Names the log. */
  readonly name: string;
  /** Where the log goes. */
  readonly folder: string;
  /** A script of Node, from the project's folder, and its arguments. */
  readonly script: string;
  readonly args: readonly string[];
  /** Of Node itself, beside those of AFTERWRITE_BENCH_NODE_FLAGS. */
  readonly flags?: readonly string[];
}

/** A process of Node whose output goes to a log; it ends with this process at the latest. */
export class Program {
  readonly #name: string;
  readonly #log: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<string>;

  private constructor(name: string, log: string, child: ChildProcess) {
    this.#name = name;
    this.#log = log;
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        resolve(signal ?? String(code));
      });
      child.once('error', () => {
        resolve('never begun');
      });
    });
  }

  static start(cleanup: Cleanup, { name, folder, script, args, flags: own = [] }: ProgramOptions): Program {
    const log = join(folder, `${name}.log`);
    const output = openSync(log, 'a');
    const flags = (process.env.AFTERWRITE_BENCH_NODE_FLAGS ?? '').split(' ').filter((flag) => flag !== '');
    const node = [process.execPath, ...own, ...flags, join(projectFolder, script), ...args];
    const setpriv = findProgram('setpriv');
    const [command = '', ...rest] = setpriv === undefined ? node : [setpriv, '--pdeathsig', 'KILL', '--', ...node];
    const child = spawn(command, rest, { stdio: ['ignore', output, output] });
    closeSync(output);
    const program = new Program(name, log, child);
    cleanup.after(async () => {
      child.kill('SIGKILL');
      await program.#exited;
    });
    return program;
  }

  /** @throws with the end of its log when the process has ended */
  mustRun(): void {
    if (!this.#isOver) return;
    throw new Error(`${this.#name} ended: ${this.#tail()}`);
  }

  /** @throws with the end of its log when the process has ended, and not with success */
  mustNotFail(): void {
    if (this.#child.exitCode !== 0) this.mustRun();
  }

  /** Waits until a look gives something true, and no longer than it runs. */
  async until(what: string, look: () => Promise<boolean>, patience: Patience): Promise<void> {
    await until(what, async () => this.#isOver || (await look()), patience);
    this.mustRun();
  }

  /** Ends it as Ctrl-C does. */
  async stop(): Promise<void> {
    this.mustRun();
    this.#child.kill('SIGTERM');
    await this.ended();
  }

  /** kill -9. */
  kill(): void {
    this.mustRun();
    this.#child.kill('SIGKILL');
  }

  /** Waits for its end. @throws with the end of its log when that is no success */
  async ended(timeoutMs = 600_000): Promise<void> {
    await until(`the end of ${this.#name}`, () => this.#isOver, { timeoutMs });
    const how = await this.#exited;
    if (how !== '0') throw new Error(`${this.#name} ended with ${how}: ${this.#tail()}`);
  }

  /** What it printed. */
  printed(): string {
    return readFileSync(this.#log, 'utf8');
  }

  /** The most memory that it ever had, in bytes (VmHWM of /proc/<pid>/status). */
  peakMemory(): number {
    const status = readFileSync(`/proc/${this.#pid}/status`, 'latin1');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  /** Seconds of CPU so far (utime and stime of /proc/<pid>/stat). */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.#pid}/stat`, 'latin1');
    // The second field is the program's name in parentheses, which may hold spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }

  get #isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  get #pid(): number {
    this.mustRun();
    return this.#child.pid ?? 0;
  }

  #tail(): string {
    return lastLines(this.printed(), 12);
  }
}
