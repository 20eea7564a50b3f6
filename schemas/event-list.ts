import { type DecodedEvent, type EventRecord, WalkedRecord } from './decoded-event.ts';

/** Records that follow each other. */
export interface RecordSource {
  readonly length: number;
  at(index: number): EventRecord | undefined;
}

/**
 * Decoded events of some records, in their order. Of an event that was walked, two numbers are kept and no object: what
 * stands for it is made for whoever asks, so that the garbage collector has nothing to look at while a batch waits.
 */
export class EventList implements Iterable<DecodedEvent> {
  readonly #sources: readonly RecordSource[];
  /** Where each source begins among all records, and which one each record is of. */
  readonly #starts: Int32Array;
  readonly #sourceOf: Uint32Array;
  readonly #rowsAt: Int32Array;
  readonly #versionsAt: Int32Array;
  /** Events that were read, and those of other schemas than the first one's. */
  readonly #others = new Map<number, DecodedEvent>();
  #first: WalkedRecord | undefined;
  #length = 0;

  /** Without any event yet. @param sources the records, of which each will be one event */
  constructor(sources: readonly RecordSource[]) {
    const records = sources.reduce((sum, { length }) => sum + length, 0);
    this.#sources = sources;
    this.#starts = new Int32Array(sources.length);
    this.#sourceOf = new Uint32Array(records);
    let start = 0;
    for (const [index, { length }] of sources.entries()) {
      this.#starts[index] = start;
      this.#sourceOf.fill(index, start, start + length);
      start += length;
    }
    this.#rowsAt = new Int32Array(records);
    this.#versionsAt = new Int32Array(records);
  }

  /** Adds the event of the next record. */
  push(event: DecodedEvent): void {
    const index = this.#length++;
    if (event instanceof WalkedRecord) {
      this.#first ??= event;
      if (event.isReadAs(this.#first)) {
        this.#rowsAt[index] = event.rowAt;
        this.#versionsAt[index] = event.versionAt;
        return;
      }
    }
    this.#others.set(index, event);
  }

  get length(): number {
    return this.#length;
  }

  at(index: number): DecodedEvent | undefined {
    if (index < 0 || index >= this.#length) return undefined;
    const other = this.#others.size === 0 ? undefined : this.#others.get(index);
    if (other !== undefined) return other;
    const record = this.#recordAt(index);
    return record === undefined
      ? undefined
      : this.#first?.readLike(record, this.#rowsAt[index] ?? -1, this.#versionsAt[index] ?? 0);
  }

  *[Symbol.iterator](): Iterator<DecodedEvent> {
    for (let index = 0; index < this.#length; index++) {
      const event = this.at(index);
      if (event !== undefined) yield event;
    }
  }

  #recordAt(index: number): EventRecord | undefined {
    const source = this.#sourceOf[index] ?? 0;
    return this.#sources[source]?.at(index - (this.#starts[source] ?? 0));
  }
}
