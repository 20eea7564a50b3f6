import { z } from 'zod';
import { AfterwriteError } from '../ops/errors/index.ts';

const frozenTopic = z.strictObject({
  topic: z.string(),
  database: z.int(),
  /** The key pattern. */
  key: z.string(),
  partitions: z.int(),
  keySchemaId: z.int(),
  /** What of the mapping decides which hashes are captured and how they become rows. */
  fingerprint: z.string(),
  /** The mapping's version, if it has one, and what names all that the mapping says, policies too. */
  version: z.string().optional(),
  content: z.string().optional(),
});

const fillCursor = z.strictObject({
  /** The run of the server that it counts in. */
  run: z.string(),
  db: z.int(),
  /** The cursor of SCAN in this database. */
  at: z.string(),
});

const fill = z.strictObject({
  /** `scan`: the server's keys are gone over; `refold`: the hashes of the state are. */
  stage: z.enum(['scan', 'refold']),
  /** Up to where the keys were read and folded; null at the start. */
  cursor: fillCursor.nullable(),
  /** Hashes that were folded so far. */
  keys: z.int(),
});

/** Slots of a Redis Cluster that are published from here, or were: who may publish a slot is one chain of these. */
const slots = z.strictObject({
  /** First, last, and how often they were handed on before they came here. */
  owned: z.array(z.tuple([z.int(), z.int(), z.int()]).readonly()).readonly(),
  /** First, last, how often they were handed on before, and to which shard they went: nothing of them is published here. */
  released: z.array(z.tuple([z.int(), z.int(), z.int(), z.int()]).readonly()).readonly(),
});

/** What a shard of a cluster says of slots. */
export type SavedSlots = z.infer<typeof slots>;

/**
 * A key whose value the stream does not hold: database, key (base64), the command that named it, the offset before that
 * command. A position that names it is behind that command, and what its key holds is yet to be read.
 */
const savedKey = z.tuple([z.int(), z.base64(), z.string(), z.number()]).readonly();

const schema = z.strictObject({
  v: z.literal(1),
  /**
   * How the server is followed. `notifications` have no place to go on from: `replid` is empty then, `offset` is 0, and
   * every start compares all keys; so does replication after them, by a full resync.
   */
  mode: z.enum(['replication', 'notifications']).default('replication'),
  /** Where the stream goes on: `offset` bytes of `replid` are folded. Stands at the end of a command. */
  replid: z.string(),
  offset: z.number(),
  /** The database selected there: the master does not say SELECT again. */
  db: z.int(),
  /** Whether that place is between MULTI and EXEC: only when a transaction was larger than a batch may be. */
  inTransaction: z.boolean(),
  /**
   * Whether the command after `offset` was begun, which only commands are that touch any number of keys and may be
   * done twice (DEL, FLUSHALL …). It counts only on this very replid.
   */
  begun: z.boolean(),
  /** Whether a snapshot was being read: the stream cannot go on from here, a full resync has to. */
  snapshot: z.boolean(),
  /** The greatest version given to an event, microseconds since the epoch. */
  version: z.number(),
  /** A moment on the master's clock before which no later command ran, ms since the epoch; 0 when none is proven. */
  clock: z.number(),
  log: z.strictObject({ logId: z.string(), sequence: z.int() }),
  mappings: z.record(z.string(), frozenTopic),
  /** Mappings whose topic may lack rows, or hold rows without columns that they have now, with how far that has come. */
  fills: z.record(z.string(), fill).default({}),
  /** By topic: mappings that were taken away, and whose published rows the state still knows. */
  left: z.record(z.string(), frozenTopic).default({}),
  /** Keys that the stream has named and whose values are not folded yet: whoever goes on from here reads them (rule 6). */
  held: z.array(savedKey).readonly().default([]),
  /** Of a Redis Cluster only (rule 10). */
  slots: slots.optional(),
  /** When it was written, for people. */
  at: z.string(),
});

/**
 * How far a shard is: committed in the same Kafka transaction as the records (rule 1). JSON, so that people can read
 * the positions topic.
 */
export type Position = z.infer<typeof schema>;

/** What must stay as it was for a mapping while its topic lives (rule 12), and what tells that the mapping changed. */
export type FrozenMapping = z.infer<typeof frozenTopic>;

/** A key that is read beside the stream, as a position names it. */
export type SavedKey = z.infer<typeof savedKey>;

/** How far a mapping is filled (rule 8). */
export type Fill = z.infer<typeof fill>;

/** Where SCAN goes on. */
export type FillCursor = z.infer<typeof fillCursor>;

export function encodePosition(position: Position): Buffer {
  return Buffer.from(JSON.stringify(position));
}

/** Reads a committed position. @throws AfterwriteError POSITION_UNREADABLE */
export function decodePosition(value: Buffer, topic: string, partition: number): Position {
  try {
    return schema.parse(JSON.parse(value.toString('utf8')));
  } catch (cause) {
    throw new AfterwriteError('POSITION_UNREADABLE', 'the committed position is not one that this version writes', {
      where: { topic, partition },
      cause,
    });
  }
}

/** Up to which offset everything that the stream said is published once this is committed. */
export function publishedUpTo({ offset, held }: Pick<Position, 'offset' | 'held'>): number {
  return held.reduce((least, [, , , since]) => Math.min(least, since), offset);
}
