import type { Session } from './port.ts';

/** How many connections one sink worker opens, at most: more would make the database's disk wait, not work. */
const defaultLimit = 4;

/** A few connections that all partitions of a worker share. One that saw an error is closed and replaced. */
export class SessionPool {
  readonly #connect: () => Promise<Session>;
  readonly #limit: number;
  readonly #idle: Session[] = [];
  readonly #waiting: (() => void)[] = [];
  #leased = 0;
  #closed = false;

  constructor(connect: () => Promise<Session>, limit = defaultLimit) {
    this.#connect = connect;
    this.#limit = limit;
  }

  /** Has the action done on a connection of its own; waits for one to become free. */
  async use<T>(action: (session: Session) => Promise<T>): Promise<T> {
    await this.#enter();
    try {
      const session = this.#idle.pop() ?? (await this.#connect());
      try {
        const result = await action(session);
        if (this.#closed) await session.close();
        else this.#idle.push(session);
        return result;
      } catch (error) {
        // What state it is in is open, and the server rolls back when it goes.
        await session.close();
        throw error;
      }
    } finally {
      this.#leave();
    }
  }

  /** Closes the idle connections now, and those in use when their action ends. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#idle.splice(0).map((session) => session.close()));
  }

  async #enter(): Promise<void> {
    if (this.#leased < this.#limit) {
      this.#leased++;
      return;
    }
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** Hands the place on to whoever waits longest, so that the number of leases does not change in between. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#leased--;
    else next();
  }
}
