import { firstFrom } from './first-from.ts';

/** One reading of a master's clock together with its replication offset, both taken in one transaction. */
export interface ClockSample {
  readonly offset: number;
  /** The first offset that this master wrote itself: what stands before came from a master that it took over from. */
  readonly ownFrom: number;
  /** The master's time, in microseconds since the epoch. */
  readonly micros: number;
  /** When the request was sent and its answer read, in milliseconds of this process's monotonic clock. */
  readonly sentAt: number;
  readonly receivedAt: number;
}

/** All samples at one offset: the first and the last time that the master showed there. */
interface Moment {
  readonly offset: number;
  readonly first: number;
  last: number;
}

/** Above this many moments every second one is dropped. That widens bounds and never makes one wrong. */
const mostMoments = 8192;

/** By how much two clocks may drift from each other, over what a reading leaves open, before it counts as a step. */
const driftMicros = 10_000;
const driftRatio = 0.01;

/**
 * What is proven about a master's clock at an offset of its stream (rule 5). A command that begins at offset o ran
 * after every sample with an offset ≤ o, and one that ends at o ran before every sample with an offset ≥ o. So the
 * samples nearest to a command enclose the time at which the master judged it, its expiries included.
 *
 * When the master's clock was set between two samples, everything before is void: an expiry is not proven by a clock
 * that jumped over it.
 */
export class ClockBounds {
  /** In rising order of offset. */
  #moments: Moment[] = [];
  #latest: ClockSample | undefined;
  #floorMs = 0;
  /** Commands that end before this offset may have been judged by another clock. */
  #provenFrom = 0;

  /** Forgets everything. `floorMs`: a time that every command from now on is known to follow, 0 for none. */
  reset(floorMs: number): void {
    this.#moments = [];
    this.#latest = undefined;
    this.#floorMs = floorMs;
    this.#provenFrom = 0;
  }

  /** Takes a sample; samples come in the order in which they were taken. */
  add(sample: ClockSample): void {
    const before = this.#latest;
    if (before !== undefined && (sample.offset < before.offset || stepped(before, sample))) {
      this.reset(0);
      this.#provenFrom = sample.offset + 1;
    }
    this.#provenFrom = Math.max(this.#provenFrom, sample.ownFrom);
    this.#latest = sample;
    const last = this.#moments.at(-1);
    if (last?.offset === sample.offset) last.last = sample.micros;
    else this.#moments.push({ offset: sample.offset, first: sample.micros, last: sample.micros });
    if (this.#moments.length > mostMoments) {
      this.#moments = this.#moments.filter((_, index) => index % 2 === 0 || index === this.#moments.length - 1);
    }
  }

  /**
   * The master's clock showed at least this when a command that begins at `start` ran: milliseconds since the epoch,
   * rounded down; 0 when nothing is proven.
   */
  notBefore(start: number): number {
    const moment = this.#moments[firstFrom(this.#moments, start + 1) - 1];
    return moment === undefined ? this.#floorMs : Math.floor(moment.last / 1000);
  }

  /**
   * The master's clock showed at most this when a command that ends at `end` ran: milliseconds since the epoch, rounded
   * up; Infinity when nothing is proven. `now` is this process's monotonic time, at which the command had been read.
   */
  notAfter(end: number, now: number): number {
    if (end < this.#provenFrom) return Infinity;
    const moment = this.#moments[firstFrom(this.#moments, end)];
    if (moment !== undefined) return Math.ceil(moment.first / 1000);
    if (this.#latest === undefined) return Infinity;
    return Math.ceil(this.#latest.micros / 1000 + (now - this.#latest.sentAt));
  }

  /** Nobody will ask about commands that begin before `offset` any more. */
  passed(offset: number): void {
    const unneeded = firstFrom(this.#moments, offset + 1) - 1;
    if (unneeded > 0) this.#moments.splice(0, unneeded);
  }

  /** How many moments are held. */
  get size(): number {
    return this.#moments.length;
  }
}

/** Whether the master's clock moved by more or less than the time that passed here between two samples. */
function stepped(before: ClockSample, after: ClockSample): boolean {
  const moved = after.micros - before.micros;
  const least = (after.sentAt - before.receivedAt) * 1000;
  const most = (after.receivedAt - before.sentAt) * 1000;
  const tolerance = driftMicros + driftRatio * most;
  return moved < least - tolerance || moved > most + tolerance;
}
