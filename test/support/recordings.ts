import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';

/** A key as the server showed it. Names and values are canonical text. */
export interface RecordedEntry {
  readonly type: string;
  /** Milliseconds since the epoch, 0 without expiry. */
  readonly expireAt: number;
  /** Of a hash. */
  readonly fields: ReadonlyMap<string, string> | undefined;
}

/** By database and canonical key. */
export type RecordedState = ReadonlyMap<number, ReadonlyMap<string, RecordedEntry>>;

/** What a command or transaction did to the watched keys; a value of null is a key that is missing or no hash. */
export interface RecordedStep {
  /** Replication offset after it. */
  readonly offset: number;
  readonly command: string;
  /** The server may have hidden a field that the stream had not deleted yet. */
  readonly clock: boolean;
  readonly changes: readonly {
    readonly db: number;
    readonly key: string;
    readonly value: ReadonlyMap<string, string> | null;
  }[];
}

/** What a master sent to a replica, byte for byte, and what it must lead to. */
export interface Recording {
  /** `<server version>/<scenario>`. */
  readonly name: string;
  /** From the answer to PSYNC on. */
  readonly bytes: Buffer;
  readonly reply: string;
  readonly replid: string;
  /** Position of the stream's first byte in `bytes`. */
  readonly streamAt: number;
  /** Replication offsets before the first and after the last stream byte. */
  readonly startOffset: number;
  readonly endOffset: number;
  readonly commands: number;
  /** Bytes of a command that the end cuts. */
  readonly partialCommandBytes: number;
  /** Where the RDB stands in `bytes`; undefined after +CONTINUE. */
  readonly rdb: { readonly framing: 'eof' | 'length'; readonly at: number; readonly bytes: number } | undefined;
  /** For the links of a pair: the offset that the second one asks for, and the database selected there. */
  readonly resumeOffset: number | undefined;
  readonly selectedDb: number | undefined;
  readonly snapshot: RecordedState | undefined;
  readonly expiredInRdb: RecordedState | undefined;
  readonly final: RecordedState | undefined;
  /** The keys of `history` by database. */
  readonly watched: ReadonlyMap<number, readonly string[]>;
  readonly history: readonly RecordedStep[];
}

/** One recording, or a pair of them: two links of one replica, one after the other. */
export interface RecordedSession {
  readonly name: string;
  readonly links: readonly Recording[];
}

/**
 * Canonical text of bytes: the UTF-8 text where they are valid, else `b64:` and base64; above 1024 bytes
 * `sha256:<length>:<hex>`. Text that begins with either mark is itself base64.
 */
export function canonicalText(bytes: Buffer): string {
  if (bytes.length > 1024) return `sha256:${bytes.length}:${createHash('sha256').update(bytes).digest('hex')}`;
  const text = isUtf8(bytes) ? bytes.toString('utf8') : 'b64:';
  return /^(b64|sha256):/.test(text) ? `b64:${bytes.toString('base64')}` : text;
}

/** All sessions recorded in a folder of `<name>.psync.gz` and `<name>.json` files, sorted by name. */
export function recordedSessions(folder: string): readonly RecordedSession[] {
  const names = readdirSync(folder)
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => file.slice(0, -SUFFIX.length))
    .sort();
  return names
    .filter((name) => !(name.endsWith('-b') && names.includes(firstOf(name))))
    .map((name) => {
      const second = name.endsWith('-a') ? `${name.slice(0, -1)}b` : undefined;
      const links = second !== undefined && names.includes(second) ? [name, second] : [name];
      const pair = links.length === 2 ? name.slice(0, -2) : name;
      return {
        name: `${basename(folder)}/${pair}`,
        links: links.map((link) => loadRecording(join(folder, link + SUFFIX))),
      };
    });
}

/** The folders of recordings, one a server version, inside a folder. */
export function recordingFolders(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((item) => item.isDirectory())
    .map((item) => join(folder, item.name))
    .filter((inner) => readdirSync(inner).some((file) => file.endsWith(SUFFIX)))
    .sort();
}

