import { AfterwriteError } from '../../ops/errors/index.ts';

/** Of the first half of a key's hash; `to` does not belong to it. */
export interface HashRange {
  readonly from: number;
  readonly to: number;
}

/** How many keys are held at once: their hashes take 64 MiB then. */
const defaultLimit = 4_194_304;
const smallest = 1024;
const end = 2 ** 32;

/**
 * A set of keys, as hashes of 64 bits in typed arrays. Its memory is bounded: when more keys come than it may hold, it
 * halves its range, forgets the keys outside and takes no more of them. A second set goes on where its range ends.
 *
 * Two keys of one hash are one to it. So `has` may say yes of a key that was not added, and never no of one that was.
 */
export class KeyHashes {
  readonly #limit: number;
  readonly #from: number;
  #to = end;
  #size = 0;
  /** Slots of an open hash table, at most half full; both halves are 0 where there is none. */
  #first = new Uint32Array(2 * smallest);
  #second = new Uint32Array(2 * smallest);
  /** The hash in hand. */
  #high = 0;
  #low = 0;

  /** @param from where its range begins: 0, or where that of another set ends */
  constructor(from = 0, limit = defaultLimit) {
    this.#from = from;
    this.#limit = limit;
  }

  /** What it holds all keys of that were added. */
  get range(): HashRange {
    return { from: this.#from, to: this.#to };
  }

  /** Where the range of the next set begins; undefined when this one goes to the end. */
  get next(): number | undefined {
    return this.#to === end ? undefined : this.#to;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds the key that these bytes are, from an offset on, if it is in the range. */
  add(bytes: Buffer, start: number): void {
    this.#hash(bytes, start);
    if (!this.#isInRange(this.#high)) return;
    if (this.#size >= this.#limit) {
      this.#narrow();
      this.#hash(bytes, start);
      if (!this.#isInRange(this.#high)) return;
    } else if (2 * this.#size >= this.#first.length) {
      this.#rebuild(2 * this.#first.length);
    }
    this.#put(this.#high, this.#low);
  }

  /** Whether its range is the one that this key belongs to. */
  covers(bytes: Buffer, start: number): boolean {
    this.#hash(bytes, start);
    return this.#isInRange(this.#high);
  }

  /** Whether a key was added. @throws INTERNAL for a key that it does not cover: it cannot know */
  has(bytes: Buffer, start: number): boolean {
    if (!this.covers(bytes, start)) throw new AfterwriteError('INTERNAL', 'A key is outside of what is known');
    const at = this.#slotOf(this.#high, this.#low);
    return this.#first[at] !== 0 || this.#second[at] !== 0;
  }

  #isInRange(high: number): boolean {
    return high >= this.#from && high < this.#to;
  }

  /** Halves the range until at least a quarter of the room is free. */
  #narrow(): void {
    while (4 * this.#size > 3 * this.#limit) {
      const width = this.#to - this.#from;
      if (width < 2) throw new AfterwriteError('INTERNAL', 'More keys than fit have one hash');
      this.#to = this.#from + Math.floor(width / 2);
      this.#rebuild(this.#first.length);
    }
  }

  /** Moves what is in the range into a table of so many slots. */
  #rebuild(slots: number): void {
    const first = this.#first;
    const second = this.#second;
    const [high, low] = [this.#high, this.#low];
    this.#first = new Uint32Array(slots);
    this.#second = new Uint32Array(slots);
    this.#size = 0;
    for (let at = 0; at < first.length; at++) {
      const x = first[at] ?? 0;
      const y = second[at] ?? 0;
      if ((x !== 0 || y !== 0) && this.#isInRange(x)) this.#put(x, y);
    }
    [this.#high, this.#low] = [high, low];
  }

  #put(high: number, low: number): void {
    const at = this.#slotOf(high, low);
    if (this.#first[at] !== 0 || this.#second[at] !== 0) return;
    this.#first[at] = high;
    this.#second[at] = low;
    this.#size++;
  }

  /** Where this hash stands, or would. By its second half: the first is what ranges are cut by. */
  #slotOf(high: number, low: number): number {
    const mask = this.#first.length - 1;
    let at = low & mask;
    for (;;) {
      const x = this.#first[at];
      const y = this.#second[at];
      if ((x === high && y === low) || (x === 0 && y === 0)) return at;
      at = (at + 1) & mask;
    }
  }

  /** Two lanes of 32 bits over words of four bytes, each stirred at the end (the finish of murmur3) with the other. */
  #hash(bytes: Buffer, start: number): void {
    const { length } = bytes;
    let a = 0x9e3779b9 ^ length;
    let b = 0x85ebca77 ^ length;
    let at = start;
    for (; at + 4 <= length; at += 4) {
      const word = bytes.readInt32LE(at);
      a = Math.imul(a ^ word, 0x2c1b3c6d);
      a ^= a >>> 15;
      b = Math.imul(b ^ word, 0x297a2d39);
      b ^= b >>> 13;
    }
    for (; at < length; at++) {
      const byte = bytes[at] ?? 0;
      a = Math.imul(a ^ byte, 0x01000193);
      b = Math.imul(b ^ byte, 0x5bd1e995);
      b ^= b >>> 17;
    }
    const high = stirred(a ^ Math.imul(b, 0x165667b1));
    const low = stirred(b ^ Math.imul(a, 0x27d4eb2f));
    this.#high = high;
    // Both halves 0 say that a slot is free.
    this.#low = high === 0 && low === 0 ? 1 : low;
  }
}

function stirred(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
