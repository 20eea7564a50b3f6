import { setTimeout as wait } from 'node:timers/promises';
import { AfterwriteError } from '../ops/errors/index.ts';
import { fault } from '../ops/faults.ts';
import type { Logger } from '../ops/logging.ts';
import type { ClusterMember, Fence, OtherShard, ShardLook } from './cluster/member.ts';
import { isPassed, SlotCourse } from './cluster/slot-course.ts';
import { SlotTokens, type Claimable } from './cluster/slot-tokens.ts';
import { keySlot } from './decode/key-slot.ts';
import { eachKey } from './each-key.ts';
import type { KeyPlace } from './fold/change.ts';
import { heldCause, isHeld, isKept } from './mark.ts';
import type { SavedSlots } from './position.ts';
import type { StateStore } from './state/port.ts';

export interface SlotMovesOptions {
  readonly tokens: SlotTokens;
  readonly member: ClusterMember;
  readonly state: StateStore;
  /** Puts what the topics hold of these slots into the state, beside the stream. */
  readonly readPublished: (slots: ReadonlySet<number>, from: ReadonlySet<number>, signal: AbortSignal) => Promise<void>;
  readonly log: Logger;
}

/** What of a shard is needed to decide on keys; stream.ts has it. */
export interface Deciding {
  /** The stream is folded up to here. */
  readonly place: Fence;
  /** Decides on a key by its hash and its published row (fold's `decided`); of a slot that has come, or that stays. */
  readonly decide: (db: number, key: Buffer, isNew: boolean) => void;
  /** Gives the committer a chance to cut a batch that is full. */
  readonly cutIfFull: () => Promise<void>;
  /** Has versions rise above this one. */
  readonly raiseVersion: (version: number) => void;
  /** @throws VANISHED_BREAKER when so many rows without a hash are too many to be believed (rule 4) */
  readonly checkVanished: (published: number, vanished: number) => void;
}

interface Takeover {
  readonly claims: ReadonlyMap<number, Claimable>;
  /** The versions of the shards that had the slots. */
  readonly version: number;
  /** Behind all that came with the slots. */
  fence: Fence | undefined;
  isRead: boolean;
}

/** How often the cluster and the positions of others are looked at, ms: when something is on its way, and else. */
const BUSY_LOOK = 250;
const IDLE_LOOK = 2000;
/** Bytes of a stream in which no move of a slot is both begun and taken back: that takes a dozen answers of several masters. */
const SLACK = 64 * 1024;

/**
 * What happens to a shard's slots in a running cluster (rule 10). A slot that is on its way is still published from here,
 * but its removals wait; when it is another's and the stream has come to where it went, it is released to that shard. A
 * slot that was released to this shard is compared with what was published, when the stream has come to where it came.
 *
 * One life. What it decides counts when the next position says so.
 */
export class SlotMoves {
  readonly #options: SlotMovesOptions;
  readonly #course: SlotCourse;
  readonly #closing = new AbortController();
  /** The stream was received up to here when the last look began. */
  #lookedAt = -1;
  #takeover: Takeover | undefined;
  /** Whether this shard has no server any more. */
  #isGone = false;
  #failure: Error | undefined;
  #watching: Promise<void> | undefined;
  #reading: Promise<void> | undefined;
  #wake: () => void = () => undefined;
  #changed: Promise<void> = Promise.resolve();

  constructor(options: SlotMovesOptions) {
    this.#options = options;
    this.#course = new SlotCourse(options.tokens);
    this.#renew();
  }

  /** What the next position has to say. */
  get saved(): SavedSlots {
    return this.#options.tokens.saved;
  }

  /** Resolves when something may have become due. */
  get changed(): Promise<void> {
    return this.#changed;
  }

  /** Whether a key is published from here. */
  publishes(key: Buffer): boolean {
    return this.placeOf(key) !== 'foreign';
  }

  placeOf(key: Buffer): KeyPlace {
    return this.#course.placeOf(keySlot(key));
  }

  /** Another link: offsets may be of another stream. */
  newLink(): void {
    this.#lookedAt = -1;
  }

