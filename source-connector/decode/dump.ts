import type { PackedWriter } from '../packed-hash.ts';
import { Crc64 } from './crc64.ts';
import { HashTemplates } from './hash-template.ts';
import { isDumpedHashType, readHash } from './hash-value.ts';
import { corruptRdb, unsupportedRdb } from './rdb-error.ts';
import { RdbReader } from './rdb-reader.ts';
import { flavourOf } from './rdb-version.ts';
import { isOtherType } from './skip-value.ts';

/** RDB version (2 bytes) and checksum (8 bytes). */
const FOOTER_BYTES = 10;

/**
 * Reads the payload of DUMP, as RESTORE carries it: packs the fields and returns 'hash', or returns 'other' for a
 * value of another type. Errors: RDB_CORRUPT, RDB_UNSUPPORTED, with the position in the payload.
 *
 *   payload := type(1) value version(u16 LE) checksum(u64 LE; 0 = unchecked)
 */
export function readDump(payload: Buffer, into: PackedWriter): 'hash' | 'other' {
  const footer = payload.length - FOOTER_BYTES;
  if (footer < 1) throw corruptRdb('a DUMP payload shorter than its footer', 0);
  const checksumAt = footer + 2;
  const unchecked = payload.readBigUInt64LE(checksumAt) === 0n;
  if (!unchecked && !new Crc64().update(payload, 0, checksumAt).equals(payload, checksumAt)) {
    throw corruptRdb('the checksum of a DUMP payload is not the one of its bytes', checksumAt);
  }
  const version = payload.readUInt16LE(footer);
  const flavour = flavourOf(version);
  if (flavour === undefined) throw unsupportedRdb(`RDB version ${version} of a DUMP payload is not known`, footer);
  const type = payload.readUInt8(0);
  if (!isDumpedHashType(type, flavour, version)) {
    if (!isOtherType(type, flavour, version))
      throw unsupportedRdb(`value type ${type} of RDB version ${version} is not known`, 0);
    return 'other';
  }
  const reader = new RdbReader();
  reader.push(payload.subarray(0, footer));
  reader.tryByte();
  if (readHash(reader, type, flavour, new HashTemplates(), into).next().done !== true) {
    throw corruptRdb('the value of a DUMP payload passes its end', reader.position);
  }
  if (reader.available > 0) throw corruptRdb('bytes after the value of a DUMP payload', reader.position);
  return 'hash';
}
