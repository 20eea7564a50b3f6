import type { Fence, ShardLook } from './member.ts';
import type { Claimable, SlotTokens } from './slot-tokens.ts';

/** What a slot is to a shard, as far as its keys are concerned. */
export type SlotPlace = 'owned' | 'leaving' | 'foreign';

/** What is to become of a slot that may be leaving, once the stream has come to the fence; at once without one. */
interface Outlook {
  /** Undefined: it stays. */
  readonly to: number | undefined;
  readonly fence: Fence | undefined;
  /** The master's, when it was seen. */
  readonly epoch: number | undefined;
}

/** What became of slots. */
export interface Settled {
  /** They were leaving, and stay after all: removals that waited are removals. */
  readonly staying: ReadonlySet<number>;
  /** They are other shards' as soon as the next position is committed. */
  readonly released: ReadonlyMap<number, readonly number[]>;
}

/**
 * The course of a shard's slots through moves (rule 10), from looks at the cluster and the place of the stream. Pure: no
 * I/O, no clock.
 *
 *   owned   → leaving   a look shows it moving, or at another master
 *   leaving → owned     a look shows it at rest here, and the stream has come to where it was then
 *   leaving → released  a look shows it at rest at another shard's master, and the stream has come to where it was then
 *   foreign → owned     another shard has released it to this one (`arrive`, then `arrived`)
 */
export class SlotCourse {
  readonly tokens: SlotTokens;
  readonly #outlooks = new Map<number, Outlook>();
  /** Slots that arrive and may be leaving already. */
  readonly #passing = new Set<number>();
  /** The last look. */
  #look: ShardLook | undefined;
  /** The master's epoch, and the place of the first look that showed it: no slot has come back since. */
  #epoch: { readonly value: number | undefined; readonly since: Fence } | undefined;

  constructor(tokens: SlotTokens) {
    this.tokens = tokens;
  }

  placeOf(slot: number): SlotPlace {
    const state = this.tokens.stateOf(slot);
    return state === 'arriving' ? (this.#passing.has(slot) ? 'leaving' : 'owned') : state;
  }

  /**
   * Takes in a look, one that is sure.
   * @returns whether something may have become due
   */
  take(look: ShardLook): boolean {
    const { tokens } = this;
    const { places, fence, isGone } = look;
    this.#look = look;
    if (fence !== undefined && (this.#epoch?.value !== look.epoch || this.#epoch?.since.replid !== fence.replid)) {
      this.#epoch = { value: look.epoch, since: fence };
    }
    for (const slot of tokens.in('owned')) if (!this.#isAtRest(slot, places)) tokens.setLeaving(slot, true);
    for (const slot of tokens.in('leaving')) {
      const owner = places.ownerOf(slot);
      const before = this.#outlooks.get(slot);
      if (owner === undefined || places.isMoving(slot) || (fence === undefined && !isGone)) {
        this.#outlooks.delete(slot);
        continue;
      }
      const to = owner === tokens.shard ? undefined : owner;
      const place = isGone ? undefined : fence;
      // The first place that is far enough is kept, or a busy stream would never come to it. With another epoch the slot may
      // have left and come back since then.
      const isSame = before?.to === to && before?.fence?.replid === place?.replid && before?.epoch === look.epoch;
      if (before !== undefined && isSame) continue;
      this.#outlooks.set(slot, { to, fence: place, epoch: look.epoch });
    }
    return this.#outlooks.size > 0;
  }

  /**
   * A key of a slot is about to go, at this place of the stream. The slot may have left and come back, and the key with it, before
   * the last look. Where that is possible, the removal waits until the stream has come to the look.
   * @param slack bytes of the stream in which a move is not both begun and taken back, which the epoch does not tell
   */
  removal(slot: number, place: Fence, slack: number): void {
    const { fence, epoch } = this.#look ?? {};
    if (this.tokens.stateOf(slot) !== 'owned') return;
    const since = this.#epoch?.since;
    const isNear = fence?.replid === place.replid && fence.offset <= place.offset + slack;
    const hasStayed = since?.replid === place.replid && since.offset <= place.offset;
    if (isNear && hasStayed) return;
    this.tokens.setLeaving(slot, true);
    if (fence !== undefined) this.#outlooks.set(slot, { to: undefined, fence, epoch });
  }

  /** Whether `settle` has something to do when the stream is folded up to here. */
  isDue(place: Fence): boolean {
    for (const { fence } of this.#outlooks.values()) if (isPassed(fence, place)) return true;
    return false;
  }

  /** Whether slots can be released without a stream: the shard has no server any more. */
  get isAbandoned(): boolean {
    for (const { fence } of this.#outlooks.values()) if (fence === undefined) return true;
    return false;
  }

  /** Has come true what the stream has come to. */
  settle(place: Fence): Settled {
    const staying = new Set<number>();
    const released = new Map<number, number[]>();
    for (const [slot, { to, fence }] of this.#outlooks) {
      if (!isPassed(fence, place)) continue;
      this.#outlooks.delete(slot);
      if (to === undefined) {
        this.tokens.setLeaving(slot, false);
        staying.add(slot);
        continue;
      }
      this.tokens.release(slot, to);
      const slots = released.get(to);
      if (slots === undefined) released.set(to, [slot]);
      else slots.push(slot);
    }
    return { staying, released };
  }

  /**
   * Slots begin to be compared with what was published.
   * @param look one that began after all that is folded was received: some may be leaving again
   * @param place up to where the stream is folded: a slot that has left and come back since is leaving, too
   */
  arrive(slots: Iterable<number>, { places, isSure, fence }: ShardLook, place: Fence): void {
    const isFolded = fence !== undefined && isPassed(fence, place);
    for (const slot of slots) {
      this.tokens.arrive(slot);
      if (!isSure || !isFolded || !this.#isAtRest(slot, places)) this.#passing.add(slot);
    }
  }

  /** They are compared, and are this shard's as soon as the next position is committed. */
  arrived(claims: Iterable<Claimable>): void {
    for (const claim of claims) {
      this.tokens.claim(claim);
      this.tokens.setLeaving(claim.slot, this.#passing.has(claim.slot));
    }
    this.#passing.clear();
  }

  /** Whether slots are on their way, as far as this shard has to do with them. */
  isBusy({ places }: ShardLook): boolean {
    if (this.tokens.in('leaving').next().done !== true) return true;
    for (const slot of this.tokens.in('foreign')) if (places.ownerOf(slot) === this.tokens.shard) return true;
    return false;
  }

  #isAtRest(slot: number, places: ShardLook['places']): boolean {
    return places.ownerOf(slot) === this.tokens.shard && !places.isMoving(slot);
  }
}

/** Whether the stream has come to a place. */
export function isPassed(fence: Fence | undefined, { replid, offset }: Fence): boolean {
  return fence === undefined || (fence.replid === replid && fence.offset <= offset);
}
