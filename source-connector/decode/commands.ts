import { AfterwriteError } from '../../ops/errors/index.ts';
import { type CommandArguments, NOTHING, type OptionArguments } from './command-arguments.ts';
import { readDump } from './dump.ts';
import { type SlotRange, SLOTS } from './key-slot.ts';
import type { Mutation } from './mutation.ts';

/** What a command does to the captured hashes. It may return an array that the next command reuses. */
export type Interpret = (command: CommandArguments) => readonly Mutation[];

/** A command that can change hashes. */
export interface WriteRow {
  readonly names: readonly string[];
  /** Set where argument 1 is the only key: other commands of keys that are not captured are dropped unread. */
  readonly oneKey: boolean;
  readonly interpret: Interpret;
  /** Whether `interpret` never looks at an argument: one that is large is not held. */
  readonly ignores: (argument: number) => boolean;
}

const looksAtAll: WriteRow['ignores'] = () => false;

const oneKey = (names: string, interpret: Interpret, ignores = looksAtAll): WriteRow => ({
  names: names.split(' '),
  oneKey: true,
  interpret,
  ignores,
});
const manyKeys = (names: string, interpret: Interpret, ignores = looksAtAll): WriteRow => ({
  names: names.split(' '),
  oneKey: false,
  interpret,
  ignores,
});

/**
 * Every command that can change, create, overwrite or remove a hash, in the forms in which masters replicate it
 * (Redis 6.2 to 8, Valkey 7.2 to 9). Commands that masters rewrite before they replicate them (HINCRBYFLOAT, EVAL …)
 * are missing on purpose: they cannot stand in a stream, and if one does, it must not be guessed at.
 */
export const WRITE_ROWS: readonly WriteRow[] = [
  oneKey('HSET HMSET HSETNX', (c) => c.setFields(2, c.count)),
  oneKey('HSETEX', setWithExpiry),
  oneKey('HINCRBY', increment),
  oneKey('HDEL', (c) => unset(c, 2, c.count)),
  oneKey('HGETDEL', getAndDelete),
  manyKeys('DEL UNLINK', (c) => c.removeKeys(1)),
  oneKey(
    'SET SETEX PSETEX DELEX DELIFEQ',
    (c) => c.removeKeys(1, 2),
    (argument) => argument > 1,
  ),
  oneKey('SINTERSTORE SUNIONSTORE SDIFFSTORE', (c) => c.removeKeys(1, 2)),
  oneKey('ZINTERSTORE ZUNIONSTORE ZDIFFSTORE ZRANGESTORE GEOSEARCHSTORE', (c) => c.removeKeys(1, 2)),
  manyKeys(
    'MSET',
    (c) => c.removeKeys(1, c.count, 2),
    (argument) => argument % 2 === 0,
  ),
  manyKeys(
    'MSETEX',
    (c) => c.removeKeys(2, 2 + 2 * c.integer(1), 2),
    (argument) => argument > 1 && argument % 2 === 1,
  ),
  manyKeys('BITOP', (c) => c.removeKeys(2, 3)),
  manyKeys('SORT', (c) => removeStored(c, 2, { STORE: 1, BY: 1, GET: 1, LIMIT: 2 })),
  manyKeys('GEORADIUS', (c) => removeStored(c, 6, { STORE: 1, STOREDIST: 1, COUNT: 1 })),
  manyKeys('GEORADIUSBYMEMBER', (c) => removeStored(c, 5, { STORE: 1, STOREDIST: 1, COUNT: 1 })),
  oneKey('EXPIREAT', (c) => expire(c, Number(c.bigint(2)) * 1000)),
  oneKey('PEXPIREAT', (c) => expire(c, Number(c.bigint(2)))),
  oneKey('PERSIST', (c) => [{ kind: 'expire', db: c.db, key: c.bytes(1), expireAt: 0 }]),
  oneKey('EXPIRE', (c) => expireIn(c, Number(c.bigint(2)) * 1000)),
  oneKey('PEXPIRE', (c) => expireIn(c, Number(c.bigint(2)))),
  oneKey('RESTORE RESTORE-ASKING', restore),
  manyKeys('RENAME RENAMENX', (c) => transfer(c, 'rename', c.db, 2)),
  oneKey('MOVE', (c) => transfer(c, 'rename', c.database(2), 1)),
  manyKeys('COPY', copy),
  manyKeys('FLUSHDB', (c) => [{ kind: 'flush', db: c.db, slots: 'all' }]),
  manyKeys('FLUSHALL', () => [{ kind: 'flush', db: 'all', slots: 'all' }]),
  manyKeys('SWAPDB', swap),
  manyKeys('TRIMSLOTS', trimSlots),
  manyKeys('SFLUSH', (c) =>
    flushSlots(c, 1, c.is(c.count - 1, 'SYNC') || c.is(c.count - 1, 'ASYNC') ? c.count - 1 : c.count),
  ),
  manyKeys('CLUSTER', cluster),
  manyKeys('FT.DROPINDEX FT._DROPINDEXIFX', (c) => (hasOption(c, 2, 'DD') ? anyKey(c) : NOTHING)),
  manyKeys('FT.DROP FT._DROPIFX', (c) => (hasOption(c, 2, 'KEEPDOCS') ? NOTHING : anyKey(c))),
];

