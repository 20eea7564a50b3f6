/**
 * A hash that is too wide to be copied at each change, as the state holds it: in pieces, of which a change touches one.
 * A view: valid until the state is asked for an entry again, or given another one for this key. What is changed stands in the state at
 * once, and the entry has to be put after it.
 */
export interface WideHash {
  /** How many fields it has. */
  readonly fields: number;
  /** Bytes of its fields, packed. */
  readonly bytes: number;
  /** Whether anything of it has changed since the state was asked for it. */
  readonly changed: boolean;
  /** The value of a field: a view that is valid until the next call. */
  valueOf(name: Buffer): Buffer | undefined;
  /** Lays a packed patch over it; of equal names the last one wins. */
  set(patch: Buffer): void;
  /** Adds to an integer field, which is 0 when absent. @returns false when the field holds no integer */
  increment(name: Buffer, by: bigint): boolean;
  /** Takes fields away. */
  unset(names: readonly Buffer[]): void;
  /** All fields, packed, as a copy. */
  whole(): Buffer;
}

/** A hash: packed in one piece (packed-hash.ts), or wide. */
export type HeldHash = Buffer | WideHash;

export function isWide(hash: HeldHash | null): hash is WideHash {
  return hash !== null && !Buffer.isBuffer(hash);
}

/** All fields of a hash, packed: the same buffer where it is one. */
export function wholeOf(hash: HeldHash): Buffer {
  return Buffer.isBuffer(hash) ? hash : hash.whole();
}
