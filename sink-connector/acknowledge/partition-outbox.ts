import { setTimeout as sleep } from 'node:timers/promises';
import type { Acknowledgement } from '../../clients/redis/index.ts';
import { abortable } from '../../ops/abortable.ts';
import { AfterwriteError, reasonOf } from '../../ops/errors/index.ts';
import { fault } from '../../ops/faults.ts';
import { retryUntilDone, type RetryOptions, type RetryWait } from '../../ops/retry.ts';
import type { KeyPattern } from '../../schemas/index.ts';
import type { Changes } from '../decode/change.ts';
import type { OutboxRow, StoredOffset } from '../write/port.ts';
import { askedFor, type AskedFor } from './asked.ts';
import { acknowledgementOf, markAt, outboxRow, separateMark, type Acknowledger } from './outbox-entry.ts';
import type { Sent } from './sender.ts';

/** The rows of a partition's outbox in its database. */
export interface OutboxStore {
  read(limit: number, retry: RetryOptions): Promise<readonly OutboxRow[]>;
  drop(rows: readonly OutboxRow[], retry: RetryOptions): Promise<void>;
}

export interface OutboxListener {
  /** How many acknowledgements are known to wait. */
  pends(count: number): void;
  acknowledged(sent: readonly { readonly row: OutboxRow; readonly failed: boolean; readonly outcome: Sent }[]): void;
  acknowledgementsWait(wait: RetryWait): void;
}

export interface OutboxSettings extends Acknowledger {
  readonly pattern: KeyPattern;
  readonly store: OutboxStore;
  /** @throws ACKNOWLEDGEMENTS_WAIT */
  readonly send: (acknowledgements: readonly Acknowledgement[]) => Promise<readonly Sent[]>;
  readonly listener: OutboxListener;
}

/** Acknowledgements on their way to Redis at once. */
const atOnce = 500;
/** How many wait in memory; the others are read from the database when it is their turn. */
const inMemory = 5000;
/** An outage that is over is noticed at most this much later, ms. */
const longestWait = 5000;
/** An id whose event is older is not told of, µs: streams last an hour, and a first fill would make one for each row. */
const tooOld = 24n * 3600n * 1_000_000n;

/**
 * The acknowledgements of one partition (rule 22). What is to be said of a batch is kept in the outbox, a table beside the
 * offsets, in the transaction of the batch. Beside the writing it is sent, and then dropped. So a commit is acknowledged whatever
 * dies, and rows never wait for Redis: there is no limit to what the table holds, and one to what is in memory.
 *
 * A mark in the outbox says up to which offset ids were kept. It never goes back, so records that a replay has written again
 * are not acknowledged again.
 */
export class PartitionOutbox {
  readonly #settings: OutboxSettings;
  readonly #queue: OutboxRow[] = [];
  /** Rows that stand in the database only, as far as they were counted. */
  #unread = 0;
  /** Whether the database may hold rows that are not in the queue. */
  #hasMore = true;
  #through = -1n;
  #wake: () => void = () => undefined;

  constructor(settings: OutboxSettings) {
    this.#settings = settings;
  }

  /** After a claim: reads up to where ids were kept. */
  async begin(owned: StoredOffset, retry: RetryOptions): Promise<void> {
    const { store } = this.#settings;
    const { mark } = separateMark(await store.read(1, retry));
    // Where offsets count anew, as in a table that is filled again, so do these.
    const isNew = owned.owner === 1n && owned.epoch === 0n;
    if (isNew && mark !== undefined) await store.drop([mark], retry);
    this.#through = isNew || mark === undefined ? -1n : BigInt(mark.entry);
    this.#readAgain();
  }

