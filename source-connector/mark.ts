import { z } from 'zod';
import type { RemovalCause } from './fold/change.ts';

/**
 * Marks: what the topics cannot say about a key. In the state they are bytes:
 *   'k' text fields                the row is kept although its hash went away for this cause
 *   'i' text fields                the hash is back after that, without these fields, whose columns keep their values
 *   'r' text fields, 'R' …         the hash was rejected (dead-lettered); the text is a digest that names the rejected
 *                                  content. The fields are those of the row that was published before; 'R' says that
 *                                  those that the hash lacks keep their values once it is a row again
 *   'h' text fields, 'H' …         the hash went away for this cause while its slot was moving: it may live in another
 *                                  shard. Fields as of a rejected hash. Where a mark 'r' or 'u' stood for the hash, the text is
 *                                  cause, a zero byte, that letter and that mark's text
 *   'u' text fields, 'U' …         the hash was written by a command that said not to publish it; the text is a digest that names
 *                                  its content. Fields as of a rejected hash
 *   'g' text fields                in the state only: the hash went away for this cause while its slot was another
 *                                  shard's
 *   'w' text fields                of the name of a pending write (staged-key.ts): the write, packed (pending-write.ts)
 *   text := length bytes (u8)      fields := a packed hash of mapped fields, empty unless the mapping keeps absent fields
 * In the marks topic they are JSON under the key `<db>:<Redis key>`, one partition a shard; a tombstone takes one away.
 */
const KEPT = 0x6b;
const INHERITING = 0x69;
const REJECTED = 0x72;
const REJECTED_INHERITING = 0x52;
const HELD = 0x68;
const HELD_INHERITING = 0x48;
const GONE = 0x67;
const PENDING = 0x77;
const UNPUBLISHED = 0x75;
const UNPUBLISHED_INHERITING = 0x55;

const NO_FIELDS: Buffer = Buffer.alloc(0);

export function keptMark(cause: RemovalCause, fields = NO_FIELDS): Buffer {
  return markOf(KEPT, Buffer.from(cause, 'latin1'), fields);
}

/** The hash is back, but these fields of the row that was kept are not. */
export function inheritingMark(fields: Buffer): Buffer {
  return markOf(INHERITING, NO_FIELDS, fields);
}

/** @param fields of the row that was published last, and whether a row of this hash keeps those that the hash lacks */
export function rejectedMark(digest: Buffer, fields = NO_FIELDS, inherits = false): Buffer {
  return markOf(inherits ? REJECTED_INHERITING : REJECTED, digest, fields);
}

/**
 * The hash is gone from here, and it is not decided yet whether that is a removal (rule 10).
 * @param fields as of `rejectedMark`
 * @param before the mark of the hash, which holds again where the hash is found
 */
export function heldMark(
  cause: RemovalCause,
  fields = NO_FIELDS,
  inherits = false,
  before: Buffer | null = null,
): Buffer {
  const said = standing(before);
  const kind = isUnpublished(said) ? UNPUBLISHED : REJECTED;
  const rest = said === null ? [] : [Buffer.from([0, kind]), textOf(said)];
  const text = Buffer.concat([Buffer.from(cause, 'latin1'), ...rest]);
  return markOf(inherits ? HELD_INHERITING : HELD, text, fields);
}

/** Of a hash that was rejected or not to be published, its mark, also while it is held; null for any other mark. */
export function standing(mark: Buffer | null): Buffer | null {
  if (mark === null || isRejected(mark) || isUnpublished(mark)) return mark;
  if (!isHeld(mark)) return null;
  const text = textOf(mark);
  const end = text.indexOf(0);
  if (end < 0) return null;
  const make = text[end + 1] === UNPUBLISHED ? unpublishedMark : rejectedMark;
  return make(text.subarray(end + 2), fieldsOf(mark), mark[0] === HELD_INHERITING);
}

/**
 * The hash is not published while it holds this content, named by a digest.
 * @param fields as of `rejectedMark`
 */
export function unpublishedMark(digest: Buffer, fields = NO_FIELDS, inherits = false): Buffer {
  return markOf(inherits ? UNPUBLISHED_INHERITING : UNPUBLISHED, digest, fields);
}

export function isUnpublished(mark: Buffer | null): boolean {
  return mark?.[0] === UNPUBLISHED || mark?.[0] === UNPUBLISHED_INHERITING;
}

/** Whether the mark says that this very content is not to be published. */
export function withholds(mark: Buffer | null, digest: Buffer): boolean {
  return mark !== null && isUnpublished(mark) && textOf(mark).equals(digest);
}

/** The hash is gone from a slot of another shard, which may come here. */
export function goneMark(cause: RemovalCause, fields: Buffer): Buffer {
  return markOf(GONE, Buffer.from(cause, 'latin1'), fields);
}

/** A write-through that is not decided yet. */
export function pendingMark(packed: Buffer): Buffer {
  return markOf(PENDING, NO_FIELDS, packed);
}

/** Whether the mark is a pending write: `fieldsOf` gives it, packed. */
export function isPending(mark: Buffer | null): boolean {
  return mark?.[0] === PENDING;
}

export function isGone(mark: Buffer | null): boolean {
  return mark?.[0] === GONE;
}

/** Whether it waits for a decision whether the hash was removed. */
export function isHeld(mark: Buffer | null): boolean {
  return mark?.[0] === HELD || mark?.[0] === HELD_INHERITING;
}

/** The cause of a removal that is not decided yet; undefined for any other mark. */
export function heldCause(mark: Buffer | null): RemovalCause | undefined {
  if (mark === null || (!isHeld(mark) && !isGone(mark))) return undefined;
  const [text] = textOf(mark).toString('latin1').split('\0', 1);
  return causes.find((cause) => cause === text) ?? 'ambiguous';
}

