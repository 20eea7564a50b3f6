import { setTimeout as sleep } from 'node:timers/promises';
import { addressOf, ControlConnection, type ResolveEndpoint } from '../../clients/redis/index.ts';
import { AfterwriteError, reasonOf } from '../../ops/errors/index.ts';
import { ClockBounds } from './clock-bounds.ts';
import { readClock } from './clock-sample.ts';

export interface MasterClockOptions {
  /** The master, or a replica, which is asked for its master; the same credentials must hold there. */
  readonly endpoint: ResolveEndpoint;
  /** Milliseconds between samples; 100 by default. Bounds are about as wide as this. */
  readonly intervalMs?: number;
  /** Told once for each reason why nothing can be proven until a person acts. */
  readonly onWarning: (message: string) => void;
}

const longestWaitMs = 5_000;
/** After a refusal, which only a person can lift. */
const refusedWaitMs = 60_000;
/** Replicas of replicas are followed up to here. */
const mostHops = 8;

/**
 * The clock of the master that writes a stream, as far as it is proven (rule 5). Samples it over a control connection of
 * its own, reconnects without a word, and proves nothing while it cannot.
 */
export class MasterClock {
  readonly #options: MasterClockOptions;
  readonly #intervalMs: number;
  readonly #bounds = new ClockBounds();
  readonly #stop = new AbortController();
  readonly #warned = new Set<string>();
  #replid: string | undefined;
  #connection: ControlConnection | undefined;
  #running: Promise<void> | undefined;

  constructor(options: MasterClockOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs ?? 100;
  }

  /** Begins to sample. */
  start(): void {
    this.#running ??= this.#run();
  }

  /**
   * Names the stream whose offsets are asked about from now on; samples of any other are dropped. A new replid is
   * another master with another clock, so nothing that was proven holds any more.
   * @param floorMs what `notBefore` said at the position that the stream goes on from, if its replid was this one
   */
  follow(replid: string, floorMs = 0): void {
    if (replid === this.#replid) return;
    this.#replid = replid;
    this.#bounds.reset(floorMs);
  }

  /** At least this late, in ms since the epoch, ran a command that begins at offset `start`; 0 when nothing is proven. */
  notBefore(start: number): number {
    return this.#bounds.notBefore(start);
  }

  /** At most this late, in ms since the epoch, ran a command that ends at offset `end`; Infinity when nothing is proven. */
  notAfter(end: number): number {
    return this.#bounds.notAfter(end, performance.now());
  }

  /** Nobody will ask about commands that begin before `offset` any more. */
  passed(offset: number): void {
    this.#bounds.passed(offset);
  }

  /** Stops sampling; what was proven stays. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#connection?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      let waitMs = this.#intervalMs;
      try {
        await this.#sample();
        failures = 0;
      } catch (error) {
        this.#connection?.close();
        this.#connection = undefined;
        failures += 1;
        waitMs = this.#afterFailure(error, failures);
      }
      await sleep(waitMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
    this.#connection?.close();
  }

  async #sample(): Promise<void> {
    this.#connection ??= await this.#open();
    for (let hops = 0; hops < mostHops; hops++) {
      const reading = await readClock(this.#connection);
      if (reading.kind === 'master') {
        if (reading.replid === this.#replid) this.#bounds.add(reading.sample);
        return;
      }
      this.#connection = await this.#openMaster(this.#connection, reading.masterHost, reading.masterPort);
    }
    const where = { redis: addressOf(this.#connection.endpoint) };
    throw new AfterwriteError('REDIS_LOADING', `no master within ${mostHops} steps of replication`, { where });
  }

  async #open(): Promise<ControlConnection> {
    const endpoint = await this.#options.endpoint();
    return ControlConnection.open(endpoint, { signal: this.#stop.signal });
  }

  /** Leaves a replica for the master that it names. */
  async #openMaster(replica: ControlConnection, host: string, port: number): Promise<ControlConnection> {
    replica.close();
    const endpoint = { ...replica.endpoint, host, port };
    try {
      return await ControlConnection.open(endpoint, { signal: this.#stop.signal });
    } catch (error) {
      if (!this.#stop.signal.aborted) {
        const remedy = 'Make the master reachable from here with the same credentials';
        this.#warnOnce('master', `${remedy}: ${addressOf(replica.endpoint)} is a replica of it. ${reasonOf(error)}`);
      }
      throw error;
    }
  }

  #afterFailure(error: unknown, failures: number): number {
    const growing = Math.min(longestWaitMs, this.#intervalMs * 2 ** Math.min(failures, 16)) * (0.5 + Math.random() / 2);
    if (this.#stop.signal.aborted || !(error instanceof AfterwriteError)) return growing;
    if (error.recovery !== 'stop') return growing;
    this.#warnOnce(error.code, `Grant the user +multi +exec +time +info on the master. ${error.message}`);
    return refusedWaitMs;
  }

  #warnOnce(reason: string, advice: string): void {
    if (this.#warned.has(reason)) return;
    this.#warned.add(reason);
    this.#options.onWarning(
      `The clock of the Redis master cannot be read, so no removal is proven to be an expiry. ${advice}`,
    );
  }
}
