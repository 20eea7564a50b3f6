import { isUtf8 } from 'node:buffer';
import type { TypeTable } from './column-type.ts';
import { decimalText, unscaledOf } from './decimal-text.ts';

/**
 * A value of a column as an event carries it.
 * - `long`: a number where it is a safe integer, otherwise a bigint;
 * - `timestamp` and `timestamp-millis`: microseconds since the epoch, a number up to the year 2255, a bigint beyond;
 * - `date`: days since the epoch;
 * - `decimal`: its text, with as many digits after the point as the type says;
 * - `uuid`, `json`: text; `bytes`: a buffer.
 */
export type ColumnValue = string | number | bigint | boolean | Buffer | null;

/**
 * Takes what Avro decoded as a column's value. Schemas may have changed since the record was written, within what
 * compatibility allows: an int may be read as a long, both as a float or double, a float as a double, bytes as a string
 * and the other way round; a decimal as one with more digits.
 * @returns undefined when it is none.
 */
export type ColumnReader = (value: unknown) => ColumnValue | undefined;

const asInteger: ColumnReader = (value) => (typeof value === 'number' || typeof value === 'bigint' ? value : undefined);
const asNumber: ColumnReader = (value) => (typeof value === 'number' ? value : undefined);
const asText: ColumnReader = (value) =>
  typeof value === 'string' ? value : Buffer.isBuffer(value) && isUtf8(value) ? value.toString() : undefined;

/** What each type of column takes. */
export const columnReaders: TypeTable<ColumnReader> = {
  string: asText,
  int: asNumber,
  long: asInteger,
  float: (value) => (typeof value === 'number' || typeof value === 'bigint' ? Math.fround(Number(value)) : undefined),
  double: (value) => (typeof value === 'bigint' ? Number(value) : asNumber(value)),
  decimal: (digits) => (value) => {
    const unscaled = typeof value === 'string' ? unscaledOf(value, digits) : undefined;
    return unscaled === undefined ? undefined : decimalText(unscaled, digits.scale);
  },
  boolean: (value) => (typeof value === 'boolean' ? value : undefined),
  date: asNumber,
  timestamp: asInteger,
  'timestamp-millis': asInteger,
  uuid: asText,
  bytes: (value) => (typeof value === 'string' ? Buffer.from(value) : Buffer.isBuffer(value) ? value : undefined),
  json: asText,
};
