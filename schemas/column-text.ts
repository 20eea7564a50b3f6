import { isUtf8 } from 'node:buffer';
import type { AvroWriter } from './avro-writer.ts';
import type { TypeTable } from './column-type.ts';
import { decimalWriter, isDecimalNumber } from './decimal-text.ts';
import { isInteger, smallInteger } from './integer-text.ts';
import { writeDate, writeTimestamp, writeTimestampMillis } from './time-text.ts';

/**
 * Writes a Redis value as a column's Avro bytes.
 * @returns why the value is none of that type, having written nothing that may be kept; undefined when it is.
 */
export type ColumnWriter = (value: Buffer, out: AvroWriter) => string | undefined;

/** How each type of column reads the text that Redis holds. */
export const columnWriters: TypeTable<ColumnWriter> = {
  string: writeString,
  int: writeInt,
  long: writeLong,
  float: writeFloat,
  double: writeDouble,
  decimal: decimalWriter,
  boolean: writeBoolean,
  date: writeDate,
  timestamp: writeTimestamp,
  'timestamp-millis': writeTimestampMillis,
  uuid: writeUuid,
  bytes: writeBytes,
  json: writeJson,
};

function writeString(value: Buffer, out: AvroWriter): string | undefined {
  if (!isText(value)) return 'it is not valid UTF-8';
  out.sized(value);
  return undefined;
}

/** Whether the bytes are UTF-8. Short ASCII is the rule, and looking at it is faster than a call into native code. */
function isText(value: Buffer): boolean {
  if (value.length > 32) return isUtf8(value);
  let seen = 0;
  for (let at = 0; at < value.length; at++) seen |= value[at] ?? 0;
  return seen < 128 || isUtf8(value);
}

function writeInt(value: Buffer, out: AvroWriter): string | undefined {
  if (!isInteger(value, 'int')) return 'it is no integer of 32 bits';
  out.long(smallInteger(value));
  return undefined;
}

function writeLong(value: Buffer, out: AvroWriter): string | undefined {
  if (!isInteger(value, 'long')) return 'it is no integer of 64 bits';
  if (value.length <= 15) out.long(smallInteger(value));
  else out.bigLong(BigInt(value.toString('latin1')));
  return undefined;
}

/** The nearest number of 32 bits. */
function writeFloat(value: Buffer, out: AvroWriter): string | undefined {
  const number = Math.fround(numberOf(value));
  if (!Number.isFinite(number)) return 'it is no decimal number that a float can hold';
  out.float(number);
  return undefined;
}

/** The nearest number of 64 bits. */
function writeDouble(value: Buffer, out: AvroWriter): string | undefined {
  const number = numberOf(value);
  if (!Number.isFinite(number)) return 'it is no decimal number that a double can hold';
  out.double(number);
  return undefined;
}

/** NaN when the bytes are no number. */
function numberOf(value: Buffer): number {
  const text = value.toString('latin1');
  return isDecimalNumber(text) ? Number(text) : NaN;
}

/** `true`, `false` in any case, `1`, `0`. */
function writeBoolean(value: Buffer, out: AvroWriter): string | undefined {
  const text = value.length > 5 ? '' : value.toString('latin1').toLowerCase();
  if (text === 'true' || text === '1') out.byte(1);
  else if (text === 'false' || text === '0') out.byte(0);
  else return 'it is none of true, false, 1, 0';
  return undefined;
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * The form of RFC 9562, which is read in either case and written in lower case: databases that keep a UUID as text
 * would take the two for different ones.
 */
function writeUuid(value: Buffer, out: AvroWriter): string | undefined {
  const text = value.length === 36 ? value.toString('latin1').toLowerCase() : '';
  if (!uuid.test(text)) return 'it is no UUID of 32 hexadecimal digits in the groups 8-4-4-4-12';
  out.sized(Buffer.from(text));
  return undefined;
}

function writeBytes(value: Buffer, out: AvroWriter): string | undefined {
  out.sized(value);
  return undefined;
}

/** JSON of any kind (RFC 8259), passed on as it is written: spaces, order and numbers stay. */
function writeJson(value: Buffer, out: AvroWriter): string | undefined {
  if (!isText(value)) return 'it is not valid UTF-8';
  try {
    JSON.parse(value.toString());
  } catch {
    return 'it is not valid JSON';
  }
  out.sized(value);
  return undefined;
}