  /** What of a batch is to be acknowledged; undefined for nothing. @param now ms since the epoch */
  collect(changes: Changes, now = Date.now()): KeptIds | undefined {
    const { pattern } = this.#settings;
    const asked = askedFor(changes, pattern, this.#through, BigInt(now) * 1000n - tooOld);
    return asked.length === 0 ? undefined : new KeptIds(this.#settings, asked);
  }

  /** The batch is committed. @param isKnown whether these rows are what stands in the outbox now */
  committed(kept: KeptIds, isKnown: boolean): void {
    this.#through = kept.through;
    if (!isKnown) {
      this.#readAgain();
    } else if (this.#hasMore || this.#queue.length + kept.rows.length > inMemory) {
      this.#unread += kept.rows.length;
      this.#hasMore = true;
    } else {
      this.#queue.push(...kept.rows);
    }
    this.#told();
    this.#wake();
  }

  /** Sends until the signal. Never rejects: what cannot be sent waits. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => {
      this.#wake();
    });
    const retry: RetryOptions = {
      signal,
      longestWaitMs: longestWait,
      onWait: (wait) => {
        this.#settings.listener.acknowledgementsWait(wait);
      },
    };
    for (;;) {
      try {
        signal.throwIfAborted();
        const batch = await this.#next(retry);
        if (batch.length > 0) await this.#send(batch, retry);
        else await this.#waitForMore(signal);
      } catch (error) {
        if (signal.aborted) return;
        // What the database says to nobody else's surprise: the next batch meets it, too.
        this.#settings.listener.acknowledgementsWait({ error: asWaiting(error), attempts: 1, waitMs: longestWait });
        await sleep(longestWait, undefined, { signal }).catch(() => undefined);
        this.#queue.length = 0;
        this.#readAgain();
      }
    }
  }

  async #next(retry: RetryOptions): Promise<OutboxRow[]> {
    if (this.#queue.length === 0 && this.#hasMore) {
      // What is committed during the read may be in it or not.
      this.#unread = 0;
      const { rows } = separateMark(await this.#settings.store.read(inMemory + 1, retry));
      this.#queue.push(...rows);
      this.#hasMore = rows.length >= inMemory || this.#unread > 0;
      if (this.#hasMore && rows.length === 0) return await this.#next(retry);
      this.#told();
    }
    return this.#queue.slice(0, atOnce);
  }

  async #send(batch: readonly OutboxRow[], retry: RetryOptions): Promise<void> {
    const { send, sink, store, listener } = this.#settings;
    const acknowledgements = batch.map((row) => acknowledgementOf(row, sink));
    // A Redis that does not answer holds up no end: what was sent without an answer is sent again.
    const outcomes = await retryUntilDone(() => abortable(send(acknowledgements), retry.signal), retry);
    fault('sink.acknowledgements-sent');
    await store.drop(batch, retry);
    this.#queue.splice(0, batch.length);
    listener.acknowledged(
      batch.map((row, index) => ({
        row,
        failed: acknowledgements[index]?.failure !== undefined,
        outcome: outcomes[index] ?? { kind: 'sent' },
      })),
    );
    this.#told();
  }

  async #waitForMore(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (signal.aborted || this.#hasMore || this.#queue.length > 0) resolve();
    });
  }

  #readAgain(): void {
    this.#hasMore = true;
    this.#wake();
  }

  #told(): void {
    this.#settings.listener.pends(this.#queue.length + this.#unread);
  }
}

/** The ids of one batch. */
export class KeptIds {
  readonly #acknowledger: Acknowledger;
  readonly #asked: readonly AskedFor[];
  /** Those that were made last. */
  rows: readonly OutboxRow[] = [];

  constructor(acknowledger: Acknowledger, asked: readonly AskedFor[]) {
    this.#acknowledger = acknowledger;
    this.#asked = asked;
  }

  get through(): bigint {
    return this.#asked.at(-1)?.offset ?? -1n;
  }

  /** The rows for the transaction of the batch. @param failures why events were rejected, by their offsets */
  rowsWith(failures: ReadonlyMap<number, string>): OutboxRow[] {
    this.rows = this.#asked.map((asked) => outboxRow(this.#acknowledger, asked, failures.get(Number(asked.offset))));
    const newest = this.#asked.reduce((most, { version }) => (version > most ? version : most), 0n);
    return [...this.rows, markAt(this.through, newest)];
  }
}

function asWaiting(error: unknown): AfterwriteError {
  return new AfterwriteError('ACKNOWLEDGEMENTS_WAIT', reasonOf(error), { cause: error });
}
