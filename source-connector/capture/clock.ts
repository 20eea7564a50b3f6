import { setTimeout as sleep } from 'node:timers/promises';
import { addressOf, ControlConnection, Subscription, type ResolveEndpoint } from '../../clients/redis/index.ts';
import { AfterwriteError, reasonOf } from '../../ops/errors/index.ts';
import { ClockBounds } from './clock-bounds.ts';
import { readClock } from './clock-sample.ts';
import { Evictions, type Evicted } from './evictions.ts';

export interface MasterClockOptions {
  /** The master, or a replica, which is asked for its master; the same credentials must hold there. */
  readonly endpoint: ResolveEndpoint;
  /** Milliseconds between samples; 100 by default. Bounds are about as wide as this. */
  readonly intervalMs?: number;
  /** Told how far the stream is at each sample. */
  readonly onOffset?: (replid: string, offset: number) => void;
  /** Told once for each reason why nothing can be proven until a person acts. */
  readonly onWarning: (message: string) => void;
}

const longestWaitMs = 5_000;
/** After a refusal, which only a person can lift. */
const refusedWaitMs = 60_000;
/** Replicas of replicas are followed up to here. */
const mostHops = 8;

/** Where a server tells which keys it evicts, when `notify-keyspace-events` has `E` and `e`. */
const evictedChannels = '__keyevent@*__:evicted';
/** A sample that is asked for and does not come within this proves nothing, ms. */
const reachPatienceMs = 1_000;

/**
 * The clock of the master that writes a stream, and its evictions, as far as they are proven (rule 5). Samples them over
 * control connections of its own, reconnects without a word, and proves nothing while it cannot.
 */
export class MasterClock {
  readonly #options: MasterClockOptions;
  readonly #intervalMs: number;
  readonly #bounds = new ClockBounds();
  readonly #evictions = new Evictions();
  readonly #stop = new AbortController();
  readonly #warned = new Set<string>();
  #replid: string | undefined;
  #connection: ControlConnection | undefined;
  #subscription: Subscription | undefined;
  /** Whether the last sample could not be taken. */
  #failing = false;
  /** Begins the next sample at once. */
  #hurry = new AbortController();
  /** Told of each sample, and of each that failed. */
  #sampled: (() => void)[] = [];
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
    this.#evictions.reset();
  }

  /** At least this late, in ms since the epoch, ran a command that begins at offset `start`; 0 when nothing is proven. */
  notBefore(start: number): number {
    return this.#bounds.notBefore(start);
  }

  /** At most this late, in ms since the epoch, ran a command that ends at offset `end`; Infinity when nothing is proven. */
  notAfter(end: number): number {
    return this.#bounds.notAfter(end, performance.now());
  }

  /** Whether the server evicts keys by its settings, so that a removal has to be proven to be no eviction. */
  get mayEvict(): boolean {
    return this.#evictions.possible ?? !this.#failing;
  }

  /**
   * Whether the DEL or UNLINK of this key at these offsets was an eviction. A server that may never be looked at is taken
   * for one that does not evict.
   */
  evicted(start: number, end: number, db: number, key: Buffer, hasExpiry: boolean): Evicted {
    if (this.#evictions.possible === undefined && this.#failing) return 'no';
    return this.#evictions.evicted(start, end, db, key, hasExpiry);
  }

  /** Waits for a sample at this offset or behind it, and hurries it up; gives up when it does not come. */
  async reach(offset: number): Promise<void> {
    const deadline = performance.now() + reachPatienceMs;
    const mayCome = (): boolean => !this.#failing && !this.#stop.signal.aborted && performance.now() < deadline;
    while (!this.#evictions.reaches(offset) && mayCome()) {
      const sampled = new Promise<void>((resolve) => this.#sampled.push(resolve));
      this.#hurry.abort();
      const late = sleep(deadline - performance.now(), undefined, { ref: false });
      await Promise.race([sampled, late]);
    }
  }

  /** Nobody will ask about commands that begin before `offset` any more. */
  passed(offset: number): void {
    this.#bounds.passed(offset);
    this.#evictions.passed(offset);
  }

  /** Another server is followed: the next sample looks for its master. */
  moved(): void {
    this.#disconnect();
  }

  /** Stops sampling; what was proven stays. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#disconnect();
    await this.#running;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      let waitMs = this.#intervalMs;
      this.#hurry = new AbortController();
      try {
        await this.#sample();
        failures = 0;
        this.#failing = false;
      } catch (error) {
        this.#disconnect();
        failures += 1;
        this.#failing = true;
        waitMs = this.#afterFailure(error, failures);
      }
      for (const told of this.#sampled.splice(0)) told();
      const signals = failures === 0 ? [this.#stop.signal, this.#hurry.signal] : [this.#stop.signal];
      await sleep(waitMs, undefined, { signal: AbortSignal.any(signals) }).catch(() => undefined);
    }
    this.#disconnect();
  }

  #disconnect(): void {
    this.#connection?.close();
    this.#connection = undefined;
    this.#unsubscribe();
  }

  #unsubscribe(): void {
    this.#subscription?.close();
    this.#subscription = undefined;
    this.#evictions.unheard();
  }

  async #sample(): Promise<void> {
    this.#connection ??= await this.#open();
    for (let hops = 0; hops < mostHops; hops++) {
      const reading = await readClock(this.#connection);
      if (reading.kind === 'master') {
        if (reading.replid !== this.#replid) return;
        this.#bounds.add(reading.sample);
        // Every eviction that the sample counts was told before the server answers this.
        if (reading.evictions.evicts !== 'nothing') await this.#listen(this.#connection);
        if (reading.replid !== this.#replid) return;
        if (!this.#evictions.add(reading.evictions)) this.#warnUnnamed();
        this.#options.onOffset?.(reading.replid, reading.sample.offset);
        return;
      }
      this.#unsubscribe();
      this.#connection = await this.#openMaster(this.#connection, reading.masterHost, reading.masterPort);
    }
    const where = { redis: addressOf(this.#connection.endpoint) };
    throw new AfterwriteError('REDIS_LOADING', `no master within ${mostHops} steps of replication`, { where });
  }

  /** Hears which keys the server evicts, and waits for what it had to tell until now. */
  async #listen({ endpoint }: ControlConnection): Promise<void> {
    if (this.#subscription?.isOpen === false) this.#unsubscribe();
    try {
      this.#subscription ??= await Subscription.open(
        endpoint,
        evictedChannels,
        (channel, key) => {
          this.#evictions.named(databaseOf(channel), key);
        },
        this.#stop.signal,
      );
      await this.#subscription.flushed();
    } catch (error) {
      this.#unsubscribe();
      if (!(error instanceof AfterwriteError)) throw error;
    }
  }

  #warnUnnamed(): void {
    if (this.#warned.has('evictions')) return;
    this.#warned.add('evictions');
    this.#options.onWarning(
      'The Redis master evicts keys and does not tell which, so removals at those times are `ambiguous`, deletes ' +
        'included. Run CONFIG SET notify-keyspace-events with `Ee` (beside what it has), and let the user hear it: ' +
        `+psubscribe +ping &${evictedChannels}.`,
    );
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

/** The database in `__keyevent@<db>__:evicted`. */
function databaseOf(channel: Buffer): number {
  return Number(channel.toString('latin1').slice('__keyevent@'.length).split('__')[0]);
}
