/**
 * A moment by two clocks: the steady one does not count while a machine sleeps, and the other one may be set. Of the two
 * the longer time counts, so that no time that has passed is overlooked.
 */
export interface Moment {
  /** ms, of a clock that is never set. */
  readonly steady: number;
  /** ms since the epoch. */
  readonly wall: number;
}

export function now(): Moment {
  return { steady: performance.now(), wall: Date.now() };
}

/** How long ago a moment was, ms. */
export function elapsedSince({ steady, wall }: Moment, at = now()): number {
  return Math.max(at.steady - steady, at.wall - wall);
}

/** A moment so many ms before another one. */
export function before({ steady, wall }: Moment, ms: number): Moment {
  return { steady: steady - ms, wall: wall - ms };
}
