import { type ColumnType, type KeyType, ofType, type TypeTable } from '../../../schemas/index.ts';
import type { ColumnValue } from '../../decode/change.ts';

type Present = NonNullable<ColumnValue>;

/** How PostgreSQL holds a type. */
interface SqlType {
  /** The type of a column in a table that afterwrite creates. */
  readonly created: string;
  /** A value as an element of an array literal. */
  readonly element: (value: Present) => string;
}

const sqlTypes: TypeTable<SqlType> = {
  string: { created: 'TEXT', element: quoted },
  int: { created: 'INTEGER', element: bare },
  long: { created: 'BIGINT', element: bare },
  float: { created: 'REAL', element: bare },
  double: { created: 'DOUBLE PRECISION', element: bare },
  decimal: ({ precision, scale }) => ({ created: `NUMERIC(${precision},${scale})`, element: bare }),
  boolean: { created: 'BOOLEAN', element: bare },
  date: { created: 'DATE', element: (days) => `"${dateText(Number(days))}"` },
  timestamp: { created: 'TIMESTAMPTZ', element: timestamp },
  'timestamp-millis': { created: 'TIMESTAMPTZ', element: timestamp },
  uuid: { created: 'UUID', element: quoted },
  bytes: { created: 'BYTEA', element: (bytes) => bytea(Buffer.isBuffer(bytes) ? bytes : Buffer.from(String(bytes))) },
  json: { created: 'JSONB', element: quoted },
};

/** The type of a column in a table that afterwrite creates. */
export function createdType(type: ColumnType): string {
  return ofType(sqlTypes, type).created;
}

/**
 * Types of existing key columns under which two different keys can never share a row (rule 9). A text in a number
 * column would make one row of `7` and `07`; citext and char(n) drop case and spaces.
 */
export const keyTypes: Readonly<Record<KeyType, readonly string[]>> = {
  string: ['text', 'character varying'],
  int: ['integer', 'bigint', 'numeric'],
  long: ['bigint', 'numeric'],
};

/** Types that hold every version. */
export const versionTypes: readonly string[] = ['bigint', 'numeric'];

/**
 * Writes one column of many rows as an array literal (PostgreSQL manual, 8.15.2), which becomes one parameter:
 *
 *   array := "{" element ("," element)* "}"     element := "NULL" | bare | '"' ( char | "\" char )* '"'
 *
 * Texts are always quoted, since a bare NULL, a brace or a space would be read as something else.
 */
export class ArrayLiteral {
  readonly #element: (value: Present) => string;
  #elements = '';

  constructor(type: ColumnType) {
    this.#element = ofType(sqlTypes, type).element;
  }

  add(value: ColumnValue): void {
    const element = value === null ? 'NULL' : this.#element(value);
    this.#elements += this.#elements === '' ? element : `,${element}`;
  }

  get text(): string {
    return `{${this.#elements}}`;
  }
}

function bytea(bytes: Buffer): string {
  return `"\\\\x${bytes.toString('hex')}"`;
}

function bare(value: Present): string {
  return String(value);
}

function quoted(value: Present): string {
  const text = String(value);
  return /["\\]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`;
}

/** @param micros microseconds since the epoch: decoded timestamps are numbers or bigints */
function timestamp(micros: Present): string {
  return `"${timestampText(typeof micros === 'bigint' ? micros : BigInt(Number(micros)))}"`;
}

/**
 * Microseconds since the epoch as PostgreSQL reads them in any session: UTC, six decimals, `BC` before the year 1.
 * Years beyond what it can hold stay what they are, for it to refuse.
 */
export function timestampText(micros: bigint): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = (micros - fraction) / 1_000_000n;
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return `${micros} microseconds since 1970`;
  const time = date.toISOString().slice(-'T00:00:00.000Z'.length, -'.000Z'.length);
  return `${dayText(date)}${time}.${String(fraction).padStart(6, '0')}Z${era(date)}`;
}

/** Days since the epoch as PostgreSQL reads them in any session, in the same way. */
export function dateText(days: number): string {
  const date = new Date(days * 86_400_000);
  return Number.isNaN(date.getTime()) ? `${days} days since 1970` : `${dayText(date)}${era(date)}`;
}

/** There is no year 0: the year before 1 is 1 BC. */
function dayText(date: Date): string {
  const year = date.getUTCFullYear();
  const monthAndDay = date
    .toISOString()
    .replace(/^[+-]?\d+/, '')
    .slice(0, '-01-01'.length);
  return `${String(year > 0 ? year : 1 - year).padStart(4, '0')}${monthAndDay}`;
}

function era(date: Date): string {
  return date.getUTCFullYear() > 0 ? '' : ' BC';
}
