import { beginsWith } from '../bytes.ts';
import type { Contract } from '../contract.ts';
import type { Fill } from '../position.ts';

/** Which keys a mapping reads. */
export interface KeyRange {
  readonly database: number;
  readonly prefix: Buffer;
}

/** Which mappings are being filled, as the position tells it, and which keys nobody may have read yet because of that. */
export class Fills {
  readonly #ranges: ReadonlyMap<string, KeyRange>;
  readonly #fills: Map<string, Fill>;
  #scanned: readonly KeyRange[] = [];
  readonly #listed = new Set<string>();
  /** Prefixes whose hashes the state knows in every database. */
  #known: readonly Buffer[] = [];

  /** @param contracts of all mappings */
  constructor(contracts: readonly Contract[], fills: Readonly<Record<string, Fill>>) {
    const rangeOf = ({ mapping: { database, key } }: Contract): KeyRange => ({ database, prefix: key.prefix });
    this.#ranges = new Map(contracts.map((contract) => [contract.mapping.name, rangeOf(contract)]));
    this.#fills = new Map(Object.entries(fills));
    this.#sort();
  }

  /** What a position says of them. */
  get facts(): Record<string, Fill> {
    return Object.fromEntries(this.#fills);
  }

  /** The one that is worked on now. */
  get first(): { readonly name: string; readonly fill: Fill; readonly range: KeyRange } | undefined {
    for (const [name, fill] of this.#fills) {
      const range = this.#ranges.get(name);
      if (range !== undefined) return { name, fill, range };
    }
    return undefined;
  }

  /** Whether hashes of some mapping have yet to be read. */
  get scans(): boolean {
    return this.#scanned.length > 0;
  }

  set(name: string, fill: Fill): void {
    this.#fills.set(name, fill);
  }

  /** SCAN has shown all keys of the mapping, and the stream has come to where it ended. */
  list(name: string): void {
    this.#listed.add(name);
  }

  /** The mapping is filled. */
  end(name: string): void {
    this.#fills.delete(name);
    this.#listed.delete(name);
    this.#sort();
  }

  /** A full resync has filled all of them. */
  endAll(): void {
    this.#fills.clear();
    this.#listed.clear();
    this.#sort();
  }

  /** Whether a key is one that a mapping is being filled with, of which the state may know nothing though it exists. */
  scansKey(db: number, key: Buffer): boolean {
    return this.#scanned.some((range) => this.isIn(range, db, key));
  }

  /** Whether a key of which the state says nothing does not exist: it would have been shown, or named by the stream. */
  isListed(db: number, key: Buffer): boolean {
    for (const name of this.#listed) {
      const range = this.#ranges.get(name);
      if (range !== undefined && this.isIn(range, db, key)) return true;
    }
    return false;
  }

  /**
   * Whether a mapping is filled with the key. Keys of other databases are followed as well, since COPY, MOVE and SWAPDB
   * bring their hashes, but for those that another mapping has made known.
   */
  isIn({ database, prefix }: KeyRange, db: number, key: Buffer): boolean {
    if (!beginsWith(key, 0, key.length, prefix)) return false;
    return db === database || !this.#known.some((known) => beginsWith(key, 0, key.length, known));
  }

  #sort(): void {
    const isScanned = (name: string): boolean => this.#fills.get(name)?.stage === 'scan';
    this.#scanned = [...this.#ranges].filter(([name]) => isScanned(name)).map(([, range]) => range);
    this.#known = [...this.#ranges].filter(([name]) => !isScanned(name)).map(([, { prefix }]) => prefix);
  }
}
