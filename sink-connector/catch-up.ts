/** How far a way back to the end is. */
export interface CatchUpFigures {
  /** Offsets written, of how many: there may be fewer records. */
  readonly done: number;
  readonly total: number;
  /** Offsets a second, since it began. */
  readonly rate: number;
  /** Undefined while nothing is written yet. */
  readonly secondsLeft: number | undefined;
}

/** The way of a partition, from where it was claimed or a replay began, to the end that the log had then. */
export class CatchUp {
  readonly from: number;
  readonly startedAt: number;
  #goal: number | undefined;

  /** @param startedAt ms, of a steady clock */
  constructor(from: number, startedAt: number) {
    this.from = from;
    this.startedAt = startedAt;
  }

  /** The first end that is seen is the goal: what comes after it is ordinary lag. */
  sees(highWatermark: number): void {
    this.#goal ??= highWatermark;
  }

  isReachedAt(nextOffset: number): boolean {
    return this.#goal !== undefined && nextOffset >= this.#goal;
  }

  /** Undefined before an end was seen. */
  figures(nextOffset: number, now: number): CatchUpFigures | undefined {
    if (this.#goal === undefined) return undefined;
    const total = Math.max(0, this.#goal - this.from);
    const done = Math.min(total, Math.max(0, nextOffset - this.from));
    const seconds = (now - this.startedAt) / 1000;
    const rate = seconds > 0 ? done / seconds : 0;
    return { done, total, rate, secondsLeft: rate > 0 ? (total - done) / rate : undefined };
  }
}
