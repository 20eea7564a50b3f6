import { OraError } from './ora-errors.ts';

/** Types of columns and binds, by their numbers on the wire. */
export const oraType = {
  varchar: 1,
  number: 2,
  integer: 3,
  long: 8,
  date: 12,
  raw: 23,
  longRaw: 24,
  char: 96,
  binaryFloat: 100,
  binaryDouble: 101,
  clob: 112,
  blob: 113,
  timestamp: 180,
  timestampTz: 181,
  timestampLtz: 231,
} as const;

/** A value as the engine takes and gives it; a time is ISO 8601 text, with an offset or without. */
export type EngineValue =
  | { readonly as: 'text' | 'decimal' | 'time' | 'offset-time'; readonly value: string }
  | { readonly as: 'bytes'; readonly value: Buffer }
  | { readonly as: 'double'; readonly value: number }
  | null;

/** Reads a value of a bind that is no LOB. @throws OraError for a type that is not known here */
export function decodeValue(type: number, bytes: Buffer | null): EngineValue {
  if (bytes === null) return null;
  switch (type) {
    case oraType.varchar:
    case oraType.char:
    case oraType.long:
      return { as: 'text', value: bytes.toString() };
    case oraType.number:
    case oraType.integer:
      return { as: 'decimal', value: decodeNumber(bytes) };
    case oraType.raw:
    case oraType.longRaw:
      return { as: 'bytes', value: bytes };
    case oraType.date:
    case oraType.timestamp:
      return { as: 'time', value: decodeTime(bytes) };
    case oraType.timestampTz:
    case oraType.timestampLtz:
      return { as: 'offset-time', value: `${decodeTime(bytes)}Z` };
    case oraType.binaryDouble:
      return { as: 'double', value: flipped(bytes).readDoubleBE() };
    case oraType.binaryFloat:
      return { as: 'double', value: flipped(bytes).readFloatBE() };
    default:
      throw new OraError(3115, `unsupported network datatype or representation (type ${type} of a bind)`);
  }
}

/** Writes a value that is no LOB as a column of this type. @throws OraError for a type that is not known here */
export function encodeValue(type: number, value: NonNullable<EngineValue>): Buffer {
  switch (type) {
    case oraType.number:
      return encodeNumber(String(value.value));
    case oraType.date:
      return encodeTime(String(value.value), 7);
    case oraType.timestamp:
      return encodeTime(String(value.value), 11);
    case oraType.timestampTz:
      return encodeTime(String(value.value), 13);
    case oraType.binaryDouble: {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleBE(Number(value.value));
      return turned(bytes);
    }
    case oraType.varchar:
    case oraType.char:
    case oraType.long:
    case oraType.raw:
    case oraType.longRaw:
      return Buffer.isBuffer(value.value) ? value.value : Buffer.from(String(value.value));
    default:
      throw new OraError(3115, `unsupported network datatype or representation (type ${type} of a column)`);
  }
}

/**
 * NUMBER: an exponent of 100 and up to 20 digits of base 100.
 *
 *   number := 0x80 | exponent digit* | exponent digit* 102        zero, positive, negative
 *
 * A positive exponent byte is 193 + e, a digit is its value + 1; of a negative number all bits of the exponent byte are
 * turned, a digit is 101 − its value, and 102 ends it when there is room.
 */
