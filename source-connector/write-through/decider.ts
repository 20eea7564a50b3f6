import { setTimeout as sleep } from 'node:timers/promises';
import { asList, asText, type ControlConnection } from '../../clients/redis/index.ts';
import { AfterwriteError, reasonOf } from '../../ops/errors/index.ts';
import { fault } from '../../ops/faults.ts';
import type { PendingWrite } from '../pending-write.ts';
import { decide, reportStreamOf, type Verdict } from './verdict.ts';

/** The next look at a write comes after this share of its age, within these bounds, ms. */
const LOOK_SHARE = 1 / 20;
const SOONEST_MS = 1;
const LATEST_MS = 100;
/** A verdict that the stream has not shown for so long is asked for again: a server that failed over may have lost it, ms. */
const SEEN_WITHIN_MS = 2000;
/** After a refusal of the server, ms. */
const REFUSED_MS = 1000;
/** As many looks are sent before the first is answered. */
const LOOKS = 200;

/** When writes of a mapping count as done, and as failed. */
export interface Terms {
  readonly mapping: string;
  /** Names of the sinks that have to have written the row. */
  readonly sinks: readonly string[];
  readonly timeoutMs: number;
}

/** What is told of writes, for logs and metrics. */
export interface WriteThroughNews {
  /** It was decided on a write. */
  writtenThrough(mapping: string, verdict: 'done' | 'failed'): void;
  /** Writes cannot be decided on now. */
  writeThroughWaits(error: AfterwriteError): void;
}

export interface DeciderOptions {
  /** The first pending write of each key. */
  readonly heads: () => Iterable<PendingWrite>;
  /** Undefined for a key that is not written through any more: its writes fail. */
  readonly termsOf: (db: number, key: Buffer) => Terms | undefined;
  /** Connects to the master. */
  readonly open: () => Promise<ControlConnection>;
  /** The version of the position that the life began with. */
  readonly version: number;
  readonly news: WriteThroughNews;
  readonly stopping: AbortSignal;
}

/** What is known of a write that is looked at. */
interface Watched {
  nextAt: number;
  verdict: Verdict | undefined;
}

/**
 * Decides on the writes that are committed to Kafka: looks at what the sinks have reported, and has the script write the verdict. Any
 * number of them may do so for one write, one after the other or at once: the first verdict counts.
 */
export class Decider {
  readonly #options: DeciderOptions;
  readonly #watched = new Map<number, Watched>();
  #version: number;
  #wake: () => void = () => undefined;
  #connection: ControlConnection | undefined;
  #running: Promise<void> | undefined;

  constructor(options: DeciderOptions) {
    this.#options = options;
    this.#version = options.version;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** All writes up to this number are committed. */
  committed(version: number): void {
    this.#version = version;
    this.#wake();
  }

  /** After `stopping`. */
  async close(): Promise<void> {
    await this.#running;
    this.#connection?.close();
  }

  #isStopping(): boolean {
    return this.#options.stopping.aborted;
  }

  async #run(): Promise<void> {
    for (let troubles = 0; !this.#isStopping();) {
      try {
        await this.#round();
        troubles = 0;
        await this.#pause();
      } catch (error) {
        if (this.#isStopping()) return;
        this.#connection?.close();
        this.#connection = undefined;
        this.#options.news.writeThroughWaits(asTrouble(error));
        await this.#sleep(Math.min(10_000, 100 * 2 ** troubles++));
      }
    }
  }

