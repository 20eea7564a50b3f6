/** Works on one item until the signal. Never rejects. */
export type Work<T> = (item: T, signal: AbortSignal) => Promise<void>;

interface Running {
  readonly stopping: AbortController;
  readonly done: Promise<void>;
}

/** Keeps what is worked on to the items that are wanted, of which there may be others at any time. */
export class WorkSet<T> {
  readonly #work: Work<T>;
  readonly #running = new Map<string, Running>();
  /** The ends of work that was told to stop, so that an item that comes back is not worked on twice. */
  readonly #ending = new Map<string, Promise<void>>();

  constructor(work: Work<T>) {
    this.#work = work;
  }

  /** Stops what is not wanted any more, starts what is new, and leaves alone what stays. Items by their names. */
  take(wanted: ReadonlyMap<string, T>): void {
    for (const name of this.#running.keys()) if (!wanted.has(name)) this.#stop(name);
    for (const [name, item] of wanted) if (!this.#running.has(name)) this.#start(name, item);
  }

  /** Stops everything, and waits until all of it has ended. */
  async end(): Promise<void> {
    this.take(new Map());
    await this.ended();
  }

  /** Waits until everything has ended that was told to stop. */
  async ended(): Promise<void> {
    await Promise.all(this.#ending.values());
  }

  #start(name: string, item: T): void {
    const stopping = new AbortController();
    const before = this.#ending.get(name) ?? Promise.resolve();
    const done = before.then(() => (stopping.signal.aborted ? undefined : this.#work(item, stopping.signal)));
    this.#running.set(name, { stopping, done });
  }

  #stop(name: string): void {
    const running = this.#running.get(name);
    if (running === undefined) return;
    this.#running.delete(name);
    running.stopping.abort();
    const ended = running.done.then(() => {
      if (this.#ending.get(name) === ended) this.#ending.delete(name);
    });
    this.#ending.set(name, ended);
  }
}
