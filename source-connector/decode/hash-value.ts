import type { PackedWriter } from '../packed-hash.ts';
import {
  type HashTemplates,
  TEMPLATE_ARRAY,
  TEMPLATE_ARRAY_DUMP,
  TEMPLATE_LISTPACK,
  TEMPLATE_LISTPACK_DUMP,
} from './hash-template.ts';
import { readListpack } from './listpack.ts';
import type { RdbReader } from './rdb-reader.ts';
import type { Flavour } from './rdb-version.ts';
import { readCount, readLength, type Reading, skipBytes, skipString } from './reading.ts';
import { readZiplist } from './ziplist.ts';
import { readZipmap } from './zipmap.ts';

const ZIPMAP = 9;
const ZIPLIST = 13;
const LISTPACK = 16;

/** Hash types that are one blob, in Redis up to 7.2. */
export function isBlobHash(type: number): boolean {
  return type === LISTPACK || type === ZIPLIST || type === ZIPMAP;
}

/** Hash types whose names stand in a template, from this RDB version of Redis on. */
const TEMPLATES_SINCE = 15;

/** Whether a value type holds a hash in an RDB file. `version` is the RDB version, 80 and above with Valkey. */
export function isHashType(type: number, flavour: Flavour, version: number): boolean {
  if (type === 4 || isBlobHash(type)) return true;
  if (flavour === 'valkey') return type === 22;
  if (version >= TEMPLATES_SINCE && (type === TEMPLATE_LISTPACK || type === TEMPLATE_ARRAY)) return true;
  return version >= 12 && type >= 22 && type <= 25;
}

/** Whether a value type holds a hash in a DUMP payload. */
export function isDumpedHashType(type: number, flavour: Flavour, version: number): boolean {
  if (type === TEMPLATE_LISTPACK || type === TEMPLATE_ARRAY) return false;
  if (type !== TEMPLATE_LISTPACK_DUMP && type !== TEMPLATE_ARRAY_DUMP) return isHashType(type, flavour, version);
  return flavour === 'redis' && version >= TEMPLATES_SINCE;
}

/** Packs the fields of the blob that the reader has just read as a string, which stands at `position`. */
export function readBlobHash(reader: RdbReader, type: number, position: number, into: PackedWriter): void {
  const { source, start, end } = reader;
  if (type === LISTPACK) readListpack(source, start, end, position, 2, into);
  else if (type === ZIPLIST) readZiplist(source, start, end, position, into);
  else readZipmap(source, start, end, position, into);
}

/**
 * Reads a hash's value into packed fields. Expiry times of single fields are read and left out.
 *
 *   4 hash                  := n ( name value )*n
 *   9, 13, 16 blobs         := string                           zipmap, ziplist, listpack
 *   22 Redis 7.4 RC         := n ( time(length) name value )*n
 *   23 Redis 7.4 RC         := string                           listpack of name, value, time
 *   24 Redis 7.4            := earliest(8) n ( time(length) name value )*n
 *   25 Redis 7.4            := earliest(8) string               listpack of name, value, time
 *   22 Valkey 9             := n ( name value time(8) )*n
 *   29, 30, 31, 32          := see hash-template.ts
 */
export function* readHash(
  reader: RdbReader,
  type: number,
  flavour: Flavour,
  templates: HashTemplates,
  into: PackedWriter,
): Reading {
  if (type >= TEMPLATE_LISTPACK_DUMP) return yield* templates.read(reader, type, into);
  if (type === 24 || type === 25) yield* skipBytes(reader, 8);
  if (isBlobHash(type) || type === 23 || type === 25) {
    const position = reader.position;
    while (!reader.tryString()) yield undefined;
    if (isBlobHash(type)) readBlobHash(reader, type, position, into);
    else readListpack(reader.source, reader.start, reader.end, position, 3, into);
    return;
  }
  for (let fields = yield* readCount(reader); fields > 0; fields--) {
    if (type >= 22 && flavour === 'redis') yield* readLength(reader);
    while (!reader.tryString()) yield undefined;
    into.append(reader.source, reader.start, reader.end);
    while (!reader.tryString()) yield undefined;
    into.append(reader.source, reader.start, reader.end);
    if (type >= 22 && flavour === 'valkey') yield* skipBytes(reader, 8);
  }
}

/** Passes over a hash that is not captured. */
export function* skipHash(reader: RdbReader, type: number, flavour: Flavour, templates: HashTemplates): Reading {
  if (type >= TEMPLATE_LISTPACK_DUMP) return yield* templates.skip(reader, type);
  if (type === 24 || type === 25) yield* skipBytes(reader, 8);
  if (type !== 4 && type !== 22 && type !== 24) return yield* skipString(reader);
  for (let fields = yield* readCount(reader); fields > 0; fields--) {
    if (type >= 22 && flavour === 'redis') yield* readLength(reader);
    if (!reader.trySkipString()) yield* skipString(reader);
    if (!reader.trySkipString()) yield* skipString(reader);
    if (type >= 22 && flavour === 'valkey') yield* skipBytes(reader, 8);
  }
}