export function encodeNumber(text: string): Buffer {
  const parts = /^(-?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (parts === null) throw new OraError(1722, 'invalid number');
  const [, sign, whole = '', fraction = '', power = '0'] = parts;
  let exponent = Number(power) - fraction.length;
  let digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  exponent += digits.length - significant.length;
  digits = significant;
  if (digits === '') return Buffer.from([0x80]);
  if (exponent % 2 !== 0) {
    exponent -= 1;
    digits += '0';
  }
  if (digits.length % 2 !== 0) digits = `0${digits}`;
  const first = (exponent + digits.length) / 2 + 192;
  const negative = sign === '-';
  const bytes = [negative ? first ^ 0xff : first];
  for (let at = 0; at < digits.length; at += 2) {
    const digit = Number(digits.slice(at, at + 2));
    bytes.push(negative ? 101 - digit : digit + 1);
  }
  if (negative && digits.length < 40) bytes.push(102);
  return Buffer.from(bytes);
}

/** NUMBER as digits without an exponent. */
export function decodeNumber(bytes: Buffer): string {
  const head = bytes.readUInt8(0);
  const positive = (head & 0x80) !== 0;
  if (bytes.length === 1) return positive ? '0' : '-1e126';
  const exponent = (positive ? head : head ^ 0xff) - 193;
  const end = !positive && bytes.at(-1) === 102 ? bytes.length - 1 : bytes.length;
  let digits = '';
  for (const byte of bytes.subarray(1, end)) digits += String(positive ? byte - 1 : 101 - byte).padStart(2, '0');
  const point = exponent * 2 + 2;
  const whole = point <= 0 ? '0' : digits.slice(0, point).padEnd(point, '0');
  const fraction = point <= 0 ? '0'.repeat(-point) + digits : digits.slice(point);
  const shown = `${whole.replace(/^0+(?=\d)/, '')}${/[1-9]/.test(fraction) ? `.${fraction.replace(/0+$/, '')}` : ''}`;
  return positive ? shown : `-${shown}`;
}

/**
 * DATE has 7 bytes, TIMESTAMP 11, TIMESTAMP WITH TIME ZONE 13, and then the time is in UTC:
 *
 *   time := century+100 year+100 month day hour+1 minute+1 second+1 [ nanoseconds:4 [ zone-hour+20 zone-minute+60 ] ]
 */
export function decodeTime(bytes: Buffer): string {
  const [century = 0, year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = bytes;
  const two = (value: number): string => String(value).padStart(2, '0');
  const years = String((century - 100) * 100 + year - 100).padStart(4, '0');
  const nanoseconds = bytes.length >= 11 ? `.${String(bytes.readUInt32BE(7)).padStart(9, '0')}` : '';
  return `${years}-${two(month)}-${two(day)}T${two(hour - 1)}:${two(minute - 1)}:${two(second - 1)}${nanoseconds}`;
}

/** @param text ISO 8601 as Java prints it: seconds and their fraction may be missing */
export function encodeTime(text: string, length: 7 | 11 | 13): Buffer {
  const parts = /^(\d+)-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  if (parts === null) throw new OraError(1841, `(full) year must be between -4713 and +9999, and not be 0: ${text}`);
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = parts
    .slice(1, 7)
    .map((part) => Number(part));
  const [, , , , , , , fraction = '', offset = 'Z'] = parts;
  const [, sign, zoneHour = '0', zoneMinute = '0'] = /^([+-])(\d\d):(\d\d)$/.exec(offset) ?? [];
  const zone = (sign === '-' ? -1 : 1) * (Number(zoneHour) * 60 + Number(zoneMinute));
  const utc = new Date(0);
  utc.setUTCFullYear(year, month - 1, day);
  utc.setUTCHours(hour, minute - zone, Number.isNaN(second) ? 0 : second);
  const bytes = Buffer.alloc(length);
  const years = utc.getUTCFullYear();
  bytes.set([Math.trunc(years / 100) + 100, (years % 100) + 100, utc.getUTCMonth() + 1, utc.getUTCDate()]);
  bytes.set([utc.getUTCHours() + 1, utc.getUTCMinutes() + 1, utc.getUTCSeconds() + 1], 4);
  const nanoseconds = Number(fraction.padEnd(9, '0'));
  if (length >= 11) bytes.writeUInt32BE(nanoseconds, 7);
  if (length === 13) bytes.set([20 + Math.trunc(zone / 60), 60 + (zone % 60)], 11);
  return length === 11 && nanoseconds === 0 ? bytes.subarray(0, 7) : bytes;
}

/** BINARY_FLOAT and BINARY_DOUBLE are IEEE 754 in an order that bytes have: positive ones with their sign bit set. */
function turned(bytes: Buffer): Buffer {
  const negative = (bytes.readUInt8(0) & 0x80) !== 0;
  if (negative) return Buffer.from(bytes.map((byte) => byte ^ 0xff));
  const positive = Buffer.from(bytes);
  positive.writeUInt8(positive.readUInt8(0) | 0x80, 0);
  return positive;
}

function flipped(bytes: Buffer): Buffer {
  const positive = (bytes.readUInt8(0) & 0x80) !== 0;
  if (!positive) return Buffer.from(bytes.map((byte) => byte ^ 0xff));
  const value = Buffer.from(bytes);
  value.writeUInt8(value.readUInt8(0) & 0x7f, 0);
  return value;
}
