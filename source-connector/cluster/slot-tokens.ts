import type { SavedSlots } from '../position.ts';

/** The slots of a Redis Cluster. */
const SLOTS = 16_384;

/** What a slot is to a shard. */
export type SlotState =
  /** Another shard's: what happens to its keys here is kept in mind, and nothing of it is published. */
  | 'foreign'
  /** Published from here. */
  | 'owned'
  /** Published from here, but perhaps on its way to another: a key that goes may have moved. */
  | 'leaving'
  /** About to be published from here: it is being compared with what was published. */
  | 'arriving';

/** A slot that another shard has released to this one, or that nobody had before. */
export interface Claimable {
  readonly slot: number;
  /** How often it was handed on before it comes here. */
  readonly epoch: number;
  /** Who had it; the shard itself when nobody had. */
  readonly from: number;
}

const NOBODY = -1;

/**
 * Who may publish each slot (rule 10). One shard has a slot, or has released it to one named shard; both stand in
 * committed positions, so that at each moment no two shards may publish it. Only the shard that is named can claim it,
 * and it counts one up, so that an old release is told from a new one. Pure: no I/O, no clock.
 */
export class SlotTokens {
  readonly shard: number;
  readonly #states: SlotState[] = new Array<SlotState>(SLOTS).fill('foreign');
  /** Of a slot that is owned or was released: how often it was handed on before it came here; -1 for none. */
  readonly #epochs = new Int32Array(SLOTS).fill(-1);
  /** Of a slot that was released: to whom. */
  readonly #heirs = new Int16Array(SLOTS).fill(NOBODY);
  #saved: SavedSlots | undefined;

  /**
   * @param saved what the committed position says; undefined when there is none: then the first slots are owned
   * @param first slots that this shard is the first to publish
   */
  constructor(shard: number, saved: SavedSlots | undefined, first: Iterable<number>) {
    this.shard = shard;
    if (saved === undefined) for (const slot of first) this.#own(slot, 0);
    for (const [from, to, epoch] of saved?.owned ?? []) {
      for (let slot = from; slot <= to; slot++) this.#own(slot, epoch);
    }
    for (const [from, to, epoch, heir] of saved?.released ?? []) {
      for (let slot = from; slot <= to; slot++) {
        this.#epochs[slot] = epoch;
        this.#heirs[slot] = heir;
      }
    }
  }

  stateOf(slot: number): SlotState {
    return this.#states[slot] ?? 'foreign';
  }

  /** Whether this shard alone may publish the slot, by what is committed. */
  owns(slot: number): boolean {
    const state = this.#states[slot];
    return state === 'owned' || state === 'leaving';
  }

  /** Slots in this state, ascending. */
  *in(state: SlotState): IterableIterator<number> {
    for (let slot = 0; slot < SLOTS; slot++) if (this.#states[slot] === state) yield slot;
  }

  /** Says whether an owned slot is perhaps on its way. */
  setLeaving(slot: number, leaving: boolean): void {
    if (this.owns(slot)) this.#states[slot] = leaving ? 'leaving' : 'owned';
  }

  /** Gives a slot to another shard, as soon as a position says so. Nothing of it may be published any more. */
  release(slot: number, to: number): void {
    if (!this.owns(slot)) return;
    this.#states[slot] = 'foreign';
    this.#heirs[slot] = to;
    this.#saved = undefined;
  }

  /**
   * Slots that may be claimed.
   * @param others what the committed positions of the other shards say
   * @param first slots that this shard is the first to publish
   */
  claimable(others: ReadonlyMap<number, SavedSlots>, first: Iterable<number>): Claimable[] {
    const found: Claimable[] = [];
    for (const slot of first) {
      if (this.#epochs[slot] === -1) found.push({ slot, epoch: 0, from: this.shard });
    }
    for (const [from, { released }] of others) {
      for (const [low, high, epoch, to] of released) {
        if (to !== this.shard) continue;
        for (let slot = low; slot <= high; slot++) {
          if ((this.#epochs[slot] ?? -1) <= epoch) found.push({ slot, epoch: epoch + 1, from });
        }
      }
    }
    return found;
  }

  /** Begins to compare a claimable slot with what was published: it counts as published from here meanwhile. */
  arrive(slot: number): void {
    this.#states[slot] = 'arriving';
  }

  /** Has a slot owned, as soon as a position says so. */
  claim({ slot, epoch }: Claimable): void {
    this.#own(slot, epoch);
  }

  /** What a position has to say. Slots that only arrive are left out: after a crash they are claimed again. */
  get saved(): SavedSlots {
    this.#saved ??= this.#toSave();
    return this.#saved;
  }

  #own(slot: number, epoch: number): void {
    this.#states[slot] = 'owned';
    this.#epochs[slot] = epoch;
    this.#heirs[slot] = NOBODY;
    this.#saved = undefined;
  }

  #toSave(): SavedSlots {
    const owned: [number, number, number][] = [];
    const released: [number, number, number, number][] = [];
    for (let slot = 0; slot < SLOTS; slot++) {
      const epoch = this.#epochs[slot] ?? -1;
      const heir = this.#heirs[slot] ?? NOBODY;
      if (this.owns(slot)) {
        const last = owned.at(-1);
        if (last?.[1] === slot - 1 && last[2] === epoch) last[1] = slot;
        else owned.push([slot, slot, epoch]);
      } else if (heir !== NOBODY) {
        const last = released.at(-1);
        if (last?.[1] === slot - 1 && last[2] === epoch && last[3] === heir) last[1] = slot;
        else released.push([slot, slot, epoch, heir]);
      }
    }
    return { owned, released };
  }
}
