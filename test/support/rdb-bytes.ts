import { Crc64 } from '../../source-connector/decode/crc64.ts';

/** Bytes of an RDB file, written by hand: numbers are bytes, strings are their UTF-8 bytes. */
export type Part = Buffer | string | number | readonly number[];

export function bytes(...parts: readonly Part[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'number') return Buffer.from([part]);
      return typeof part === 'string' ? Buffer.from(part) : Buffer.from(part);
    }),
  );
}

/** A length of the RDB format. */
export function rdbLength(length: number): Buffer {
  if (length < 64) return bytes(length);
  if (length < 16384) return bytes(0x40 | (length >> 8), length & 255);
  const long = Buffer.alloc(5, 0x80);
  long.writeUInt32BE(length, 1);
  return long;
}

/** A string of the RDB format. */
export function rdbString(content: Buffer | string): Buffer {
  const plain = Buffer.from(content);
  return bytes(rdbLength(plain.length), plain);
}

export function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
}

export function i64(value: bigint): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigInt64LE(value);
  return out;
}

/** An RDB file: magic, the parts, the end mark and, from version 5 on, the checksum. */
export function rdbFile(magic: string, ...parts: readonly Part[]): Buffer {
  const body = bytes(magic, ...parts, 0xff);
  return /^REDIS000[1-4]$/.test(magic) ? body : bytes(body, checksum(body));
}

/** The payload that DUMP gives. */
export function dumpPayload(type: number, value: Buffer, version = 10): Buffer {
  const body = bytes(type, value, version & 255, version >> 8);
  return bytes(body, checksum(body));
}

function checksum(body: Buffer): Buffer {
  return Buffer.from(new Crc64().update(body, 0, body.length).toString(), 'hex').reverse();
}

/** A listpack of entries that are given as encoding and data; their lengths are put behind them. */
export function listpack(...entries: readonly Buffer[]): Buffer {
  const body = Buffer.concat(entries.flatMap((entry) => [entry, backlen(entry.length)]));
  return bytes(u32(body.length + 7), entries.length & 255, entries.length >> 8, body, 0xff);
}

/** A string entry of a listpack. */
export function listpackString(content: string): Buffer {
  const plain = Buffer.from(content);
  if (plain.length < 64) return bytes(0x80 | plain.length, plain);
  if (plain.length < 4096) return bytes(0xe0 | (plain.length >> 8), plain.length & 255, plain);
  return bytes(0xf0, u32(plain.length), plain);
}

/** As Redis writes it, which needs one byte more at 16383. */
function backlen(length: number): Buffer {
  if (length <= 127) return bytes(length);
  if (length < 16383) return bytes(length >> 7, (length & 127) | 128);
  return bytes(length >> 14, ((length >> 7) & 127) | 128, (length & 127) | 128);
}

/** A ziplist of entries that are given as encoding and data; the length of each entry's predecessor is put before it. */
export function ziplist(...entries: readonly Buffer[]): Buffer {
  let last = 0;
  const parts = entries.map((entry) => {
    const part = bytes(last < 254 ? last : bytes(254, u32(last)), entry);
    last = part.length;
    return part;
  });
  const body = Buffer.concat(parts);
  return bytes(
    u32(body.length + 11),
    u32(10 + body.length - last),
    entries.length & 255,
    entries.length >> 8,
    body,
    0xff,
  );
}
