/** Values that follow from a seed, so that a test that found something can be run again. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1): mulberry32, by Tommy Ettinger. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer from 0 up to, not including, this one. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** An integer between these two, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.below(choices.length)] ?? choices[0];
  }
}

/** The seed of a test: AFTERWRITE_SEED if that is set, or a new one. The caller prints it. */
export function seedOfTest(): number {
  const set = process.env['AFTERWRITE_SEED'] ?? '';
  return set === '' ? Math.floor(Math.random() * 2 ** 31) : Number(set);
}