  /** Begins to watch. Removals that an earlier life has left undecided are found again. */
  async start(): Promise<void> {
    const { state, tokens } = this.#options;
    await eachKey(state, (db, key) => {
      if (isHeld(state.get(db, key)?.mark ?? null)) tokens.setLeaving(keySlot(key), true);
      return undefined;
    });
    this.#watching = this.#watch().catch((error: unknown) => {
      this.#failure = errorOf(error);
      this.#wake();
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#watching;
    await this.#reading;
  }

  /**
   * Waits until it is known of each slot whether it may be leaving, as of what was received of the stream so far: a
   * master tells so before it sends the first key away.
   * @param received offset after the last byte received
   * @throws the signal's reason
   */
  async reach(received: number, signal: AbortSignal): Promise<void> {
    if (this.#lookedAt >= received) return;
    await this.lookNow(signal);
    this.#lookedAt = received;
  }

  /** A key is about to go, at this place of the stream; `reach` has looked. */
  removal(key: Buffer, place: Fence): void {
    this.#course.removal(keySlot(key), place, SLACK);
  }

  /** All keys are about to go. */
  flush(place: Fence): void {
    for (const slot of this.#options.tokens.in('owned')) this.#course.removal(slot, place, SLACK);
  }

  /** Waits until it is known of each slot whether it may be leaving now. @throws the signal's reason */
  async lookNow(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      if (await this.#tryLook()) return;
      await pause(BUSY_LOOK, signal);
    }
  }

  /** Whether `work` has something to do when the stream is folded up to here. @throws what made the watching end */
  isDue(place: Fence): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#takeover !== undefined && this.#isReached(this.#takeover, place)) return true;
    return this.#course.isDue(place);
  }

  /** Does what is due, between two commands. A position has to be committed after it. */
  async work(deciding: Deciding): Promise<void> {
    const { staying, released } = this.#course.settle(deciding.place);
    if (released.size > 0) fault('slots.releasing');
    for (const [to, slots] of released) {
      this.#options.log.info({ slots: rangesOf(slots), to }, 'slots are released to another shard');
    }
    if (staying.size > 0) await this.#decide(staying, false, deciding);
    const takeover = this.#takeover;
    if (takeover === undefined || !this.#isReached(takeover, deciding.place)) return;
    if (this.#isGone) this.#passOn(takeover, deciding);
    else await this.#takeOver(takeover, deciding);
  }

  /** Looks while no link is open: slots of a shard that is gone are released without its stream. */
  async whileAway(): Promise<boolean> {
    this.#take(await this.#options.member.look());
    return this.#course.isAbandoned || (this.#isGone && this.#takeover?.isRead === true);
  }

  async #watch(): Promise<void> {
    const { member, log } = this.#options;
    const signal = this.#closing.signal;
    while (!signal.aborted) {
      let isBusy = false;
      try {
        const look = await member.look(BUSY_LOOK);
        if (look.isSure) this.#take(look);
        isBusy = this.#course.isBusy(look);
        if (this.#takeover === undefined) await this.#beginTakeover(signal);
        else await this.#renewFence(this.#takeover);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof AfterwriteError) || error.recovery !== 'retry') throw error;
        log.warn({ err: error }, 'it cannot be known now whether slots are moving');
      }
      await pause(isBusy || this.#takeover !== undefined ? BUSY_LOOK : IDLE_LOOK, signal);
    }
  }

  async #beginTakeover(signal: AbortSignal): Promise<void> {
    const { member, log } = this.#options;
    const others = await member.others();
    const claims = this.#options.tokens.claimable(savedOf(others), slotsOf(member.first()));
    if (claims.length === 0) return;
    // Begun after the release was seen, so that all that came with the slots is before it.
    const { fence } = await member.look();
    const from = new Set(claims.map((claim) => claim.from));
    const takeover: Takeover = {
      claims: new Map(claims.map((claim) => [claim.slot, claim])),
      version: Math.max(0, ...[...from].map((shard) => others.get(shard)?.version ?? 0)),
      fence,
      isRead: false,
    };
    this.#takeover = takeover;
    log.info({ slots: rangesOf(takeover.claims.keys()), from: [...from] }, 'slots come to this shard');
    this.#reading = this.#read(takeover, from, signal);
  }

  /** Reads what the topics hold of the slots. What cannot be read now is read again, later. */
  async #read(takeover: Takeover, from: ReadonlySet<number>, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.readPublished(new Set(takeover.claims.keys()), from, signal);
      takeover.isRead = true;
    } catch (error) {
      this.#takeover = undefined;
      if (!(error instanceof AfterwriteError) || error.recovery !== 'retry') this.#failure = errorOf(error);
      else this.#options.log.warn({ err: error }, 'what was published of slots that come cannot be read now');
    }
    this.#wake();
  }

  /** A failover gives the shard another stream: what came with the slots is in that one now. */
  async #renewFence(takeover: Takeover): Promise<void> {
    const { fence } = await this.#options.member.look();
    if (fence !== undefined && fence.replid !== takeover.fence?.replid) takeover.fence = fence;
    this.#wake();
  }