/**
 * A command that nobody here knows and that is passed over on request: whatever captured keys it names may hold
 * something else after it.
 */
export function interpretIgnored(c: CommandArguments): readonly Mutation[] {
  const named: Mutation[] = [];
  for (let i = 1; i < c.count; i++) {
    if (c.captured(i)) named.push({ kind: 'unknown', db: c.db, key: c.bytes(i) });
  }
  return named;
}

/** A search index that goes and takes the hashes of its documents with it: the stream does not name them. */
function anyKey(c: CommandArguments): readonly Mutation[] {
  return [{ kind: 'unknown', db: c.db, key: Buffer.alloc(0) }];
}

function hasOption(c: CommandArguments, first: number, word: string): boolean {
  for (let i = first; i < c.count; i++) if (c.is(i, word)) return true;
  return false;
}

/** HSETEX key [FNX | FXX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL] FIELDS n (name value)*n, in any order. */
function setWithExpiry(c: CommandArguments): readonly Mutation[] {
  const first = c.optionAt(2, 'FIELDS', { EX: 1, PX: 1, EXAT: 1, PXAT: 1 }) + 1;
  return c.setFields(first + 1, first + 1 + 2 * c.integer(first));
}

function increment(c: CommandArguments): readonly Mutation[] {
  c.need(4);
  return [{ kind: 'increment', db: c.db, key: c.bytes(1), field: c.bytes(2), by: c.bigint(3) }];
}

function unset(c: CommandArguments, first: number, end: number): readonly Mutation[] {
  c.need(Math.max(end, first + 1));
  const fields: Buffer[] = [];
  for (let i = first; i < end; i++) fields.push(c.bytes(i));
  return [{ kind: 'unset', db: c.db, key: c.bytes(1), fields }];
}

/** HGETDEL key FIELDS n name*n. */
function getAndDelete(c: CommandArguments): readonly Mutation[] {
  const first = c.optionAt(2, 'FIELDS', {}) + 1;
  return unset(c, first + 1, first + 1 + c.integer(first));
}

/** The key behind the last STORE (or STOREDIST) among the options. */
function removeStored(c: CommandArguments, first: number, options: OptionArguments): readonly Mutation[] {
  let stored = -1;
  for (let i = first; i < c.count; i++) {
    if (c.is(i, 'STORE') || c.is(i, 'STOREDIST')) stored = i + 1;
    i += c.optionArguments(i, options);
  }
  return stored < 0 ? NOTHING : c.removeKeys(stored, stored + 1);
}

/** PEXPIREAT key ms [NX | XX | GT | LT]: the master replicates it only when the condition held. */
function expire(c: CommandArguments, expireAt: number): readonly Mutation[] {
  // 0 says that there is no expiry; a master sends DEL for times that are past.
  return [{ kind: 'expire', db: c.db, key: c.bytes(1), expireAt: Math.max(expireAt, 1) }];
}

