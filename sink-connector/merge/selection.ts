import type { Change, Changes } from '../decode/change.ts';

/** Some of many changes, in an order of their own: numbers of places, and no objects. */
export class Selection implements Changes {
  readonly #changes: Changes;
  readonly #places: Uint32Array;
  #length = 0;

  /** Without any change yet. */
  constructor(changes: Changes) {
    this.#changes = changes;
    this.#places = new Uint32Array(changes.length);
  }

  /** @param place which of the changes comes next; none twice */
  add(place: number): void {
    this.#places[this.#length++] = place;
  }

  get length(): number {
    return this.#length;
  }

  at(index: number): Change | undefined {
    return index < 0 || index >= this.#length ? undefined : this.#changes.at(this.#places[index] ?? -1);
  }

  *[Symbol.iterator](): Iterator<Change> {
    for (let index = 0; index < this.#length; index++) {
      const change = this.at(index);
      if (change !== undefined) yield change;
    }
  }
}