const causes: readonly RemovalCause[] = ['deleted', 'expired', 'evicted', 'flushed', 'vanished', 'ambiguous'];

function markOf(kind: number, text: Buffer, fields: Buffer): Buffer {
  return Buffer.concat([Buffer.from([kind, text.length]), text, fields]);
}

function textOf(mark: Buffer): Buffer {
  return mark.subarray(2, 2 + mark.readUInt8(1));
}

/** The fields that a mark remembers, packed; empty where it remembers none. Views. */
export function fieldsOf(mark: Buffer | null): Buffer {
  return mark === null ? NO_FIELDS : mark.subarray(2 + mark.readUInt8(1));
}

/** The fields whose columns keep their values while the hash lacks them; empty for none. */
export function inheritedFields(mark: Buffer | null): Buffer {
  const hasNone = mark === null || mark[0] === REJECTED || mark[0] === HELD || mark[0] === UNPUBLISHED || isGone(mark);
  return hasNone ? NO_FIELDS : fieldsOf(mark);
}

export function isRejected(mark: Buffer | null): boolean {
  return mark?.[0] === REJECTED || mark?.[0] === REJECTED_INHERITING;
}

/** Whether the row is kept without its hash. */
export function isKept(mark: Buffer | null): boolean {
  return mark?.[0] === KEPT;
}

export function isInheriting(mark: Buffer | null): boolean {
  return mark?.[0] === INHERITING;
}

/** Whether the mark says that this very content was rejected. */
export function rejects(mark: Buffer | null, digest: Buffer): boolean {
  return mark !== null && isRejected(mark) && textOf(mark).equals(digest);
}

/**
 * Key and value of a mark's record.
 * @param limit bytes of the largest value; a longer one is told without the fields, so that only a rebuilt state lacks them
 */
export function markRecord(
  mapping: string,
  db: number,
  key: Buffer,
  mark: Buffer | null,
  limit = Infinity,
): [key: Buffer, value: Buffer | null] {
  const recordKey = Buffer.concat([Buffer.from(`${db}:`), key]);
  if (mark === null) return [recordKey, null];
  const facts = { v: 1, mapping, ...saidBy(mark) };
  const fields = fieldsOf(mark);
  if (fields.length > 0) {
    const value = Buffer.from(JSON.stringify({ ...facts, fields: fields.toString('base64') }));
    if (value.length <= limit) return [recordKey, value];
  }
  return [recordKey, Buffer.from(JSON.stringify(facts))];
}

function saidBy(mark: Buffer): z.input<typeof saidFacts> {
  if (mark[0] === KEPT) return { kept: textOf(mark).toString('latin1') };
  if (mark[0] === INHERITING) return { inherits: true };
  if (isPending(mark)) return { pending: true };
  const held = heldCause(mark);
  if (held !== undefined) {
    const before = standing(mark);
    const inherits = mark[0] === HELD_INHERITING ? { inherits: true } : {};
    return { ...(before === null ? {} : saidBy(before)), held, ...inherits };
  }
  const inherits = mark[0] === REJECTED_INHERITING || mark[0] === UNPUBLISHED_INHERITING;
  const digest = textOf(mark).toString('hex');
  return {
    ...(isUnpublished(mark) ? { unpublished: digest } : { rejected: digest }),
    ...(inherits ? { inherits: true } : {}),
  };
}

const saidFacts = z.object({
  kept: z.string().optional(),
  held: z.enum(causes).optional(),
  rejected: z.hex().optional(),
  unpublished: z.hex().optional(),
  inherits: z.boolean().optional(),
  pending: z.literal(true).optional(),
});
const recordValue = saidFacts.extend({ v: z.literal(1), fields: z.base64().optional() });

/**
 * What a mark's record says: `mark` null is a mark that was taken away; `kept` is set where the hash was gone. @throws what JSON and zod
 * say of other bytes
 */
export function readMarkRecord(
  key: Buffer,
  value: Buffer | null,
): { db: number; key: Buffer; kept: boolean; mark: Buffer | null } {
  const colon = key.indexOf(':');
  const place = { db: Number(key.toString('latin1', 0, colon)), key: key.subarray(colon + 1) };
  if (value === null) return { ...place, kept: false, mark: null };
  const said = recordValue.parse(JSON.parse(value.toString('utf8')));
  const { kept, held, rejected, unpublished, inherits = false, pending, fields } = said;
  const packed = fields === undefined ? NO_FIELDS : Buffer.from(fields, 'base64');
  if (pending === true) return { ...place, kept: false, mark: pendingMark(packed) };
  if (kept !== undefined) return { ...place, kept: true, mark: markOf(KEPT, Buffer.from(kept, 'latin1'), packed) };
  if (held !== undefined) {
    const before =
      unpublished !== undefined
        ? unpublishedMark(Buffer.from(unpublished, 'hex'))
        : rejected !== undefined
          ? rejectedMark(Buffer.from(rejected, 'hex'))
          : null;
    return { ...place, kept: true, mark: heldMark(held, packed, inherits, before) };
  }
  if (unpublished !== undefined) {
    return { ...place, kept: false, mark: unpublishedMark(Buffer.from(unpublished, 'hex'), packed, inherits) };
  }
  const digest = Buffer.from(rejected ?? '', 'hex');
  if (rejected === undefined && inherits) return { ...place, kept: false, mark: inheritingMark(packed) };
  return { ...place, kept: false, mark: rejectedMark(digest, packed, inherits) };
}
