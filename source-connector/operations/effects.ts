import { openMaster, type ControlConnection, type ResolveEndpoint } from '../../clients/redis/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { fault } from '../../ops/faults.ts';
import { retryUntilDone } from '../../ops/retry.ts';
import type { RecordedEffect } from '../record/recorder.ts';
import { carryOut, EFFECT_COMMANDS } from './effect-script.ts';

/** Effects that may wait, and bytes of their hashes, before the stream waits with them. */
const MOST = 10_000;
const MOST_BYTES = 32 * 1024 * 1024;
/** As many are on their way at once. */
const AT_ONCE = 200;
/** At an orderly end those that wait have so long, ms; the next life does the others. */
const END_PATIENCE_MS = 2000;

export interface EffectsNews {
  /** The master cannot be asked now; it is tried again after so many ms. */
  effectsWait(error: AfterwriteError, waitMs: number): void;
  /** An acknowledgement cannot be written, now or later. */
  unacknowledged(key: Buffer, error: AfterwriteError): void;
  /** So many effects wait, or are on their way. */
  effectsWaiting(count: number): void;
}

/**
 * What operations ask for in Redis (rule 22), beside the commits: effects wait until the batch that they belong to is committed, and
 * are then carried out in their order, on the master. What a crash takes with it is found again by the fields `#` that are left.
 */
export class Effects {
  readonly #followed: ResolveEndpoint;
  readonly #news: EffectsNews;
  readonly #stopping: AbortSignal;
  readonly #stop = new AbortController();
  /** By the batch that they belong to. */
  readonly #uncommitted = new Map<object, RecordedEffect[]>();
  #queue: RecordedEffect[] = [];
  #bytes = 0;
  #connection: ControlConnection | undefined;
  #running: Promise<void> | undefined;
  #failure: { readonly by: unknown } | undefined;
  #wake: (() => void)[] = [];

  /**
   * @param followed the server that is followed; its master is where effects are carried out
   * @param stopping from then on nobody waits for room
   */
  constructor(followed: ResolveEndpoint, news: EffectsNews, stopping: AbortSignal) {
    this.#followed = followed;
    this.#news = news;
    this.#stopping = stopping;
  }

  /** Has an effect wait for the commit of a batch. */
  add(batch: object, effect: RecordedEffect): void {
    const known = this.#uncommitted.get(batch);
    if (known === undefined) this.#uncommitted.set(batch, [effect]);
    else known.push(effect);
  }

  /** Whether effects wait for the commit of this batch. */
  has(batch: object): boolean {
    return this.#uncommitted.has(batch);
  }

  /** The batch is committed: what belongs to it may be done. */
  committed(batch: object): void {
    const effects = this.#uncommitted.get(batch);
    this.#uncommitted.delete(batch);
    if (effects !== undefined) this.begin(effects);
  }

  /** Carries out what waits for no commit. */
  begin(effects: readonly RecordedEffect[]): void {
    for (const effect of effects) {
      this.#queue.push(effect);
      this.#bytes += bytesOf(effect);
    }
    this.#news.effectsWaiting(this.#queue.length);
    if (this.#running === undefined && this.#queue.length > 0 && this.#failure === undefined) {
      this.#running = this.#run().catch((by: unknown) => {
        this.#failure = { by };
        this.#ring();
      });
    }
  }

  /** Waits until not too many wait. @throws what only a person can mend */
  async room(): Promise<void> {
    const ring = (): void => {
      this.#ring();
    };
    this.#stopping.addEventListener('abort', ring);
    try {
      while (this.#isFull && !this.#stopping.aborted) await new Promise<void>((resolve) => this.#wake.push(resolve));
    } finally {
      this.#stopping.removeEventListener('abort', ring);
    }
    if (this.#failure !== undefined) throw this.#failure.by;
  }

  get #isFull(): boolean {
    return this.#failure === undefined && (this.#queue.length >= MOST || this.#bytes >= MOST_BYTES);
  }

  /** Gives what waits a moment, and ends. */
  async close(): Promise<void> {
    const late = setTimeout(() => {
      this.#end();
    }, END_PATIENCE_MS);
    await this.#running;
    clearTimeout(late);
    this.#end();
  }

  #end(): void {
    this.#stop.abort();
    this.#connection?.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, AT_ONCE);
      fault('source.effects');
      await retryUntilDone(() => this.#carryOut(batch), {
        signal,
        firstWaitMs: 100,
        longestWaitMs: 10_000,
        onWait: ({ error, waitMs }) => {
          this.#news.effectsWait(error, waitMs);
        },
      });
      this.#queue = this.#queue.slice(batch.length);
      for (const effect of batch) this.#bytes -= bytesOf(effect);
      this.#news.effectsWaiting(this.#queue.length);
      this.#ring();
    }
    this.#running = undefined;
  }

  async #carryOut(effects: readonly RecordedEffect[]): Promise<void> {
    try {
      const isNew = this.#connection?.isOpen !== true;
      if (this.#connection?.isOpen !== true) {
        this.#connection = await openMaster(await this.#followed(), { signal: this.#stop.signal });
      }
      const connection = this.#connection;
      const settled = await Promise.allSettled(effects.map((effect) => this.#one(connection, effect, isNew)));
      for (const one of settled) if (one.status === 'rejected') throw one.reason;
    } catch (error) {
      // Another server may be the master now.
      this.#connection?.close();
      this.#connection = undefined;
      throw withRights(error);
    }
  }

  async #one(connection: ControlConnection, effect: RecordedEffect, isNew: boolean): Promise<void> {
    try {
      await carryOut(connection, effect);
    } catch (error) {
      // The master has not got the slot any more: its field goes with the hash, to the shard that will publish it.
      if (isNew && error instanceof AfterwriteError && /"(MOVED|ASK) /.test(error.what)) return;
      if (effect.id === null || !(error instanceof AfterwriteError) || !/WRONGTYPE|CROSSSLOT/.test(error.what)) {
        throw error;
      }
      this.#news.unacknowledged(effect.key, error);
      await carryOut(connection, { ...effect, id: null });
    }
  }

  #ring(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

function bytesOf({ key, value, hash }: RecordedEffect): number {
  return key.length + (value?.length ?? 0) + (hash?.length ?? 0);
}

function withRights(error: unknown): unknown {
  if (!(error instanceof AfterwriteError) || error.code !== 'REDIS_NO_PERMISSION') return error;
  const { code, what, where } = error;
  const remedy = `Operations need rights on the master: ACL SETUSER with ${EFFECT_COMMANDS.join(' ')}, on the keys of the mapping and on {<key>}<id>.`;
  return new AfterwriteError(code, what, { where, remedy, cause: error });
}