  /** Looks once at every write whose time has come. */
  async #round(): Promise<void> {
    const now = Date.now();
    const due: PendingWrite[] = [];
    const heads = new Set<number>();
    for (const write of this.#options.heads()) {
      if (write.number > this.#version) continue;
      heads.add(write.number);
      if ((this.#watched.get(write.number)?.nextAt ?? 0) <= now && due.length < LOOKS) due.push(write);
    }
    for (const number of this.#watched.keys()) if (!heads.has(number)) this.#watched.delete(number);
    if (due.length === 0) return;
    const connection = (this.#connection ??= await this.#options.open());
    const looks = due.map((write) => this.#look(connection, write));
    for (const look of await Promise.allSettled(looks)) if (look.status === 'rejected') throw look.reason;
  }

  async #look(connection: ControlConnection, write: PendingWrite): Promise<void> {
    const { db, key, number, at } = write;
    const terms = this.#options.termsOf(db, key);
    try {
      const known = this.#watched.get(number)?.verdict;
      const verdict = known ?? verdictOf(write, terms, await reportsOf(connection, write), Date.now());
      if (verdict === undefined) {
        this.#watch(number, Math.min(LATEST_MS, Math.max(SOONEST_MS, (Date.now() - at) * LOOK_SHARE)));
        return;
      }
      fault('source.verdict-due');
      const stands = await decide(connection, write, verdict);
      if (stands === undefined) {
        this.#watch(number, LATEST_MS);
        return;
      }
      fault('source.verdict-written');
      if (known === undefined) this.#options.news.writtenThrough(terms?.mapping ?? '', stands);
      this.#watch(number, SEEN_WITHIN_MS, verdict);
    } catch (error) {
      // Of this very write; an outage is for the loop to wait for.
      if (!(error instanceof AfterwriteError) || error.code !== 'REDIS_REFUSED') throw error;
      this.#options.news.writeThroughWaits(error);
      this.#watch(number, REFUSED_MS, this.#watched.get(number)?.verdict);
    }
  }

  #watch(number: number, ms: number, verdict?: Verdict): void {
    this.#watched.set(number, { nextAt: Date.now() + ms, verdict });
  }

  /** Until the next write is due, or others are committed. */
  async #pause(): Promise<void> {
    let next = Infinity;
    const version = this.#version;
    for (const { number } of this.#options.heads()) {
      if (number <= version) next = Math.min(next, this.#watched.get(number)?.nextAt ?? 0);
    }
    await this.#sleep(Math.min(SEEN_WITHIN_MS, Math.max(SOONEST_MS, next - Date.now())));
  }

  async #sleep(ms: number): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => {
      woken.abort();
    };
    await sleep(ms, undefined, { signal: AbortSignal.any([woken.signal, this.#options.stopping]) }).catch(
      () => undefined,
    );
  }
}

/** What one sink has said of a write. */
interface Report {
  readonly sink: string;
  /** Undefined: it has written the row. */
  readonly failure: string | undefined;
}

/** What is to be decided now; undefined: nothing yet. `now` in ms since the epoch. */
export function verdictOf(
  { operation, error, at }: Pick<PendingWrite, 'operation' | 'error' | 'at'>,
  terms: Omit<Terms, 'mapping'> | undefined,
  reports: readonly Report[],
  now: number,
): Verdict | undefined {
  if (error !== '') return { kind: 'failed', error };
  if (terms === undefined) return { kind: 'failed', error: 'the mapping is not written through any more' };
  if (operation === '+' || operation === '-') return { kind: 'done' };
  const { sinks, timeoutMs } = terms;
  const failed = reports.find(({ failure, sink }) => failure !== undefined && sinks.includes(sink));
  if (failed !== undefined) return { kind: 'failed', error: `${failed.sink}: ${failed.failure ?? ''}` };
  const missing = sinks.filter((sink) => !reports.some((report) => report.sink === sink));
  if (missing.length === 0) return { kind: 'done' };
  if (now < at + timeoutMs) return undefined;
  return { kind: 'failed', error: `not written within ${timeoutMs} ms by ${missing.join(', ')}` };
}

async function reportsOf(connection: ControlConnection, write: PendingWrite): Promise<Report[]> {
  if (write.error !== '' || write.operation === '+' || write.operation === '-') return [];
  // Nothing of this connection comes between the two.
  const [, entries] = await Promise.all([
    connection.call('SELECT', write.db),
    connection.call('XRANGE', reportStreamOf(write), '-', '+'),
  ]);
  return asList(entries).flatMap((entry) => {
    const texts = asList(asList(entry)[1]).map(asText);
    const valueOf = (name: string): string | undefined => {
      const at = texts.findIndex((text, index) => index % 2 === 0 && text === name);
      return at < 0 ? undefined : texts[at + 1];
    };
    const sink = valueOf('sink');
    if (sink === undefined) return [];
    return [{ sink, failure: valueOf('status') === 'done' ? undefined : (valueOf('error') ?? 'it has failed') }];
  });
}

function asTrouble(error: unknown): AfterwriteError {
  return error instanceof AfterwriteError ? error : new AfterwriteError('INTERNAL', reasonOf(error), { cause: error });
}
