import { PackedWriter, unpackStrings } from '../packed-hash.ts';
import { readListpack } from './listpack.ts';
import { corruptRdb, unsupportedRdb } from './rdb-error.ts';
import type { RdbReader } from './rdb-reader.ts';
import { readByte, readCount, type Reading, skipString } from './reading.ts';

/** The hash types of Redis 8.10 whose field names stand apart from their values. */
export const TEMPLATE_LISTPACK_DUMP = 29;
export const TEMPLATE_LISTPACK = 30;
export const TEMPLATE_ARRAY_DUMP = 31;
export const TEMPLATE_ARRAY = 32;

/** Field names that are held for the hashes behind them, bytes: far more than any application has. */
const HELD_NAMES_MAX = 256 * 1024 * 1024;
/** What an array of names costs for each of them, roughly, bytes. */
const NAME_COST = 100;

/**
 * The field names that hashes of an RDB file of Redis 8.10 share.
 *
 *   242 template       := id(length) n name*n
 *   30 hash            := string                    listpack of id, value*n
 *   32 hash            := id(length) value*n
 *   29 hash, in DUMP   := names string              listpack of id (of no use here), value*n
 *   31 hash, in DUMP   := names value*n
 *   names              := 00 string                 listpack of names
 *                       | 01 n name*n
 *
 * Source: the descriptions of these codes in Redis 8.10; no such file was at hand.
 */
export class HashTemplates {
  readonly #names = new Map<number, readonly Buffer[]>();
  #held = 0;

  /** Reads what follows opcode 242. */
  *define(reader: RdbReader): Reading {
    const position = reader.position;
    const id = yield* readCount(reader);
    if (this.#names.has(id)) throw corruptRdb(`hash template ${id} is defined twice`, position);
    const room = HELD_NAMES_MAX - this.#held;
    const names = yield* readNames(reader, room);
    this.#held += costOf(names);
    this.#names.set(id, names);
  }

  /** Packs the fields of a hash of one of the four types. */
  *read(reader: RdbReader, type: number, into: PackedWriter): Reading {
    const position = reader.position;
    const inDump = type === TEMPLATE_LISTPACK_DUMP || type === TEMPLATE_ARRAY_DUMP;
    let names = inDump ? yield* readDumpNames(reader) : undefined;
    if (type === TEMPLATE_ARRAY || type === TEMPLATE_ARRAY_DUMP) {
      names ??= this.#find(yield* readCount(reader), position);
      for (const name of names) {
        into.append(name, 0, name.length);
        while (!reader.tryString()) yield undefined;
        into.append(reader.source, reader.start, reader.end);
      }
      return;
    }
    const values = yield* readStrings(reader);
    const id = values.shift()?.toString('latin1') ?? '';
    if (!/^\d{1,15}$/.test(id)) throw corruptRdb('a hash does not begin with the number of its template', position);
    names ??= this.#find(Number(id), position);
    if (names.length !== values.length) {
      throw corruptRdb(`${values.length} values for the ${names.length} names of hash template ${id}`, position);
    }
    for (const [i, value] of values.entries()) {
      const name = names[i] ?? value;
      into.add(name, 0, name.length, value, 0, value.length);
    }
  }

  /** Passes over a hash of type 30 or 32. */
  *skip(reader: RdbReader, type: number): Reading {
    if (type === TEMPLATE_LISTPACK) return yield* skipString(reader);
    const position = reader.position;
    const names = this.#find(yield* readCount(reader), position);
    for (let left = names.length; left > 0; left--) yield* skipString(reader);
  }

  #find(id: number, position: number): readonly Buffer[] {
    const names = this.#names.get(id);
    if (names === undefined) throw corruptRdb(`hash template ${id} is not defined`, position);
    return names;
  }
}

function* readDumpNames(reader: RdbReader): Reading<readonly Buffer[]> {
  const position = reader.position;
  const format = yield* readByte(reader);
  if (format === 1) return yield* readNames(reader, HELD_NAMES_MAX);
  if (format !== 0) throw unsupportedRdb(`format ${format} of a hash's field names is not known`, position);
  const names = yield* readStrings(reader);
  if (names.length === 0) throw corruptRdb('a hash template without fields', position);
  return names;
}

function* readNames(reader: RdbReader, room: number): Reading<readonly Buffer[]> {
  const position = reader.position;
  const count = yield* readCount(reader);
  if (count === 0) throw corruptRdb('a hash template without fields', position);
  const names: Buffer[] = [];
  let cost = 0;
  while (names.length < count) {
    while (!reader.tryString()) yield undefined;
    cost += NAME_COST + reader.end - reader.start;
    if (cost > room) throw unsupportedRdb(`hash templates of more than ${HELD_NAMES_MAX} bytes`, position);
    names.push(Buffer.from(reader.source.subarray(reader.start, reader.end)));
  }
  return names;
}

/** The entries of the listpack that stands next. */
function* readStrings(reader: RdbReader): Reading<Buffer[]> {
  const position = reader.position;
  while (!reader.tryString()) yield undefined;
  const packed = new PackedWriter();
  readListpack(reader.source, reader.start, reader.end, position, 1, packed);
  return unpackStrings(packed.view());
}

function costOf(names: readonly Buffer[]): number {
  return names.reduce((sum, { length }) => sum + NAME_COST + length, 0);
}