/** Loads `<name>.psync.gz` and the facts beside it. */
export function loadRecording(file: string): Recording {
  const stem = file.slice(0, -SUFFIX.length);
  const text = readFileSync(`${stem}.json`, 'utf8');
  const parsed: unknown = JSON.parse(text);
  const facts = factsSchema.parse(parsed);
  const snapshot = optional(facts.snapshot, (state) => readState(state, undefined));
  return {
    name: `${basename(dirname(file))}/${basename(stem)}`,
    bytes: gunzipSync(readFileSync(file)),
    reply: facts.reply,
    replid: facts.replid,
    streamAt: facts.streamAt,
    startOffset: facts.startOffset,
    endOffset: facts.endOffset,
    commands: facts.commands,
    partialCommandBytes: facts.partialCommandBytes,
    rdb: facts.rdb,
    resumeOffset: facts.resumeOffset,
    selectedDb: facts.selectedDb,
    snapshot,
    expiredInRdb: optional(facts.expiredInRdb, (state) => readState(state, undefined)),
    final: optional(facts.final, (state) => readState(state, snapshot)),
    watched: new Map(entriesOf(facts.watched).map(([db, keys]) => [Number(db), z.array(z.string()).parse(keys)])),
    history: facts.history.map(({ offset, cmd, clock, changes }) => ({
      offset,
      command: cmd,
      clock,
      changes: changes.map(({ db, key, value }) => ({ db, key, value: value === null ? null : readFields(value) })),
    })),
  };
}

const SUFFIX = '.psync.gz';

function firstOf(second: string): string {
  return `${second.slice(0, -1)}a`;
}

/** What holds keys and field names stays unknown here: zod drops a field that is called `__proto__`. */
const factsSchema = z.object({
  reply: z.string(),
  replid: z.string(),
  streamAt: z.number(),
  startOffset: z.number(),
  endOffset: z.number(),
  commands: z.number(),
  partialCommandBytes: z.number().default(0),
  rdb: z.object({ framing: z.enum(['eof', 'length']), at: z.number(), bytes: z.number() }).optional(),
  resumeOffset: z.number().optional(),
  selectedDb: z.number().optional(),
  snapshot: z.unknown().optional(),
  expiredInRdb: z.unknown().optional(),
  final: z.unknown().optional(),
  watched: z.unknown().default({}),
  history: z
    .array(
      z.object({
        offset: z.number(),
        cmd: z.string(),
        clock: z.boolean().default(false),
        changes: z.array(z.object({ db: z.number(), key: z.string(), value: z.unknown() })),
      }),
    )
    .default([]),
});

const entrySchema = z.object({ type: z.string(), pexpiretime: z.number(), fields: z.unknown().optional() });

function optional<From, To>(value: From | undefined, convert: (value: From) => To): To | undefined {
  return value === undefined ? undefined : convert(value);
}

function entriesOf(value: unknown): [string, unknown][] {
  if (typeof value !== 'object' || value === null)
    throw new Error(`an object is expected, not ${JSON.stringify(value)}`);
  return Object.entries(value);
}

/** The entry "same" is the snapshot's entry of that key. */
function readState(value: unknown, snapshot: RecordedState | undefined): RecordedState {
  return new Map(
    entriesOf(value).map(([db, keys]) => [
      Number(db),
      new Map(
        entriesOf(keys).map(([key, entry]) => {
          const same = entry === 'same' ? snapshot?.get(Number(db))?.get(key) : undefined;
          return [key, same ?? readEntry(entry)];
        }),
      ),
    ]),
  );
}

function readEntry(value: unknown): RecordedEntry {
  const { type, pexpiretime, fields } = entrySchema.parse(value);
  return { type, expireAt: Math.max(pexpiretime, 0), fields: optional(fields, readFields) };
}

function readFields(value: unknown): ReadonlyMap<string, string> {
  return new Map(entriesOf(value).map(([name, text]) => [name, z.string().parse(text)]));
}
