/** Lets one piece of work run at a time, in the order in which it was asked for. */
export class Turns {
  /** The end of the work that was asked for last. */
  #last: Promise<void> = Promise.resolve();

  /**
   * Has work done when all that came before has ended. Whoever is told to stop leaves the queue; work that has begun
   * looks at the signal itself. @throws the signal's reason, and what `work` throws
   */
  async take<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const before = this.#last;
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#last = before.then(() => ended);
    try {
      await untilAborted(before, signal);
      signal.throwIfAborted();
      return await work();
    } finally {
      end();
    }
  }
}

async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  let stop: () => void = () => undefined;
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
  });
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
