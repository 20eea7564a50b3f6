import { encodeCommand } from './psync.ts';

/** What a heartbeat needs of a connection. */
export interface Pulse {
  send(bytes: string): void;
  readonly inbound: { readonly received: number; readonly paused: boolean };
}

const beatMs = 1000;
const hurryMs = 100;

/**
 * The timers of one link. They tell the master that this replica lives (a newline during a snapshot, REPLCONF ACK in
 * the stream), also while reading is paused; and they notice a master from which nothing comes.
 */
export class Heartbeat {
  readonly #pulse: Pulse;
  readonly #onSilence: (silentMs: number) => void;
  readonly #beat: NodeJS.Timeout;
  #hurry: NodeJS.Timeout | undefined;
  #sign: 'none' | 'newline' | 'ack' = 'none';
  #offset = 0;
  #limitMs: number;
  #silentBeats = 0;
  #received = 0;

  /** Starts at once. `onSilence` is called when nothing came for `limitMs`, to a second. */
  constructor(pulse: Pulse, limitMs: number, onSilence: (silentMs: number) => void) {
    this.#pulse = pulse;
    this.#limitMs = limitMs;
    this.#onSilence = onSilence;
    this.#beat = setInterval(() => {
      this.#listen();
      if (this.#sign === 'newline') this.#pulse.send('\n');
      if (this.#sign === 'ack') this.#acknowledge();
    }, beatMs);
  }

  /** From now on silence may last this long. */
  allowSilence(limitMs: number): void {
    this.#limitMs = limitMs;
    this.#silentBeats = 0;
  }

  /** A newline once a second, the first at once. */
  beginNewlines(): void {
    this.#sign = 'newline';
    this.#pulse.send('\n');
  }

  /**
   * ACKs once a second, the first at once. With `untilFirstBytes` every 100 ms until bytes come: after a diskless
   * transfer the stream begins only on an ACK, and one that is sent at once can be too early.
   */
  beginAcks(offset: number, untilFirstBytes: boolean): void {
    this.#sign = 'ack';
    this.acknowledge(offset, true);
    clearInterval(this.#hurry);
    if (!untilFirstBytes) return;
    const before = this.#pulse.inbound.received;
    this.#hurry = setInterval(() => {
      if (this.#pulse.inbound.received === before) this.#acknowledge();
      else clearInterval(this.#hurry);
    }, hurryMs);
  }

  /** The offset of the next ACKs; `now` sends one, if ACKs have begun. */
  acknowledge(offset: number, now: boolean): void {
    this.#offset = offset;
    if (now && this.#sign === 'ack') this.#acknowledge();
  }

  stop(): void {
    clearInterval(this.#beat);
    clearInterval(this.#hurry);
  }

  #acknowledge(): void {
    this.#pulse.send(encodeCommand(['REPLCONF', 'ACK', String(this.#offset)]));
  }

  /**
   * Beats are counted, not time: a process that was stopped for a while must not take its own pause for the master's.
   * While the socket is not read, nothing can come.
   */
  #listen(): void {
    const { received, paused } = this.#pulse.inbound;
    this.#silentBeats = paused || received !== this.#received ? 0 : this.#silentBeats + 1;
    this.#received = received;
    if (this.#silentBeats * beatMs >= this.#limitMs) this.#onSilence(this.#silentBeats * beatMs);
  }
}
