import { type ColumnType, type KeyType, ofType, type TypeTable } from '../../../schemas/index.ts';
import type { ColumnValue } from '../../decode/change.ts';
import type { ColumnShape } from './table-shape.ts';

type Present = NonNullable<ColumnValue>;

/** How Snowflake holds a type. */
interface SqlType {
  /** The type of a column in a table that afterwrite creates. */
  readonly created: string;
  /** A value as a text: what JSON would make a number of may lose digits on its way. */
  readonly text: (value: Present) => string;
}

const sqlTypes: TypeTable<SqlType> = {
  string: { created: 'VARCHAR', text: String },
  int: { created: 'INTEGER', text: String },
  long: { created: 'INTEGER', text: String },
  float: { created: 'FLOAT', text: binaryNumber },
  double: { created: 'FLOAT', text: binaryNumber },
  decimal: ({ precision, scale }) => ({ created: `NUMBER(${precision},${scale})`, text: String }),
  boolean: { created: 'BOOLEAN', text: String },
  date: { created: 'DATE', text: (days) => dateText(Number(days)) },
  timestamp: { created: 'TIMESTAMP_TZ', text: timestamp },
  'timestamp-millis': { created: 'TIMESTAMP_TZ', text: timestamp },
  uuid: { created: 'VARCHAR(36)', text: String },
  bytes: {
    created: 'BINARY',
    text: (bytes) => (Buffer.isBuffer(bytes) ? bytes : Buffer.from(String(bytes))).toString('hex'),
  },
  json: { created: 'VARIANT', text: String },
};

/** The type of a column in a table that afterwrite creates. */
export function createdType(type: ColumnType): string {
  return ofType(sqlTypes, type).created;
}

/** A NUMBER has no more digits after the point. */
export const largestScale = 37;

/** How a value of a type stands in the JSON of a batch. */
export function encoderOf(type: ColumnType): (value: ColumnValue) => string | null {
  const { text } = ofType(sqlTypes, type);
  return (value) => (value === null ? null : text(value));
}

/**
 * Types of existing key columns under which two different keys can never share a row (rule 9). A text in a number
 * column would make one row of `7` and `07`.
 */
export const keyTypes: Readonly<Record<KeyType, readonly string[]>> = {
  string: ['TEXT'],
  int: ['NUMBER'],
  long: ['NUMBER'],
};

/** Types that hold every version. */
export const versionTypes: readonly string[] = ['NUMBER'];

const semiStructured: readonly string[] = ['VARIANT', 'OBJECT', 'ARRAY'];

/**
 * The text of a value, turned into the type that the table has: a text that is none of that type is an error, and never
 * turned into something else.
 * @param text an expression of type VARCHAR
 */
export function cast(text: string, type: ColumnType, column: ColumnShape): string {
  if (column.type === 'TEXT') return text;
  if (column.type === 'BINARY') return `TO_BINARY(${text}, '${type === 'bytes' ? 'HEX' : 'UTF-8'}')`;
  if (semiStructured.includes(column.type)) {
    const value = type === 'json' ? `PARSE_JSON(${text})` : `TO_VARIANT(${text})`;
    return column.type === 'VARIANT' ? value : `TO_${column.type}(${value})`;
  }
  return `CAST(${text} AS ${sqlTypeOf(column)})`;
}

function sqlTypeOf({ type, digits }: ColumnShape): string {
  return digits === undefined ? type : `${type}(${digits.precision},${digits.scale})`;
}

/** Whether a column would round what events carry, without a word. */
export function rounds(type: ColumnType, { digits }: ColumnShape): boolean {
  if (digits === undefined) return false;
  if (type === 'float' || type === 'double') return true;
  const scale = /^decimal\(\d+,(\d+)\)$/.exec(type)?.[1];
  return scale !== undefined && Number(scale) > digits.scale;
}

function binaryNumber(value: Present): string {
  return String(value).replace('Infinity', 'inf');
}

/** @param micros microseconds since the epoch: decoded timestamps are numbers or bigints */
function timestamp(micros: Present): string {
  return timestampText(typeof micros === 'bigint' ? micros : BigInt(Number(micros)));
}

/**
 * Microseconds since the epoch as ISO 8601 has them. Years beyond 1 to 9999 stay what they are, for the server to refuse.
 */
export function timestampText(micros: bigint): string {
  const rest = ((micros % 1000n) + 1000n) % 1000n;
  const date = new Date(Number((micros - rest) / 1000n));
  if (!isHeld(date)) return `${micros} microseconds since 1970`;
  return `${date.toISOString().slice(0, -'Z'.length)}${String(rest).padStart(3, '0')}+00:00`;
}

/** Days since the epoch, in the same way. */
export function dateText(days: number): string {
  const date = new Date(days * 86_400_000);
  return isHeld(date) ? date.toISOString().slice(0, 'yyyy-mm-dd'.length) : `${days} days since 1970`;
}

/** False for a time beyond what a Date holds, too. */
function isHeld(date: Date): boolean {
  const year = date.getUTCFullYear();
  return year > 0 && year <= 9999;
}
