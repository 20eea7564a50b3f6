import { setTimeout as sleep } from 'node:timers/promises';
import { backlogOf, ControlConnection, roleOf, warningFor, type ResolveEndpoint } from '../../clients/redis/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { missingRights } from './rights.ts';

export interface ServerWatchOptions {
  /** The server that is followed. */
  readonly endpoint: ResolveEndpoint;
  /** For how long, in ms, a link may be down without a full resync: what the user wants. */
  readonly toleratedOutageMs: number;
  /** Whether operations write to the master, with rights of their own. */
  readonly operations?: boolean;
  /** Milliseconds between looks; 10,000 by default. */
  readonly intervalMs?: number;
  /** Told once for each reason, and again when the backlog has become too small by twice as much. */
  readonly onWarning: (message: string) => void;
  readonly onBacklog: (facts: BacklogFacts) => void;
}

/** How far back a server's stream can be asked for, and how fast it grows. */
export interface BacklogFacts {
  /** repl-backlog-size, bytes. */
  readonly size: number;
  /** Bytes of the stream a second, between the last two looks. */
  readonly rate: number;
}

/**
 * Looks at the followed server now and then, over a connection of its own, for what will hurt later: rights that the user
 * lacks, being attached to a master, and a backlog that an outage outruns. It only ever warns.
 */
export class ServerWatch {
  readonly #options: ServerWatchOptions;
  readonly #stop = new AbortController();
  #connection: ControlConnection | undefined;
  #running: Promise<void> | undefined;
  #before: { readonly offset: number; readonly at: number } | undefined;
  #isMaster = false;
  /** The last warning of rights that the user lacks. */
  #lacking: string | undefined;
  /** The largest backlog that a warning has asked for, bytes. */
  #asked = 0;

  constructor(options: ServerWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Another server is followed. */
  moved(): void {
    this.#connection?.close();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#connection?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#look();
      } catch (error) {
        // Outages and refused logins are the link's to tell.
        this.#connection?.close();
        this.#connection = undefined;
        this.#before = undefined;
        if (!(error instanceof AfterwriteError)) throw error;
      }
      await sleep(this.#options.intervalMs ?? 10_000, undefined, { signal }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const { endpoint, onWarning, onBacklog, toleratedOutageMs } = this.#options;
    if (this.#connection?.isOpen !== true) {
      this.#before = undefined;
      this.#connection = await ControlConnection.open(await endpoint(), { signal: this.#stop.signal });
      const lacking = await missingRights(this.#connection, this.#options.operations === true);
      if (lacking !== undefined && lacking !== this.#lacking) onWarning(lacking);
      this.#lacking = lacking;
    }
    const backlog = await backlogOf(this.#connection);
    if (backlog !== undefined) {
      const rate = this.#rateOf(backlog.offset);
      onBacklog({ size: backlog.size, rate });
      const needed = Math.ceil((rate * toleratedOutageMs) / 1000);
      if (needed > backlog.size && needed > 2 * this.#asked) {
        this.#asked = needed;
        onWarning(tooSmall(backlog.size, rate, toleratedOutageMs, needed));
      }
    }
    const warning = await masterWarning(this.#connection);
    if (warning !== undefined && !this.#isMaster) onWarning(warning);
    this.#isMaster = warning !== undefined;
  }

  /** Bytes a second since the last look; 0 at the first, and after a server that was set back. */
  #rateOf(offset: number): number {
    const now = { offset, at: performance.now() };
    const before = this.#before;
    this.#before = now;
    if (before === undefined || before.offset > offset) return 0;
    return ((offset - before.offset) * 1000) / Math.max(1, now.at - before.at);
  }
}

/** Undefined also where the role may not be asked for. */
async function masterWarning(connection: ControlConnection): Promise<string | undefined> {
  try {
    return warningFor(await roleOf(connection));
  } catch (error) {
    if (error instanceof AfterwriteError && error.code === 'REDIS_NO_PERMISSION') return undefined;
    throw error;
  }
}

function tooSmall(size: number, rate: number, outageMs: number, needed: number): string {
  const covered = Math.round((size * 1000) / rate);
  return (
    `The replication backlog of the server is too small: it holds ${size} bytes, and the server writes ` +
    `${Math.round(rate)} bytes a second, so after ${covered} ms without a link a full resync is needed. To get over ` +
    `${outageMs} ms (source.toleratedOutage), run CONFIG SET repl-backlog-size ${needed}.`
  );
}
