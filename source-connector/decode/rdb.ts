import { FirstBytes } from '../bytes.ts';
import { copyBytes, PackedWriter } from '../packed-hash.ts';
import { HashTemplates } from './hash-template.ts';
import { isBlobHash, isHashType, readBlobHash, readHash, skipHash } from './hash-value.ts';
import type { CapturesKey, SnapshotDecoder, SnapshotEvent } from './ports.ts';
import { corruptRdb, unsupportedRdb } from './rdb-error.ts';
import { RdbReader } from './rdb-reader.ts';
import { type Flavour, flavourOf } from './rdb-version.ts';
import { readCount, type Reading, skipBytes, skipLengths, skipString } from './reading.ts';
import { isOtherType, skipModule, skipValue } from './skip-value.ts';

/** From this version on, a checksum follows the end mark. */
const CHECKSUM_SINCE = 5;

/** Redis 8.6. */
const KEY_METADATA_SINCE = 13;
/** Redis 8.10. */
const TEMPLATES_SINCE = 15;
const MAGIC_BYTES = 9;

const EOF = 255;
const SELECT_DB = 254;
const EXPIRE_SECONDS = 253;
const EXPIRE_MS = 252;
const RESIZE_DB = 251;
const AUX = 250;
const FREQUENCY = 249;
const IDLE = 248;
const MODULE_AUX = 247;
const FUNCTION_PRE_GA = 246;
const FUNCTION = 245;
const SLOT_INFO = 244;
/** Redis 8.6: metadata of the next key. Valkey 9: a slot import. */
const KEY_METADATA_OR_SLOT_IMPORT = 243;
/** Redis 8.10. */
const HASH_TEMPLATE = 242;
const OPCODES_FROM = HASH_TEMPLATE;

export interface RdbDecoderOptions {
  /** Which keys' hashes are reported; all other values are passed over without holding them. */
  readonly captures: CapturesKey;
}

/**
 * Reads an RDB file incrementally. It holds no more than the largest captured hash, or one key.
 *
 *   file   := magic ( opcode | entry )* EOF [checksum(8), u64 LE; 0 = disabled; since version 5]
 *   magic  := "REDIS" digit*4 | "VALKEY" digit*3
 *   entry  := type(1) key(string) value
 *   opcode := 254 db(length)                       the entries from here on belong to this database
 *           | 253 i32 LE s | 252 i64 LE ms         expiry of the next entry
 *           | 251 length length                    sizes of the database
 *           | 250 name(string) value(string)       AUX
 *           | 249 byte | 248 length                LFU, LRU of the next entry
 *           | 247 id(length) module opcodes        module AUX
 *           | 245 string                           function library
 *           | 244 length*3                         slot info
 *           | 243 …                                Redis 8.6: n ( class(4) module opcodes )*n; Valkey 9: string, n ( length*2 )*n
 *           | 242 …                                Redis 8.10: see hash-template.ts
 *
 * Values: hash-value.ts and skip-value.ts. Errors: RDB_CORRUPT, RDB_UNSUPPORTED, both with the byte position.
 * Source: Redis, rdb.c and rdb.h.
 */
export class RdbDecoder implements SnapshotDecoder {
  readonly #reader = new RdbReader();
  readonly #fields = new PackedWriter();
  readonly #templates = new HashTemplates();
  readonly #captures: CapturesKey;
  readonly #steps: Generator<SnapshotEvent | undefined, void, undefined>;
  #key: Buffer = Buffer.alloc(256);
  #keyViews = new FirstBytes(this.#key);
  #flavour: Flavour = 'redis';
  #version = 0;
  #db = 0;
  #expireAt = 0;
  #thrown: Error | undefined;

  constructor(options: RdbDecoderOptions) {
    this.#captures = options.captures;
    this.#steps = this.#file();
  }

  get position(): number {
    return this.#reader.position;
  }

  push(chunk: Buffer): void {
    this.#reader.push(chunk);
  }

