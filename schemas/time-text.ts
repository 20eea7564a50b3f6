import type { AvroWriter } from './avro-writer.ts';
import { isInteger, smallInteger } from './integer-text.ts';

const isoTime = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])(\d\d):?(\d\d))?)?$/;
const isoDate = /^(\d{4})-(\d\d)-(\d\d)$/;

/** The range of JavaScript's dates, in ms to both sides of the epoch; its microseconds fit into a long. */
const FARTHEST = 8_640_000_000_000_000;

/** The range of days: eight digits would be a date without its dashes, such as 20261124, much rather than a day. */
const FARTHEST_DAY = 9_999_999;
const DAY = 86_400_000;

/** Writes a moment that is given as whole ms since the epoch and the microseconds to add to them, up to 999999. */
type MomentWriter = (ms: number, micros: number, out: AvroWriter) => void;

/** Microseconds since the epoch, from a text that `writeMoment` reads. Digits after the microseconds are cut off. */
export function writeTimestamp(value: Buffer, out: AvroWriter): string | undefined {
  return writeMoment(value, out, writeMicros);
}

/** Milliseconds since the epoch, from a text that `writeMoment` reads. Digits after the milliseconds are cut off. */
export function writeTimestampMillis(value: Buffer, out: AvroWriter): string | undefined {
  return writeMoment(value, out, writeMillis);
}

/**
 * Epoch milliseconds as an integer, or ISO 8601: a date, or a date with a time of day to the minute, second or fraction.
 * Without an offset the time is UTC, without a time it is midnight.
 */
function writeMoment(value: Buffer, out: AvroWriter, write: MomentWriter): string | undefined {
  if (isInteger(value, 'long')) {
    const ms = value.length <= 15 ? smallInteger(value) : Number(value.toString('latin1'));
    if (Math.abs(ms) > FARTHEST) return 'it is too far from now for a timestamp in milliseconds';
    write(ms, 0, out);
    return undefined;
  }
  const parts = value.length > 40 ? null : isoTime.exec(value.toString('latin1'));
  const ms = parts === null ? NaN : epochMs(parts);
  if (parts === null || Number.isNaN(ms)) return 'it is neither epoch milliseconds nor an ISO 8601 time';
  write(ms, Number((parts[7] ?? '').padEnd(6, '0').slice(0, 6)), out);
  return undefined;
}

/** Days since the epoch, from an ISO 8601 date without a time, or from the days themselves as an integer. */
export function writeDate(value: Buffer, out: AvroWriter): string | undefined {
  if (isInteger(value, 'int')) {
    const days = smallInteger(value);
    if (Math.abs(days) > FARTHEST_DAY) return 'it is too far from now for a date in days since 1970';
    out.long(days);
    return undefined;
  }
  const parts = value.length > 10 ? null : isoDate.exec(value.toString('latin1'));
  const ms = parts === null ? NaN : midnight(parts);
  if (Number.isNaN(ms)) return 'it is neither an ISO 8601 date nor days since 1970';
  out.long(ms / DAY);
  return undefined;
}

/** Epoch ms of the day that a match begins with; NaN when there is no such day. */
function midnight([, year, month, day]: RegExpExecArray): number {
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  const isDay = date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day);
  return isDay ? date.getTime() : NaN;
}

/** Epoch ms of the whole seconds of a match of `isoTime`; NaN when there is no such day or time. */
function epochMs(parts: RegExpExecArray): number {
  const [, , , , hour, minute, second, , sign, offsetHour, offsetMinute] = parts;
  const [h, m, s] = [Number(hour ?? 0), Number(minute ?? 0), Number(second ?? 0)];
  const [oh, om] = [Number(offsetHour ?? 0), Number(offsetMinute ?? 0)];
  if (h > 23 || m > 59 || s > 59 || oh > 18 || om > 59) return NaN;
  const offset = (oh * 60 + om) * 60_000 * (sign === '-' ? -1 : 1);
  return midnight(parts) + ((h * 60 + m) * 60 + s) * 1000 - offset;
}

function writeMicros(ms: number, micros: number, out: AvroWriter): void {
  const sum = ms * 1000 + micros;
  if (Number.isSafeInteger(sum)) out.long(sum);
  else out.bigLong(BigInt(ms) * 1000n + BigInt(micros));
}

function writeMillis(ms: number, micros: number, out: AvroWriter): void {
  out.long(ms + Math.floor(micros / 1000));
}
