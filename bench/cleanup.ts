/** Closes, in the opposite order, what a benchmark has opened. */
export class Cleanup {
  readonly #tasks: (() => Promise<unknown>)[] = [];

  after(close: () => Promise<unknown>): void {
    this.#tasks.push(close);
  }

  /** Closes everything, also when something does not close. */
  async close(): Promise<void> {
    for (let task = this.#tasks.pop(); task !== undefined; task = this.#tasks.pop()) {
      await task().catch(() => undefined);
    }
  }
}
