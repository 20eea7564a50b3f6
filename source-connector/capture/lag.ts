/** At this time, ms of the monotonic clock, the stream was known to reach this offset. */
interface Mark {
  readonly at: number;
  offset: number;
}

/** Marks closer than this become one, ms: the precision of the lag. */
const finestMs = 10;
/** Above this many marks the precision becomes twice as coarse: the lag is then shown a little too large. */
const mostMarks = 4096;

/** How far what is published lies behind what the stream is known to hold, in bytes and in time. */
export class Lag {
  /** In rising order of time and of offset. */
  #marks: Mark[] = [];
  #precisionMs = finestMs;
  #replid = '';
  #seen = 0;
  #published = 0;

  /** The stream of `replid` reaches `offset` now. Another replid than before begins anew. */
  seen(replid: string, offset: number, now: number): void {
    this.#follow(replid, offset);
    if (offset <= this.#seen) return;
    this.#seen = offset;
    const last = this.#marks.at(-1);
    if (last !== undefined && now - last.at < this.#precisionMs) last.offset = offset;
    else this.#marks.push({ at: now, offset });
    if (this.#marks.length > mostMarks) this.#thin();
  }

  /** All that matters of the stream up to `offset` is in Kafka. */
  published(replid: string, offset: number): void {
    this.#follow(replid, offset);
    this.#published = Math.max(this.#published, offset);
    this.#seen = Math.max(this.#seen, offset);
    const left = this.#marks.findIndex((mark) => mark.offset > this.#published);
    this.#marks.splice(0, left < 0 ? this.#marks.length : left);
    if (this.#marks.length === 0) this.#precisionMs = finestMs;
  }

  get bytes(): number {
    return this.#seen - this.#published;
  }

  /** How long ago the first byte that is not published was seen, ms. */
  ms(now: number): number {
    const [first] = this.#marks;
    return first === undefined ? 0 : Math.round(now - first.at);
  }

  #follow(replid: string, offset: number): void {
    if (replid === this.#replid) return;
    this.#replid = replid;
    this.#marks = [];
    this.#seen = offset;
    this.#published = offset;
  }

  #thin(): void {
    this.#precisionMs *= 2;
    const thinned: Mark[] = [];
    for (const mark of this.#marks) {
      const last = thinned.at(-1);
      if (last !== undefined && mark.at - last.at < this.#precisionMs) last.offset = mark.offset;
      else thinned.push(mark);
    }
    this.#marks = thinned;
  }
}
