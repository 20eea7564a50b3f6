import { AfterwriteError } from '../../ops/errors/index.ts';

export type SenderState = 'new' | 'claiming' | 'ready' | 'committing' | 'dead' | 'closed';

/** Where a sender may go. Nothing leads back from `dead`: who goes on needs a new sender, and its claim (rule 2). */
const next: Readonly<Record<SenderState, readonly SenderState[]>> = {
  new: ['claiming', 'closed'],
  claiming: ['ready', 'dead', 'closed'],
  ready: ['committing', 'closed'],
  committing: ['ready', 'dead', 'closed'],
  dead: ['closed'],
  closed: [],
};

/** The state of a sender, and why it died. */
export class SenderLife {
  #state: SenderState = 'new';
  #reason: unknown;

  get state(): SenderState {
    return this.#state;
  }

  /** @throws KAFKA_TRANSACTION when the sender is dead or closed; INTERNAL when its caller asks for this too early */
  enter(state: SenderState): void {
    if (!next[this.#state].includes(state)) throw this.#refusal(state);
    this.#state = state;
  }

  /** @throws like `enter` */
  mustBe(...states: readonly [SenderState, ...SenderState[]]): void {
    if (!states.includes(this.#state)) throw this.#refusal(states[0]);
  }

  die(reason: unknown): void {
    if (!next[this.#state].includes('dead')) return;
    this.#state = 'dead';
    this.#reason = reason;
  }

  #refusal(wanted: SenderState): AfterwriteError {
    if (this.#state === 'dead' || this.#state === 'closed') {
      const what = `this sender is ${this.#state} and does nothing more: claim with a new one`;
      return new AfterwriteError('KAFKA_TRANSACTION', what, { cause: this.#reason });
    }
    return new AfterwriteError('INTERNAL', `a sender that is ${this.#state} cannot become ${wanted}`);
  }
}
