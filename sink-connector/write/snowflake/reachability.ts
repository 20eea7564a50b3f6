import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long a statement is waited for before the server is looked for, and how often then, ms. */
const lookEvery = 1000;
/** How long a look may take, ms. */
const lookTakes = 5000;
/** How often in a row nobody is there before the server counts as lost. */
const looksInVain = 2;

/** The server cannot be reached while an answer of it is waited for. */
export class ServerLost extends Error {}

/**
 * Tells when a server is gone. The driver tries a request again by itself for up to a minute, and says nothing
 * meanwhile; this looks whether anybody listens at the address.
 */
export class Reachability {
  readonly #host: string;
  readonly #port: number;
  #counts = true;

  /** @param url of the server */
  constructor(url: string) {
    const { hostname, port, protocol } = new URL(url);
    this.#host = hostname;
    this.#port = port === '' ? (protocol === 'http:' ? 80 : 443) : Number(port);
  }

  /** Looks once, after a login: where the way leads through a proxy, nothing can be told of the server. */
  async learn(): Promise<void> {
    this.#counts = await this.#answers();
  }

  /** The answer; or, when the server goes before it is there, @throws ServerLost */
  async whileReachable<T>(answer: Promise<T>): Promise<T> {
    if (!this.#counts) return await answer;
    const settled = new AbortController();
    const lost = this.#lost(settled.signal);
    try {
      return await Promise.race([answer, lost]);
    } finally {
      settled.abort();
    }
  }

  async #lost(settled: AbortSignal): Promise<never> {
    let inVain = 0;
    while (inVain < looksInVain) {
      // Aborted, it stays pending: nobody waits for it any more.
      await sleep(lookEvery, undefined, { signal: settled }).catch(() => new Promise<never>(() => undefined));
      inVain = (await this.#answers()) ? 0 : inVain + 1;
    }
    throw new ServerLost(`Nobody answers at ${this.#host}:${this.#port}`);
  }

  async #answers(): Promise<boolean> {
    return await new Promise((resolve) => {
      const socket = connect({ host: this.#host, port: this.#port, timeout: lookTakes });
      const tell = (answers: boolean): void => {
        socket.destroy();
        resolve(answers);
      };
      socket.once('connect', () => {
        tell(true);
      });
      socket.once('error', () => {
        tell(false);
      });
      socket.once('timeout', () => {
        tell(false);
      });
    });
  }
}