  next(): SnapshotEvent | undefined {
    if (this.#thrown !== undefined) throw this.#thrown;
    try {
      return this.#steps.next().value ?? undefined;
    } catch (error) {
      // A generator that threw has ended; without this, asking again would look like waiting for more bytes.
      this.#thrown = error instanceof Error ? error : new Error(String(error));
      throw this.#thrown;
    }
  }

  rest(): Buffer {
    return this.#reader.rest();
  }

  *#file(): Generator<SnapshotEvent | undefined, void, undefined> {
    const reader = this.#reader;
    yield* this.#magic();
    for (;;) {
      while (!reader.tryByte()) yield undefined;
      const code = reader.byte;
      if (code === EOF) break;
      if (code === AUX) {
        yield yield* readAux(reader);
        continue;
      }
      if (code >= OPCODES_FROM) {
        yield* this.#opcode(code);
        continue;
      }
      const holdsHash = this.#holdsHash(code);
      while (!reader.tryString()) yield undefined;
      if (holdsHash && this.#captures(reader.source, reader.start, reader.end)) {
        const key = this.#keepKey();
        this.#fields.reset();
        if (isBlobHash(code)) {
          // The one encoding of almost all hashes: read without the cost of one more generator.
          const position = reader.position;
          while (!reader.tryString()) yield undefined;
          readBlobHash(reader, code, position, this.#fields);
        } else {
          yield* readHash(reader, code, this.#flavour, this.#templates, this.#fields);
        }
        const fields = this.#fields.view();
        // Redis itself drops a hash without fields when it loads one.
        if (fields.length > 0) yield { kind: 'hash', db: this.#db, key, fields, expireAt: this.#expireAt };
      } else if (holdsHash) {
        yield* skipHash(reader, code, this.#flavour, this.#templates);
      } else {
        yield* skipValue(reader, code);
      }
      this.#expireAt = 0;
    }
    yield { kind: 'end', checksum: yield* this.#checksum() };
  }

  *#magic(): Reading {
    const reader = this.#reader;
    while (!reader.tryBytes(MAGIC_BYTES)) yield undefined;
    const magic = reader.source.toString('latin1', reader.start, reader.end);
    const digits = /^(?:REDIS(\d{4})|VALKEY(\d{3}))$/.exec(magic);
    if (digits === null) throw corruptRdb('this is no RDB file: it begins with neither REDIS nor VALKEY', 0);
    this.#flavour = digits[1] === undefined ? 'valkey' : 'redis';
    this.#version = Number(digits[1] ?? digits[2]);
    if (flavourOf(this.#version) !== this.#flavour) throw unsupportedRdb(`RDB version ${magic} is not known`, 0);
  }

  /** Whether the value type holds a hash; an unknown one is an error, since its end cannot be found. */
  #holdsHash(type: number): boolean {
    if (isHashType(type, this.#flavour, this.#version)) return true;
    if (!isOtherType(type, this.#flavour, this.#version))
      throw unsupportedRdb(`value type ${type} is not known`, this.position - 1);
    return false;
  }

  /** Copies the key that was just read, because reading the value overwrites the place where it stands. */
  #keepKey(): Buffer {
    const { source, start, end } = this.#reader;
    const length = end - start;
    if (length > this.#key.length) {
      this.#key = Buffer.allocUnsafeSlow(length * 2);
      this.#keyViews = new FirstBytes(this.#key);
    }
    copyBytes(source, start, end, this.#key, 0);
    return this.#keyViews.of(length);
  }

  *#opcode(code: number): Reading {
    const reader = this.#reader;
    const position = this.position - 1;
    if (code === SELECT_DB) {
      this.#db = yield* readCount(reader);
    } else if (code === EXPIRE_MS || code === EXPIRE_SECONDS) {
      this.#expireAt = yield* this.#expiry(code);
    } else if (code === RESIZE_DB) {
      yield* skipLengths(reader, 2);
    } else if (code === FREQUENCY) {
      yield* skipBytes(reader, 1);
    } else if (code === IDLE) {
      yield* skipLengths(reader, 1);
    } else if (code === MODULE_AUX) {
      yield* skipLengths(reader, 1);
      yield* skipModule(reader);
    } else if (code === FUNCTION) {
      yield* skipString(reader);
    } else if (code === SLOT_INFO) {
      yield* skipLengths(reader, 3);
    } else if (code === KEY_METADATA_OR_SLOT_IMPORT && this.#flavour === 'valkey') {
      yield* skipString(reader);
      yield* skipLengths(reader, (yield* readCount(reader)) * 2);
    } else if (code === KEY_METADATA_OR_SLOT_IMPORT && this.#version >= KEY_METADATA_SINCE) {
      for (let classes = yield* readCount(reader); classes > 0; classes--) {
        yield* skipBytes(reader, 4);
        yield* skipModule(reader);
      }
    } else if (code === HASH_TEMPLATE && this.#flavour === 'redis' && this.#version >= TEMPLATES_SINCE) {
      yield* this.#templates.define(reader);
    } else {
      throw unsupportedRdb(
        code === FUNCTION_PRE_GA
          ? 'opcode 246, a function of a Redis 7.0 release candidate, cannot be passed over'
          : `opcode ${code} is not known`,
        position,
      );
    }
  }

  /** Expiry times at or before the epoch count as the first millisecond, because 0 says that there is none. */
  *#expiry(code: number): Reading<number> {
    const reader = this.#reader;
    while (!reader.tryBytes(code === EXPIRE_MS ? 8 : 4)) yield undefined;
    const { source, start } = reader;
    const ms = code === EXPIRE_MS ? Number(source.readBigInt64LE(start)) : source.readInt32LE(start) * 1000;
    return Math.max(ms, 1);
  }

  *#checksum(): Reading<'verified' | 'disabled'> {
    if (this.#version < CHECKSUM_SINCE) return 'disabled';
    const reader = this.#reader;
    while (!reader.tryBytes(8)) yield undefined;
    if (reader.source.readBigUInt64LE(reader.start) === 0n) return 'disabled';
    if (!reader.checksumIs()) throw corruptRdb('the checksum is not the one of the bytes before it', this.position - 8);
    return 'verified';
  }
}

function* readAux(reader: RdbReader): Reading<SnapshotEvent> {
  while (!reader.tryString()) yield undefined;
  const name = reader.source.toString('utf8', reader.start, reader.end);
  while (!reader.tryString()) yield undefined;
  return { kind: 'aux', name, value: reader.source.subarray(reader.start, reader.end) };
}
