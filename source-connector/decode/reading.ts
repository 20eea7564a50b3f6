import { corruptRdb } from './rdb-error.ts';
import type { RdbReader } from './rdb-reader.ts';

/** A part of the grammar: it yields whenever it needs more bytes, and is resumed when some have come. */
export type Reading<Result = void> = Generator<undefined, Result, undefined>;

/** Passes over `count` bytes as a stream. */
export function* skipBytes(reader: RdbReader, count: number): Reading {
  for (let left = reader.skip(count); left > 0; left = reader.skip(left)) yield undefined;
}

/** Passes over a string as a stream, however long it is. */
export function* skipString(reader: RdbReader): Reading {
  while (!reader.tryStringHeader()) yield undefined;
  yield* skipBytes(reader, reader.length);
}

/** Reads a length, or one of the numbers that the format writes as lengths. */
export function* readLength(reader: RdbReader): Reading<number> {
  while (!reader.tryLength()) yield undefined;
  return reader.length;
}

/** Reads a length that says how many items follow. */
export function* readCount(reader: RdbReader): Reading<number> {
  const position = reader.position;
  const count = yield* readLength(reader);
  if (!Number.isSafeInteger(count)) throw corruptRdb(`a count of ${count} items`, position);
  return count;
}

export function* readByte(reader: RdbReader): Reading<number> {
  while (!reader.tryByte()) yield undefined;
  return reader.byte;
}

export function* skipLengths(reader: RdbReader, count: number): Reading {
  for (let i = 0; i < count; i++) yield* readLength(reader);
}
