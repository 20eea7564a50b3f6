/**
 * Names of the keys of a write-through, beside the key that is written:
 *
 *   staging key := "__{" key "}"                 a client writes the fields there
 *   verdict     := "__{" key "}#" number         a hash that says what was decided of the write of this number
 *
 * In a cluster all of them are in the key's slot, since a key with "}" cannot be staged.
 */
const OPEN = Buffer.from('__{');
const CLOSE = Buffer.from('}');
const SHUT = 0x7d;
const NUMBER = 0x23;

export interface StagedKey {
  /** The key that is written: a view. */
  readonly key: Buffer;
  /** Of a verdict: the number of the write; undefined for the staging key. */
  readonly number: number | undefined;
}

/** What staging keys and verdicts of the keys with this prefix begin with. */
export function stagedPrefix(prefix: Buffer): Buffer {
  return Buffer.concat([OPEN, prefix]);
}

export function stagingKeyOf(key: Buffer): Buffer {
  return Buffer.concat([OPEN, key, CLOSE]);
}

export function verdictKeyOf(key: Buffer, number: number): Buffer {
  return Buffer.concat([OPEN, key, Buffer.from(`}#${number}`)]);
}

/** Reads a staging key or a verdict's key; undefined for any other. */
export function readStagedKey(name: Buffer): StagedKey | undefined {
  if (name.length < OPEN.length || !name.subarray(0, OPEN.length).equals(OPEN)) return undefined;
  const end = name.indexOf(SHUT);
  if (end < 0) return undefined;
  const key = name.subarray(OPEN.length, end);
  if (end === name.length - 1) return { key, number: undefined };
  const digits = name.toString('latin1', end + 2);
  if (name[end + 1] !== NUMBER || !/^[1-9]\d{0,15}$/.test(digits)) return undefined;
  return { key, number: Number(digits) };
}