  async #takeOver(takeover: Takeover, deciding: Deciding): Promise<void> {
    const { claims, version } = takeover;
    const { member, state, log } = this.#options;
    // Some may be leaving again: a key that is missing here may live there.
    this.#course.arrive(claims.keys(), await member.look(), deciding.place);
    fault('slots.arriving');
    deciding.raiseVersion(version);
    let [published, vanished] = [0, 0];
    await eachKey(state, (db, key) => {
      const entry = state.get(db, key);
      if (entry === undefined || entry.published === null || !claims.has(keySlot(key))) return undefined;
      published++;
      const isExplained = entry.current !== null || isKept(entry.mark) || heldCause(entry.mark) !== undefined;
      if (!isExplained && this.placeOf(key) === 'owned') vanished++;
      return undefined;
    });
    deciding.checkVanished(published, vanished);
    await this.#decide(new Set(claims.keys()), true, deciding);
    fault('slots.arrived');
    this.#course.arrived(claims.values());
    this.#takeover = undefined;
    log.info({ slots: claims.size, rows: published }, 'slots are published from this shard now');
  }

  /**
   * Slots came to this shard when it had no server any more: whoever has them compares them. Their marks have become this
   * shard's, and go on with them.
   */
  #passOn({ claims, version }: Takeover, deciding: Deciding): void {
    const { tokens } = this.#options;
    deciding.raiseVersion(version);
    for (const claim of claims.values()) {
      tokens.claim(claim);
      tokens.setLeaving(claim.slot, true);
    }
    this.#takeover = undefined;
  }

  /** Whether slots that come can be compared: what was published of them is known, and the stream has brought them. */
  #isReached({ isRead, fence }: Takeover, place: Fence): boolean {
    return isRead && (this.#isGone || (fence !== undefined && isPassed(fence, place)));
  }

  async #decide(slots: ReadonlySet<number>, isNew: boolean, { decide, cutIfFull }: Deciding): Promise<void> {
    await eachKey(this.#options.state, (db, key) => {
      if (!slots.has(keySlot(key))) return undefined;
      decide(db, key, isNew);
      return cutIfFull();
    });
  }

  async #tryLook(): Promise<boolean> {
    try {
      const look = await this.#options.member.look();
      if (!look.isSure) return false;
      this.#take(look);
      return true;
    } catch (error) {
      if (error instanceof AfterwriteError && error.recovery === 'retry') return false;
      throw error;
    }
  }

  #take(look: ShardLook): void {
    this.#isGone = look.isGone;
    if (this.#course.take(look)) this.#wake();
  }

  #renew(): void {
    this.#changed = new Promise((resolve) => {
      this.#wake = (): void => {
        this.#renew();
        resolve();
      };
    });
  }
}

/** @param saved what the committed position says; undefined when there is none */
export function tokensOf(shard: number, member: ClusterMember, saved: SavedSlots | undefined): SlotTokens {
  return new SlotTokens(shard, saved, slotsOf(member.first()));
}

function* slotsOf(ranges: readonly (readonly [number, number])[]): IterableIterator<number> {
  for (const [first, last] of ranges) for (let slot = first; slot <= last; slot++) yield slot;
}

/** Slots in ascending order, as people write them: 0-5 7. */
function rangesOf(slots: Iterable<number>): string {
  const ranges: [number, number][] = [];
  for (const slot of slots) {
    const last = ranges.at(-1);
    if (last?.[1] === slot - 1) last[1] = slot;
    else ranges.push([slot, slot]);
  }
  return ranges.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(' ');
}

function savedOf(others: ReadonlyMap<number, OtherShard>): Map<number, SavedSlots> {
  return new Map([...others].map(([shard, { slots }]) => [shard, slots]));
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal }).catch(() => undefined);
}
