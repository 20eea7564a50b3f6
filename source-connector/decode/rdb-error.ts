import { AfterwriteError } from '../../ops/errors/index.ts';

/**
 * The bytes contradict the format. `position` counts from the first byte of the RDB file or DUMP payload; for a value
 * that is a blob (listpack, ziplist, zipmap) it is where the blob's string begins, and `blobByte` counts inside the
 * blob after decompression.
 */
export function corruptRdb(what: string, position: number, blobByte?: number): AfterwriteError {
  return new AfterwriteError('RDB_CORRUPT', what, { where: { position, 'byte of the blob': blobByte } });
}

/** A version, opcode or value type that is not known, or that cannot be skipped. */
export function unsupportedRdb(what: string, position: number): AfterwriteError {
  return new AfterwriteError('RDB_UNSUPPORTED', what, { where: { position } });
}
