import { firstFrom } from './first-from.ts';

/** How many keys a master had evicted when its stream stood at an offset, both read in one transaction. */
export interface EvictionSample {
  readonly offset: number;
  /** INFO's evicted_keys: rises by one with each. */
  readonly evicted: number;
  /** Which keys may be evicted by its settings: none, those with an expiry, or all. */
  readonly evicts: 'nothing' | 'volatile' | 'any';
}

/** Whether a removal was an eviction, as far as it is proven. */
export type Evicted = 'yes' | 'no' | 'maybe';

interface Moment {
  readonly offset: number;
  readonly evicted: number;
}

/** Above this many names that nobody has asked for yet, they are given up: the removals are `maybe`. */
const mostNames = 100_000;
/** Above this many moments every second one is dropped: removals between two others are then told less exactly. */
const mostMoments = 8192;

/**
 * Which removals of a stream were evictions. Redis sends the same DEL for both. Its counter, sampled with offsets, says
 * how many evictions lie between two offsets: mostly none. Where there are some, their names are needed, which the
 * server publishes as events in their order. The n-th event belongs to the n-th eviction; a sample that comes with fewer
 * events than evictions shows that some were not told, and then none of them counts.
 */
export class Evictions {
  /** In rising order of offset. */
  #moments: Moment[] = [];
  /** Undefined before the first sample. */
  #evicts: EvictionSample['evicts'] | undefined;
  /** Names in the order of evictions. */
  #names: string[] = [];
  /** The number of the eviction of the first name; undefined when it is not known which evictions the names are of. */
  #first: number | undefined;
  /** How many names had come at the last sample. */
  #namesBefore = 0;
  /**
   * Removals that were named, with the end of their window: another one of that key there is not told apart. The same one
   * is asked about again when a life begins again.
   */
  readonly #named = new Map<string, { readonly window: number; readonly end: number }>();
  /** The names of the window that was asked about last. */
  #window: { readonly end: number; readonly names: ReadonlySet<string> } | undefined;

  /** Whether a removal has to be proven to be no eviction; undefined before the first sample. */
  get possible(): boolean | undefined {
    return this.#evicts === undefined ? undefined : this.#evicts !== 'nothing';
  }

  /** Forgets everything: another stream, or another server. */
  reset(): void {
    this.#moments = [];
    this.#evicts = undefined;
    this.#named.clear();
    this.#window = undefined;
    this.unheard();
  }

  /** The server says that it evicted a key. */
  named(db: number, key: Buffer): void {
    if (this.#names.length >= mostNames) this.unheard();
    else this.#names.push(nameOf(db, key));
  }

  /** Names may have been missed. */
  unheard(): void {
    this.#names = [];
    this.#first = undefined;
    this.#namesBefore = 0;
  }

  /**
   * Takes a sample, in the order in which they were taken; every name that the server told before it has come.
   * @returns false when some evictions were not named, so that no removal of that time can be told apart
   */
  add({ offset, evicted, evicts }: EvictionSample): boolean {
    const last = this.#moments.at(-1);
    // The counter was reset, or the server is another one.
    if (last !== undefined && (evicted < last.evicted || offset < last.offset)) this.reset();
    this.#evicts = evicts;
    const heard = this.#numberNames(evicted, last?.evicted);
    if (last?.offset === offset && last.evicted === evicted) return heard;
    this.#moments.push({ offset, evicted });
    if (this.#moments.length > mostMoments) this.#moments = this.#moments.filter((_, index) => index % 2 === 1);
    return heard;
  }

  /** Whether the DEL or UNLINK of this key at these offsets was an eviction. */
  evicted(start: number, end: number, db: number, key: Buffer, hasExpiry: boolean): Evicted {
    const after = this.#moments[firstFrom(this.#moments, end)];
    const before = this.#moments[firstFrom(this.#moments, start + 1) - 1];
    if (before === undefined || after === undefined) {
      return this.#evicts === 'nothing' || (this.#evicts === 'volatile' && !hasExpiry) ? 'no' : 'maybe';
    }
    if (before.evicted === after.evicted) return 'no';
    const names = this.#namesBetween(before, after);
    if (names === undefined) return this.#evicts === 'volatile' && !hasExpiry ? 'no' : 'maybe';
    const name = nameOf(db, key);
    if (!names.has(name)) return 'no';
    const named = this.#named.get(name);
    if (named?.window === after.offset && named.end !== end) return 'maybe';
    this.#named.set(name, { window: after.offset, end });
    return 'yes';
  }

  /** Whether a sample lies at this offset or behind it. */
  reaches(offset: number): boolean {
    return (this.#moments.at(-1)?.offset ?? -1) >= offset;
  }

  /** Nobody will ask about commands that begin before `offset` any more. */
  passed(offset: number): void {
    const unneeded = firstFrom(this.#moments, offset + 1) - 1;
    if (unneeded <= 0) return;
    this.#moments.splice(0, unneeded);
    const from = this.#moments[0]?.offset ?? 0;
    for (const [name, { window }] of this.#named) if (window <= from) this.#named.delete(name);
    const kept = this.#moments[0]?.evicted ?? 0;
    if (this.#first === undefined || kept < this.#first) return;
    const gone = kept + 1 - this.#first;
    this.#names.splice(0, gone);
    this.#namesBefore = Math.max(0, this.#namesBefore - gone);
    this.#first = kept + 1;
  }

  /** The keys that were evicted between two moments; undefined when the server did not tell them all. */
  #namesBetween(before: Moment, after: Moment): ReadonlySet<string> | undefined {
    const first = this.#first;
    if (first === undefined || before.evicted + 1 < first) return undefined;
    if (this.#window?.end !== after.offset) {
      const names = this.#names.slice(before.evicted + 1 - first, after.evicted + 1 - first);
      this.#window = { end: after.offset, names: new Set(names) };
    }
    return this.#window.names;
  }

  /** Finds out which evictions the names are of, once nothing happened between two samples; false: some are missing. */
  #numberNames(evicted: number, before: number | undefined): boolean {
    const quiet = before === evicted && this.#names.length === this.#namesBefore;
    this.#namesBefore = this.#names.length;
    if (this.#first === undefined) {
      if (quiet) {
        this.#names = [];
        this.#namesBefore = 0;
        this.#first = evicted + 1;
      }
      return before === undefined || before === evicted;
    }
    if (this.#first + this.#names.length > evicted) return true;
    this.unheard();
    return false;
  }
}

function nameOf(db: number, key: Buffer): string {
  return `${db} ${key.toString('latin1')}`;
}
