import type { Assignment } from './membership.ts';

/** Works on one partition until the signal. Never rejects. */
export type PartitionWork = (topic: string, partition: number, signal: AbortSignal) => Promise<void>;

interface Running {
  readonly stopping: AbortController;
  readonly done: Promise<void>;
}

/** Keeps the work of a worker to the partitions that its group has given it. */
export class Assignments {
  readonly #work: PartitionWork;
  readonly #running = new Map<string, Running>();
  /** The ends of work that was told to stop, so that a partition that comes back is not worked on twice. */
  readonly #ending = new Map<string, Promise<void>>();

  constructor(work: PartitionWork) {
    this.#work = work;
  }

  /**
   * Takes over an assignment: stops what is not in it, starts what is new, and leaves alone what stays, even if it was
   * another's for a moment: then its next write misses the offset row.
   */
  take(assignment: Assignment): void {
    const wanted = new Map<string, { topic: string; partition: number }>();
    for (const [topic, partitions] of Object.entries(assignment)) {
      for (const partition of partitions) wanted.set(`${topic} ${partition}`, { topic, partition });
    }
    for (const name of this.#running.keys()) if (!wanted.has(name)) this.#stop(name);
    for (const [name, { topic, partition }] of wanted)
      if (!this.#running.has(name)) this.#start(name, topic, partition);
  }

  /** Stops everything, and waits for the transactions in progress. */
  async end(): Promise<void> {
    this.take({});
    await Promise.all(this.#ending.values());
  }

  #start(name: string, topic: string, partition: number): void {
    const stopping = new AbortController();
    const before = this.#ending.get(name) ?? Promise.resolve();
    const done = before.then(() =>
      stopping.signal.aborted ? undefined : this.#work(topic, partition, stopping.signal),
    );
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
