import type { SlotPlaces } from '../../../source-connector/cluster/topology.ts';

/** What a master's stream says of a key. */
export type Step =
  | { readonly kind: 'set'; readonly key: string; readonly value: string }
  | { readonly kind: 'restore'; readonly key: string; readonly value: string }
  | { readonly kind: 'del'; readonly key: string };

/** Slots are few here, and a key is named for its own: `2:a` is in slot 2. */
export const SLOTS = [0, 1, 2] as const;
export const MASTERS = [0, 1, 2] as const;
export const KEYS = SLOTS.flatMap((slot) => ['a', 'b'].map((name) => `${slot}:${name}`));

export function slotOf(key: string | Buffer): number {
  return Number(key.toString()[0]);
}

/** A Redis Cluster as its documentation has it: where keys live, who serves slots, and what each master's stream says. */
export class MovingWorld {
  readonly streams: Step[][] = MASTERS.map(() => []);
  readonly #data: Map<string, string>[] = MASTERS.map(() => new Map<string, string>());
  readonly #owners: number[] = SLOTS.map((slot) => slot % MASTERS.length);
  readonly #moves = new Map<number, { readonly from: number; readonly to: number }>();
  readonly #epochs: number[] = MASTERS.map((number) => number + 1);
  #writes = 0;

  /** What all masters say of slots, now. */
  places(): SlotPlaces {
    const owners = [...this.#owners];
    const moving = new Set(this.#moves.keys());
    return { ownerOf: (slot) => owners[slot], isMoving: (slot) => moving.has(slot) };
  }

  epochOf(master: number): number {
    return this.#epochs[master] ?? 0;
  }

  /** What clients read. */
  hashes(): Map<string, string> {
    return new Map(this.#data.flatMap((data) => [...data]));
  }

  ownerOf(slot: number): number {
    return this.#owners[slot] ?? 0;
  }

  /** A client writes: where the key lives, or, while its slot moves, where new keys go. */
  write(key: string): void {
    const value = `v${++this.#writes}`;
    const at = this.#homeOf(key);
    this.#data[at]?.set(key, value);
    this.streams[at]?.push({ kind: 'set', key, value });
  }

  remove(key: string): void {
    const at = this.#homeOf(key);
    if (this.#data[at]?.delete(key) === true) this.streams[at]?.push({ kind: 'del', key });
  }

  begin(slot: number, to: number): void {
    const from = this.#owners[slot] ?? 0;
    if (from !== to && !this.#moves.has(slot)) this.#moves.set(slot, { from, to });
  }

  /** MIGRATE of one key, if it is still to go. */
  migrate(key: string): void {
    const move = this.#moves.get(slotOf(key));
    if (move !== undefined) this.#carry(key, move.from, move.to);
  }

  /** All keys go, and the slot with them. */
  finish(slot: number): void {
    const move = this.#moves.get(slot);
    if (move === undefined) return;
    for (const key of KEYS) if (slotOf(key) === slot) this.#carry(key, move.from, move.to);
    this.#owners[slot] = move.to;
    // Whoever takes a slot has the highest epoch then.
    const highest = Math.max(...this.#epochs);
    if (this.epochOf(move.to) !== highest) this.#epochs[move.to] = highest + 1;
    this.#moves.delete(slot);
  }

  /** Keys come back, and the slot stays: what `redis-cli --cluster fix` does. */
  abort(slot: number): void {
    const move = this.#moves.get(slot);
    if (move === undefined) return;
    for (const key of KEYS) if (slotOf(key) === slot) this.#carry(key, move.to, move.from);
    this.#moves.delete(slot);
  }

  #carry(key: string, from: number, to: number): void {
    const value = this.#data[from]?.get(key);
    if (value === undefined) return;
    this.#data[to]?.set(key, value);
    this.streams[to]?.push({ kind: 'restore', key, value });
    this.#data[from]?.delete(key);
    this.streams[from]?.push({ kind: 'del', key });
  }

  #homeOf(key: string): number {
    const move = this.#moves.get(slotOf(key));
    if (move === undefined) return this.#owners[slotOf(key)] ?? 0;
    return this.#data[move.from]?.has(key) === true ? move.from : move.to;
  }
}