/** EXPIRE key time [NX | XX | GT | LT], as masters before Redis 7.0 replicate it. */
function expireIn(c: CommandArguments, ms: number): readonly Mutation[] {
  return [{ kind: 'expireIn', db: c.db, key: c.bytes(1), ms }];
}

/** RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME s] [FREQ n]. */
function restore(c: CommandArguments): readonly Mutation[] {
  const ttl = Number(c.bigint(2));
  const payload = c.bytes(3);
  let absolute = false;
  for (let i = 4; i < c.count; i++) {
    if (c.is(i, 'ABSTTL')) absolute = true;
    i += c.optionArguments(i, { IDLETIME: 1, FREQ: 1 });
  }
  const fields = c.emptyFields();
  let holds: 'hash' | 'other';
  try {
    holds = readDump(payload, fields);
  } catch (error) {
    if (!(error instanceof AfterwriteError)) throw error;
    throw new AfterwriteError(error.code, `${c.name}: ${error.what}`, {
      where: { ...error.where, ...c.where() },
      cause: error,
    });
  }
  if (holds === 'other') return c.removeKeys(1, 2);
  const key = c.bytes(1);
  const expireAt = absolute ? Math.max(ttl, 0) : 0;
  const replaced: Mutation = { kind: 'replace', db: c.db, key, fields: fields.view(), expireAt };
  return ttl === 0 || absolute ? [replaced] : [replaced, { kind: 'expireIn', db: c.db, key, ms: ttl }];
}

/** COPY source destination [DB n] [REPLACE]. */
function copy(c: CommandArguments): readonly Mutation[] {
  let toDb = c.db;
  for (let i = 3; i < c.count; i++) {
    if (!c.is(i, 'DB')) continue;
    toDb = c.database(i + 1);
    i++;
  }
  return transfer(c, 'copy', toDb, 2);
}

/** From key 1 to the key in argument `target` of database `toDb`; told when either is captured. */
function transfer(c: CommandArguments, kind: 'rename' | 'copy', toDb: number, target: number): readonly Mutation[] {
  if (!c.captured(1) && !c.captured(target)) return NOTHING;
  const from = c.bytes(1);
  const to = c.bytes(target);
  if (toDb === c.db && from.equals(to)) return NOTHING;
  return [{ kind, fromDb: c.db, from, toDb, to }];
}

function swap(c: CommandArguments): readonly Mutation[] {
  const [a, b] = [c.database(1), c.database(2)];
  return a === b ? NOTHING : [{ kind: 'swap', a, b }];
}

/** TRIMSLOTS RANGES n (first last)*n: Redis 8.4 and later, of slots that moved to another node. */
function trimSlots(c: CommandArguments): readonly Mutation[] {
  if (!c.is(1, 'RANGES')) throw c.unsupported('RANGES is missing');
  return flushSlots(c, 3, 3 + 2 * c.integer(2));
}

/** CLUSTER FLUSHSLOT slot [ASYNC | SYNC] (Valkey 9); CLUSTER SYNCSLOTS … tells how the move of a slot goes on. */
function cluster(c: CommandArguments): readonly Mutation[] {
  if (c.is(1, 'SYNCSLOTS')) return NOTHING;
  if (!c.is(1, 'FLUSHSLOT')) throw c.unsupported(`its subcommand ${JSON.stringify(c.text(1))} is not known`);
  const slot = slotAt(c, 2);
  return [{ kind: 'flush', db: 'all', slots: [[slot, slot]] }];
}

/** The slots between pairs of arguments, in every database. */
function flushSlots(c: CommandArguments, first: number, end: number): readonly Mutation[] {
  if (end <= first || (end - first) % 2 !== 0) throw c.malformed('its slots are no pairs');
  const slots: SlotRange[] = [];
  for (let i = first; i < end; i += 2) slots.push([slotAt(c, i), slotAt(c, i + 1)]);
  return [{ kind: 'flush', db: 'all', slots }];
}

function slotAt(c: CommandArguments, index: number): number {
  const slot = c.integer(index);
  if (slot < 0 || slot >= SLOTS) throw c.malformed(`argument ${index} is no slot`);
  return slot;
}
