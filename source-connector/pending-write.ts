import { createHash } from 'node:crypto';
import { PackedWriter, unpackHash, unpackStrings } from './packed-hash.ts';
import { ASIDE } from './state/port.ts';

/** What a write-through is to do: see docs/write-through.md. */
export type StagedOperation = '=' | '~' | '+' | '-';

/** A write-through from its capture to its verdict. */
export interface PendingWrite {
  /** The database and the key that are written. */
  readonly db: number;
  readonly key: Buffer;
  /** Names it: later writes of the shard have greater numbers. Versions of events and numbers rise together. */
  readonly number: number;
  readonly operation: StagedOperation;
  /** The client's, empty where it gave none. */
  readonly id: Buffer;
  /** What stood in the field `#`, if it was there. */
  readonly token: Buffer | undefined;
  /** The staged fields without `#`, packed. */
  readonly fields: Buffer;
  /** When it was captured, ms since the epoch. */
  readonly at: number;
  /** Why it fails without asking any database; empty otherwise. */
  readonly error: string;
  /** Of `~`: names the hash (`digestOf`) that it was to delete: as it was then, and with the writes that were pending before it. */
  readonly before: string;
  readonly expected: string;
}

/** Where pending writes stand in the state: as a database of this number more, which it does not list. */
export const STAGED = ASIDE;

/** A write without database and key, which its name tells (`verdictKeyOf`). */
export function encodePendingWrite(write: PendingWrite): Buffer {
  const { operation, id, token, fields, at, error, before, expected } = write;
  const writer = new PackedWriter(128 + fields.length);
  const texts = [operation, String(at), error, before, expected, token === undefined ? '' : '#'].map((text) =>
    Buffer.from(text),
  );
  for (const bytes of [...texts, token ?? Buffer.alloc(0), id, fields]) writer.append(bytes, 0, bytes.length);
  return Buffer.from(writer.view());
}

/** Reads what `encodePendingWrite` wrote; undefined for anything else. */
export function decodePendingWrite(
  place: Pick<PendingWrite, 'db' | 'key' | 'number'>,
  packed: Buffer,
): PendingWrite | undefined {
  const [operation, at, error, before, expected, hasToken, token, id, fields] = unpackStrings(packed).map((part) =>
    Buffer.from(part),
  );
  const named = operation?.toString();
  if (!isOperation(named) || at === undefined || error === undefined || before === undefined || expected === undefined)
    return undefined;
  if (hasToken === undefined || token === undefined || id === undefined || fields === undefined) return undefined;
  return {
    ...place,
    operation: named,
    id,
    token: hasToken.length === 0 ? undefined : token,
    fields,
    at: Number(at.toString()),
    error: error.toString(),
    before: before.toString(),
    expected: expected.toString(),
  };
}

export function isOperation(text: string | undefined): text is StagedOperation {
  return text === '=' || text === '~' || text === '+' || text === '-';
}

/**
 * Names the content of a hash, as the script of a verdict does (write-through/verdict.ts): SHA-1 of the sorted SHA-1s of its fields, in hex,
 * a field being name and value, each behind its length. `#` is no content. Empty for no hash.
 */
export function digestOf(hash: Buffer | null): string {
  const fields = hash === null ? [] : unpackHash(hash).filter(([name]) => !name.equals(TOKEN));
  if (fields.length === 0) return '';
  const each = fields.map(([name, value]) =>
    sha1([Buffer.from(`${name.length}:`), name, Buffer.from(`${value.length}:`), value]),
  );
  return sha1([Buffer.from(each.sort().join(''))]);
}

function sha1(parts: readonly Buffer[]): string {
  const digest = createHash('sha1');
  for (const part of parts) digest.update(part);
  return digest.digest('hex');
}

/** The field that says what a client wants done. */
export const TOKEN: Buffer = Buffer.from('#');

/** The id under which the sinks report that they have written the row of a write. */
export function reportId(number: number): Buffer {
  return Buffer.from(`afterwrite:${number}`);
}
