import { acknowledge, type Acknowledgement, type Masters } from '../../clients/redis/index.ts';
import { AfterwriteError, reasonOf } from '../../ops/errors/index.ts';

/** `refused`: Redis will never take it, and says why. */
export type Sent = { readonly kind: 'sent' } | { readonly kind: 'refused'; readonly reason: string };

/** Answers of a server that is no master, or not of that key any more. */
const elsewhere = /\b(?:READONLY|MOVED|ASK)\b/;
/** The stream's name is that of something else. */
const never = /WRONGTYPE/;

/** Tells clients, over connections to the masters that are kept. */
export class AcknowledgementSender {
  readonly #masters: Masters;

  constructor(masters: Masters) {
    this.#masters = masters;
  }

  /**
   * Sends all at once, each to its master. Whoever sends one again, after a crash or beside another worker, says nothing new.
   * @throws ACKNOWLEDGEMENTS_WAIT when one of them cannot be sent now; the others may have been
   */
  async send(acknowledgements: readonly Acknowledgement[]): Promise<readonly Sent[]> {
    const settled = await Promise.allSettled(acknowledgements.map((one) => this.#send(one)));
    return settled.map((one) => {
      if (one.status === 'fulfilled') return one.value;
      const reason: unknown = one.reason;
      throw new AfterwriteError('ACKNOWLEDGEMENTS_WAIT', reasonOf(reason), { cause: reason });
    });
  }

  async #send(one: Acknowledgement): Promise<Sent> {
    try {
      await acknowledge(this.#masters, one);
      return { kind: 'sent' };
    } catch (error) {
      if (!(error instanceof AfterwriteError)) throw error;
      if (never.test(error.what)) return { kind: 'refused', reason: error.what };
      if (elsewhere.test(error.what)) this.#masters.forget();
      throw error;
    }
  }
}
