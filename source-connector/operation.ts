import { createHash } from 'node:crypto';
import { equalBytes } from './bytes.ts';
import type { Effect } from './fold/change.ts';
import { isKept, isRejected } from './mark.ts';
import { PackedCursor, unpackStrings } from './packed-hash.ts';
import type { Entry } from './state/port.ts';
import { wholeOf, type HeldHash } from './wide-hash.ts';

/**
 * Operations: a client that writes a hash says in its field `#` what becomes of it.
 *   operation := '=' id?   kept in Redis, and published
 *              | '+' id?   kept in Redis, not published
 *              | '~' id?   removed from Redis, and its row is deleted
 *              | '-' id?   removed from Redis, its row is kept
 *   id        := 1 to 255 bytes, for which the client waits
 */
export interface Operation {
  readonly kind: 'upsert' | 'skip' | 'delete' | 'drop' | 'unknown';
  /** A view of what was given; null for none. */
  readonly id: Buffer | null;
}

/** The field that holds the operation. */
export const OPERATION_FIELD = Buffer.from('#');
/** A longer id would not fit beside a record. */
const LONGEST_ID = 255;

const kinds: Readonly<Record<string, Operation['kind']>> = { '=': 'upsert', '+': 'skip', '~': 'delete', '-': 'drop' };

/** What the field `#` says. */
export function operationOf(value: Buffer): Operation {
  const id = value.subarray(1);
  if (id.length > LONGEST_ID) return { kind: 'unknown', id: null };
  return { kind: kinds[value.toString('latin1', 0, 1)] ?? 'unknown', id: id.length === 0 ? null : id };
}

/** Whether the hash is removed from Redis. */
export function removesHash({ kind }: Operation): boolean {
  return kind === 'delete' || kind === 'drop';
}

/** Looks into hashes for their operation. */
export class OperationField {
  readonly #cursor = new PackedCursor();

  /** What the field `#` of a hash, or of a patch, holds: a copy; of several the last one counts. */
  of(hash: HeldHash): Buffer | undefined {
    if (!Buffer.isBuffer(hash)) {
      const value = hash.valueOf(OPERATION_FIELD);
      return value && Buffer.from(value);
    }
    let value: Buffer | undefined;
    const cursor = this.#cursor.reset(hash);
    while (cursor.next()) {
      const { bytes, nameStart, nameEnd } = cursor;
      if (equalBytes(bytes, nameStart, nameEnd, OPERATION_FIELD, 0, 1)) value = Buffer.from(cursor.value());
    }
    return value;
  }
}

/** Names what a hash holds beside its operation, in whatever order its fields come. */
export function contentDigest(hash: HeldHash): Buffer {
  const strings = unpackStrings(wholeOf(hash));
  const fields: string[] = [];
  for (let i = 0; i + 1 < strings.length; i += 2) {
    const [name, value] = [strings[i], strings[i + 1]];
    if (name?.equals(OPERATION_FIELD) === true) continue;
    fields.push(`${name?.length}:${name?.toString('latin1')}${value?.toString('latin1')}`);
  }
  const digest = createHash('sha256');
  for (const field of fields.sort()) digest.update(`${field.length}:`).update(field, 'latin1');
  return digest.digest().subarray(0, 12);
}

/**
 * Whether the hash of an entry with this operation waits to be removed: nothing has come after the operation. What comes
 * after it makes another row, or another mark.
 */
export function waitsForRemoval({ current, published, mark }: Entry, value: Buffer | undefined): boolean {
  if (current === null || value === undefined) return false;
  const operation = operationOf(value);
  if (!removesHash(operation)) return false;
  return (published === null && mark === null) || (operation.kind === 'drop' && isKept(mark));
}

/** The hash that has to be there still: a newer operation that removes it may look like the older one. */
export function expectedHash(operation: Operation, hash: HeldHash): Buffer | null {
  return removesHash(operation) ? Buffer.from(wholeOf(hash)) : null;
}

/**
 * What has to be done for an operation that was folded before, if anything: its field is still there.
 * @param awaited whether sinks acknowledge the commands that events tell of
 */
export function pendingEffect(
  db: number,
  key: Buffer,
  entry: Entry,
  value: Buffer | undefined,
  awaited: boolean,
): Effect | undefined {
  const { current, mark } = entry;
  if (value === undefined || current === null) return undefined;
  const operation = operationOf(value);
  const { kind, id } = operation;
  const failed = kind === 'unknown' || (kind === 'upsert' && isRejected(mark));
  const isTold = (kind === 'upsert' || kind === 'delete') && !failed;
  return {
    db,
    key: Buffer.from(key),
    value,
    hash: expectedHash(operation, current),
    removes: waitsForRemoval(entry, value),
    id: isTold && awaited ? null : id,
    failed,
    again: true,
  };
}
