import type { Masters } from '../../clients/redis/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { fault } from '../../ops/faults.ts';
import { retryUntilDone } from '../../ops/retry.ts';
import type { RecordedEffect } from '../record/recorder.ts';
import { carryOut, EFFECT_COMMANDS } from './effect-script.ts';

/** Effects that may wait, and bytes of their hashes, before the stream waits with them. */
const MOST = 10_000;
const MOST_BYTES = 32 * 1024 * 1024;
/** As many, or as many bytes, go to a socket together, and as many of these groups are on their way at once. */
const GROUP = 50;
const GROUP_BYTES = 256 * 1024;
const GROUPS = 8;
/** An outage that is over is noticed at most this much later, ms. */
const LONGEST_WAIT_MS = 5000;
/** A slot that goes to another shard waits for them so long, ms. */
const DONE_PATIENCE_MS = 5000;
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
  readonly #masters: Masters;
  readonly #news: EffectsNews;
  readonly #stopping: AbortSignal;
  readonly #stop = new AbortController();
  /** By the batch that they belong to. */
  readonly #uncommitted = new Map<object, RecordedEffect[]>();
  /** What is still to be sent, in order. */
  #queue: RecordedEffect[] = [];
  /** Of what is to be sent, or on its way. */
  #count = 0;
  #bytes = 0;
  #running: Promise<void> | undefined;
  #failure: { readonly by: unknown } | undefined;
  #wake: (() => void)[] = [];

  /**
   * @param masters of what is followed, where effects are carried out; they are closed with this
   * @param stopping from then on nobody waits for room
   */
  constructor(masters: Masters, news: EffectsNews, stopping: AbortSignal) {
    this.#masters = masters;
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
      this.#count++;
      this.#bytes += bytesOf(effect);
    }
    this.#news.effectsWaiting(this.#count);
    if (this.#running === undefined && this.#queue.length > 0 && this.#failure === undefined) {
      this.#running = this.#run().catch((by: unknown) => {
        this.#failure = { by };
        this.#ring();
      });
    }
  }

  /** Waits until not too many wait. @throws what only a person can mend */
  async room(): Promise<void> {
    await this.#until(() => !this.#isFull, this.#stopping);
    if (this.#failure !== undefined) throw this.#failure.by;
  }

  get #isFull(): boolean {
    return this.#count >= MOST || this.#bytes >= MOST_BYTES;
  }

  /** How many wait, or are on their way, or belong to a batch that is not committed yet. */
  get count(): number {
    return [...this.#uncommitted.values()].reduce((sum, { length }) => sum + length, this.#count);
  }

  /** The keys with effects that belong to a batch that is not committed yet, as `placeName` has them. */
  uncommitted(): Set<string> {
    const names = new Set<string>();
    for (const effects of this.#uncommitted.values()) for (const { db, key } of effects) names.add(placeName(db, key));
    return names;
  }

  /** Waits until all that may be done is done, or it has taken too long. */
  async done(): Promise<void> {
    const late = AbortSignal.timeout(DONE_PATIENCE_MS);
    await this.#until(() => this.#count === 0, AbortSignal.any([late, this.#stopping]));
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
    this.#masters.close();
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      let before = this.#count;
      await retryUntilDone(() => this.#carryOutAll(), {
        signal: this.#stop.signal,
        firstWaitMs: 100,
        longestWaitMs: LONGEST_WAIT_MS,
        worked: () => {
          const worked = this.#count < before;
          before = this.#count;
          return worked;
        },
        onWait: ({ error, waitMs }) => {
          this.#news.effectsWait(error, waitMs);
        },
      });
    }
    this.#running = undefined;
  }

  /**
   * Sends what waits, in its order. Groups follow each other without waiting for the answers of the first, which on a busy machine
   * takes much longer than the work; they are few, so that what a server that has stopped has to be asked again is little.
   * @throws the first failure, when all that is on its way has come back; what failed is the first of what waits, then
   */
  async #carryOutAll(): Promise<void> {
    const failed: RecordedEffect[] = [];
    const groups: Promise<readonly Failed[]>[] = [];
    let failure: Failed | undefined;
    const goesOn = (): boolean => this.#queue.length > 0 && failure === undefined && !this.#stop.signal.aborted;
    while (groups.length > 0 || goesOn()) {
      while (groups.length < GROUPS && goesOn()) {
        fault('source.effects');
        groups.push(this.#carryOut(this.#nextGroup()));
      }
      for (const one of (await groups.shift()) ?? []) {
        failed.push(one.effect);
        failure ??= one;
      }
    }
    if (failure === undefined) return;
    this.#queue = [...failed, ...this.#queue];
    // Another server may be the master now.
    this.#masters.forget();
    throw withRights(failure.by);
  }

  #nextGroup(): RecordedEffect[] {
    let [count, bytes] = [0, 0];
    for (const effect of this.#queue) {
      bytes += bytesOf(effect);
      if (count === GROUP || (count > 0 && bytes > GROUP_BYTES)) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #carryOut(effects: readonly RecordedEffect[]): Promise<readonly Failed[]> {
    const settled = await Promise.allSettled(effects.map((effect) => this.#one(effect)));
    const failed: Failed[] = [];
    for (const [index, effect] of effects.entries()) {
      const one = settled[index];
      if (one?.status === 'rejected') {
        failed.push({ effect, by: one.reason });
      } else {
        this.#count--;
        this.#bytes -= bytesOf(effect);
      }
    }
    this.#news.effectsWaiting(this.#count);
    this.#ring();
    return failed;
  }

  async #one(effect: RecordedEffect): Promise<void> {
    try {
      await carryOut(this.#masters, effect);
    } catch (error) {
      if (effect.id === null || !(error instanceof AfterwriteError) || !error.what.includes('WRONGTYPE')) throw error;
      this.#news.unacknowledged(effect.key, error);
      await carryOut(this.#masters, { ...effect, id: null });
    }
  }

  async #until(holds: () => boolean, signal: AbortSignal): Promise<void> {
    const ring = (): void => {
      this.#ring();
    };
    signal.addEventListener('abort', ring);
    try {
      while (this.#failure === undefined && !holds() && !signal.aborted) {
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
    } finally {
      signal.removeEventListener('abort', ring);
    }
  }

  #ring(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** Names a key of a database. */
export function placeName(db: number, key: Buffer): string {
  return `${db}:${key.toString('latin1')}`;
}

interface Failed {
  readonly effect: RecordedEffect;
  readonly by: unknown;
}

function bytesOf({ key, value, hash }: RecordedEffect): number {
  return key.length + (value?.length ?? 0) + (hash?.length ?? 0);
}

function withRights(error: unknown): unknown {
  if (!(error instanceof AfterwriteError) || error.code !== 'REDIS_NO_PERMISSION') return error;
  const { code, what, where } = error;
  const remedy = `Operations need rights on the master: ACL SETUSER with ${EFFECT_COMMANDS.join(' ')}, on the keys of the mapping and on {<key>}<id>; in a cluster with +asking +cluster|nodes, too.`;
  return new AfterwriteError(code, what, { where, remedy, cause: error });
}
