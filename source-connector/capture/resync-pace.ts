import { readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';

/** The second full resync waits this long, each further one twice as long as the one before, up to the longest, ms. */
const firstWaitMs = 1000;
const longestWaitMs = 60_000;
/** After this long without a full resync the next one does not wait, ms. */
const healthyMs = 300_000;

const record = z.object({
  /** Full resyncs since the last healthy time. */
  count: z.int().nonnegative(),
  /** When the last one was begun or ended, ms since the epoch. */
  at: z.number(),
  /** No other one before this, ms since the epoch. */
  notBefore: z.number(),
});

export interface PaceOptions {
  /** Where it is remembered over restarts. */
  readonly file: string;
  readonly now?: () => number;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/**
 * How soon a full resync may follow another. Each costs the master a fork and a copy of its data, so when something
 * makes them fail, or makes them necessary again and again, they wait longer and longer.
 */
export class ResyncPace {
  readonly #file: string;
  readonly #now: () => number;
  readonly #random: () => number;
  #past: z.infer<typeof record> = { count: 0, at: 0, notBefore: 0 };

  private constructor({ file, now = Date.now, random = Math.random }: PaceOptions) {
    this.#file = file;
    this.#now = now;
    this.#random = random;
  }

  /** Remembers what the file says; one that is not there, or makes no sense, says nothing. */
  static async open(options: PaceOptions): Promise<ResyncPace> {
    const pace = new ResyncPace(options);
    try {
      pace.#past = record.parse(JSON.parse(await readFile(options.file, 'utf8')));
    } catch {
      // It is a courtesy to the master, and never a reason not to work.
    }
    return pace;
  }

  /** How long the next full resync has to wait, ms. */
  waitMs(): number {
    const now = this.#now();
    // A clock that was set back would make it wait for long.
    if (now - this.#past.at > healthyMs || now < this.#past.at) return 0;
    return Math.max(0, this.#past.notBefore - now);
  }

  /** A full resync begins. */
  async began(): Promise<void> {
    const isCalm = this.#now() - this.#past.at > healthyMs;
    await this.#note((isCalm ? 0 : this.#past.count) + 1);
  }

  /** The full resync has ended, well or not: only from now on the time counts as healthy. */
  async ended(): Promise<void> {
    await this.#note(this.#past.count);
  }

  async #note(count: number): Promise<void> {
    const at = this.#now();
    const longest = Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(30, Math.max(0, count - 1)));
    this.#past = { count, at, notBefore: at + Math.round(longest * (0.5 + this.#random() / 2)) };
    await writeFile(this.#file, JSON.stringify(this.#past)).catch(() => undefined);
  }
}
