/** What the cutter has to know of some records that follow each other. */
export interface SizedRecords<L> {
  readonly length: number;
  offsetAt(index: number): number;
  /** Bytes. */
  sizeAt(index: number): number;
  slice(from: number, to?: number): L;
}

/** What a fetch brought: the records that count, and the offset to fetch next, which may be far beyond the last record. */
export interface Page<L extends SizedRecords<L>> {
  /** None of them is empty. */
  readonly lists: readonly L[];
  readonly nextOffset: number;
}

/** Limits of a batch; a single record that is larger than `bytes` is a batch of its own. */
export interface BatchLimits {
  readonly rows: number;
  readonly bytes: number;
}

/** Records from one offset up to, not including, another. Without records it only says that there are none. */
export interface Batch<L> {
  readonly lists: readonly L[];
  readonly from: number;
  readonly to: number;
}

/** Cuts the pages of one partition into batches of bounded size. */
export class BatchCutter<L extends SizedRecords<L>> {
  readonly #limits: BatchLimits;
  #from: number;
  #next: number;
  readonly #lists: L[] = [];
  #rows = 0;
  #bytes = 0;

  constructor(from: number, limits: BatchLimits) {
    this.#from = from;
    this.#next = from;
    this.#limits = limits;
  }

  /** Where to fetch next. */
  get next(): number {
    return this.#next;
  }

  /** Whether there is nothing to write: no record, and no offset that was passed over. */
  get isEmpty(): boolean {
    return this.#from === this.#next;
  }

  /** Whether waiting for more would not make the next batch larger. */
  get isFull(): boolean {
    return this.#rows >= this.#limits.rows || this.#bytes >= this.#limits.bytes;
  }

  push(page: Page<L>): void {
    for (const list of page.lists) {
      this.#lists.push(list);
      this.#rows += list.length;
      for (let index = 0; index < list.length; index++) this.#bytes += list.sizeAt(index);
    }
    this.#next = page.nextOffset;
  }

  /** Takes the next batch; what does not fit stays. */
  cut(): Batch<L> {
    const from = this.#from;
    const lists: L[] = [];
    let rows = 0;
    let bytes = 0;
    const fitting = (list: L): number => {
      for (let index = 0; index < list.length; index++) {
        const size = list.sizeAt(index);
        if (rows > 0 && (rows >= this.#limits.rows || bytes + size > this.#limits.bytes)) return index;
        rows++;
        bytes += size;
      }
      return list.length;
    };
    for (let list = this.#lists.shift(); list !== undefined; list = this.#lists.shift()) {
      const count = fitting(list);
      if (count > 0) lists.push(list.slice(0, count));
      if (count === list.length) continue;
      this.#lists.unshift(list.slice(count));
      break;
    }
    this.#rows -= rows;
    this.#bytes -= bytes;
    this.#from = this.#lists[0]?.offsetAt(0) ?? this.#next;
    return { lists, from, to: this.#from };
  }
}
