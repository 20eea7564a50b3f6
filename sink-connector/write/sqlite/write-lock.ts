import { setTimeout as sleep } from 'node:timers/promises';
import { isBusy } from './errors.ts';

/** How long a transaction waits for another process that writes, before it is tried again as after an outage, ms. */
const lockTimeout = 10_000;
/** How long between two looks at the lock, at most, ms. */
const longestPause = 25;

/**
 * Asks for a lock until it is there. SQLite's own busy_timeout would wait inside the call: this process would stand
 * still, the session that holds the lock and the consumer group's heartbeats with it.
 * @throws SQLITE_BUSY after ten seconds
 */
export async function onceUnlocked<T>(action: () => T): Promise<T> {
  const deadline = performance.now() + lockTimeout;
  for (let pause = 1; ; pause = Math.min(longestPause, pause * 2)) {
    try {
      return action();
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
    }
    await sleep(pause * (0.5 + Math.random() / 2));
  }
}

/** A file has one writer at a time: the sessions of a sink queue up here, in order, instead of asking again and again. */
export class WriteTurn {
  #last: Promise<void> = Promise.resolve();

  /** Waits for one's turn. @returns what ends it; may be called twice. */
  async take(): Promise<() => void> {
    const before = this.#last;
    let end: () => void = () => undefined;
    this.#last = new Promise((resolve) => {
      end = resolve;
    });
    await before;
    return end;
  }
}
