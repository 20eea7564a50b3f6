import { corruptRdb } from './rdb-error.ts';
import type { RdbReader } from './rdb-reader.ts';
import type { Flavour } from './rdb-version.ts';
import { readByte, readCount, readLength, type Reading, skipBytes, skipLengths, skipString } from './reading.ts';

function* skipStrings(reader: RdbReader, count: number): Reading {
  for (let i = 0; i < count; i++) if (!reader.trySkipString()) yield* skipString(reader);
}

/** Types whose value is one string: strings, and lists, sets and sorted sets as ziplist, intset or listpack. */
const ONE_STRING: ReadonlySet<number> = new Set([0, 10, 11, 12, 17, 20]);
/** Types that are a count and that many strings. */
const STRINGS: ReadonlySet<number> = new Set([1, 2, 14]);
const STREAMS: ReadonlySet<number> = new Set([15, 19, 21, 26, 27]);
const ARRAY = 28;
/** Types that Redis and Valkey share, as far as they are no hashes. */
const OTHERS: ReadonlySet<number> = new Set([...ONE_STRING, ...STRINGS, 3, 5, 7, 18, 15, 19, 21]);
/** Types of Redis alone, and the RDB version from which on they are known: 8.6, 8.8. */
const OF_REDIS: ReadonlyMap<number, number> = new Map([
  [26, 13],
  [27, 13],
  [ARRAY, 14],
]);

/**
 * Whether a value type that holds no hash can be passed over, in an RDB file or DUMP payload of this version. (6, a
 * module before Redis 4.0.0, cannot.)
 */
export function isOtherType(type: number, flavour: Flavour, version: number): boolean {
  return OTHERS.has(type) || (flavour === 'redis' && version >= (OF_REDIS.get(type) ?? Infinity));
}

/**
 * Passes over a value that is no hash; `type` has been checked with isOtherType.
 *
 *   0, 10, 11, 12, 17, 20  := string
 *   1, 2, 14               := n string*n                    list, set, quicklist
 *   3                      := n ( string score )*n          sorted set; score := FD nan | FE +inf | FF -inf | l text(l)
 *   5                      := n ( string f64 )*n            sorted set
 *   7                      := id(length) opcodes            module, see skipModule
 *   18                     := n ( container(length) string )*n   quicklist
 *   15, 19, 21, 26, 27     := streams, see skipStream
 *   28                     := array, see skipArray
 */
export function* skipValue(reader: RdbReader, type: number): Reading {
  if (ONE_STRING.has(type)) return yield* skipStrings(reader, 1);
  if (STREAMS.has(type)) return yield* skipStream(reader, type);
  if (type === ARRAY) return yield* skipArray(reader);
  if (type === 7) {
    yield* readLength(reader);
    return yield* skipModule(reader);
  }
  const count = yield* readCount(reader);
  if (STRINGS.has(type)) return yield* skipStrings(reader, count);
  for (let left = count; left > 0; left--) {
    if (type === 18) yield* readLength(reader);
    yield* skipStrings(reader, 1);
    if (type === 5) yield* skipBytes(reader, 8);
    if (type === 3) yield* skipScore(reader);
  }
}

function* skipScore(reader: RdbReader): Reading {
  const length = yield* readByte(reader);
  if (length < 253) yield* skipBytes(reader, length);
}

/**
 *   array := n flag(length; 1 = a cursor follows) [cursor(length)] ( index(length) tag(length) item )*n
 *   item  := tag 0, 3: string | tag 1, 2: 8 bytes
 */
function* skipArray(reader: RdbReader): Reading {
  const count = yield* readCount(reader);
  const flagAt = reader.position;
  const flag = yield* readLength(reader);
  if (flag > 1) throw corruptRdb(`flag ${flag} of an array is not known`, flagAt);
  if (flag === 1) yield* readLength(reader);
  for (let left = count; left > 0; left--) {
    yield* readLength(reader);
    const position = reader.position;
    const tag = yield* readLength(reader);
    if (tag === 0 || tag === 3) yield* skipString(reader);
    else if (tag === 1 || tag === 2) yield* skipBytes(reader, 8);
    else throw corruptRdb(`array item ${tag} is not known`, position);
  }
}

/** Passes over a module's opcodes: ( 1 length | 2 length | 3 f32 | 4 f64 | 5 string )* 0, each code a length. */
export function* skipModule(reader: RdbReader): Reading {
  for (;;) {
    const position = reader.position;
    const opcode = yield* readLength(reader);
    if (opcode === 0) return;
    if (opcode === 1 || opcode === 2) yield* readLength(reader);
    else if (opcode === 3) yield* skipBytes(reader, 4);
    else if (opcode === 4) yield* skipBytes(reader, 8);
    else if (opcode === 5) yield* skipString(reader);
    else throw corruptRdb(`module opcode ${opcode} is not known`, position);
  }
}

/**
 *   stream   := n ( id listpack )*n  length*3 [>= 19: length*5]  groups  [>= 26: length*2 producers length*2]
 *   groups   := n ( name length*2 [>= 19: length] pending consumers )*n
 *   pending  := n ( id(16) time(8) length )*n
 *   consumers := n ( name time(8) [>= 21: time(8)] ids )*n  [27: ids]     ids := n id(16)*n
 *   producers := n ( name  n ( string length length )*n )*n
 */
function* skipStream(reader: RdbReader, type: number): Reading {
  yield* skipStrings(reader, (yield* readCount(reader)) * 2);
  yield* skipLengths(reader, type >= 19 ? 8 : 3);
  for (let groups = yield* readCount(reader); groups > 0; groups--) {
    yield* skipString(reader);
    yield* skipLengths(reader, type >= 19 ? 3 : 2);
    for (let pending = yield* readCount(reader); pending > 0; pending--) {
      yield* skipBytes(reader, 24);
      yield* readLength(reader);
    }
    for (let consumers = yield* readCount(reader); consumers > 0; consumers--) {
      yield* skipString(reader);
      yield* skipBytes(reader, type >= 21 ? 16 : 8);
      yield* skipBytes(reader, (yield* readCount(reader)) * 16);
    }
    if (type === 27) yield* skipBytes(reader, (yield* readCount(reader)) * 16);
  }
  if (type < 26) return;
  yield* skipLengths(reader, 2);
  for (let producers = yield* readCount(reader); producers > 0; producers--) {
    yield* skipString(reader);
    for (let ids = yield* readCount(reader); ids > 0; ids--) {
      yield* skipString(reader);
      yield* skipLengths(reader, 2);
    }
  }
  yield* skipLengths(reader, 2);
}
