import { setTimeout as sleep } from 'node:timers/promises';
import { AfterwriteError } from './errors/index.ts';

/** One wait between two attempts, for logs and metrics. */
export interface RetryWait {
  readonly error: AfterwriteError;
  /** How many attempts have ended in an error so far. */
  readonly attempts: number;
  readonly waitMs: number;
}

export interface RetryOptions {
  /** Ends the attempts; its reason is thrown. */
  readonly signal: AbortSignal;
  readonly onWait?: (wait: RetryWait) => void;
  /** Bounds of the first wait's and of the longest wait's length, in ms. */
  readonly firstWaitMs?: number;
  readonly longestWaitMs?: number;
  /** For attempts that go on and on: whether the one that failed had done its work before. Then the waits begin anew. */
  readonly worked?: () => boolean;
}

/**
 * Tries until it succeeds: an outage ends some day, and until then nothing is skipped. The waits double up to the
 * longest; each is shortened by up to a half at random, so that many workers do not come back in one moment.
 * @throws every error whose recovery is not `retry`, and every error that is not ours, at once; the signal's reason.
 */
export async function retryUntilDone<T>(attempt: (attempts: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, onWait, firstWaitMs = 200, longestWaitMs = 30_000, worked } = options;
  for (let attempts = 0; ; attempts++) {
    signal.throwIfAborted();
    try {
      return await attempt(attempts);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof AfterwriteError) || error.recovery !== 'retry') throw error;
      if (worked?.() === true) attempts = 0;
      const waitMs = jittered(Math.min(longestWaitMs, firstWaitMs * 2 ** attempts));
      onWait?.({ error, attempts: attempts + 1, waitMs });
      await pause(waitMs, signal);
    }
  }
}

function jittered(ms: number): number {
  return Math.round(ms * (0.5 + Math.random() / 2));
}

/** Waits; throws the signal's own reason when it is aborted meanwhile. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
