import { type ColumnType, type KeyType, ofType, type TypeTable } from '../../../schemas/index.ts';
import type { ColumnValue } from '../../decode/change.ts';
import { bytesLiteral, textLiteral } from './literals.ts';

type Present = NonNullable<ColumnValue>;

/** How MySQL holds a type. */
interface SqlType {
  /** The type of a column in a table that afterwrite creates. */
  readonly created: string;
  readonly literal: (value: Present) => string;
}

const sqlTypes: TypeTable<SqlType> = {
  string: { created: 'LONGTEXT', literal: quoted },
  int: { created: 'INT', literal: bare },
  long: { created: 'BIGINT', literal: bare },
  // Of a FLOAT, both servers show six digits only: 16777216 would be read as 16777200.
  float: { created: 'DOUBLE', literal: binaryNumber },
  double: { created: 'DOUBLE', literal: binaryNumber },
  // Without an exponent it is an exact number to the server, too.
  decimal: ({ precision, scale }) => ({ created: `DECIMAL(${precision},${scale})`, literal: bare }),
  boolean: { created: 'TINYINT(1)', literal: (value) => (value === true ? '1' : '0') },
  date: { created: 'DATE', literal: (days) => `'${dateText(Number(days))}'` },
  timestamp: { created: 'DATETIME(6)', literal: timestamp },
  'timestamp-millis': { created: 'DATETIME(6)', literal: timestamp },
  uuid: { created: 'CHAR(36)', literal: quoted },
  bytes: {
    created: 'LONGBLOB',
    literal: (bytes) => bytesLiteral(Buffer.isBuffer(bytes) ? bytes : Buffer.from(String(bytes))),
  },
  json: { created: 'JSON', literal: quoted },
};

/** The type of a column, no part of the key, in a table that afterwrite creates. */
export function createdType(type: ColumnType): string {
  return ofType(sqlTypes, type).created;
}

/**
 * Characters of texts in a key, all together: an index of InnoDB has 3,072 bytes, and a record's key must fit into that
 * of afterwrite_deleted, whose topic takes 249 of them.
 */
const charactersOfKeys = 690;

/** The type of a key column in a table that afterwrite creates. @param texts how many columns of its key are texts */
export function createdKeyType(type: KeyType, texts: number, collation: string): string {
  if (type !== 'string') return createdType(type);
  const length = Math.min(255, Math.floor(charactersOfKeys / texts));
  return `VARCHAR(${length}) CHARACTER SET utf8mb4 COLLATE ${collation}`;
}

/**
 * Types of existing key columns under which two different keys can never share a row (rule 9). A text in a number column
 * would make one row of `7` and `07`; BINARY is filled up with zeros.
 */
export const keyTypes: Readonly<Record<KeyType, readonly string[]>> = {
  string: ['varchar', 'varbinary'],
  int: ['int', 'bigint', 'decimal'],
  long: ['bigint', 'decimal'],
};

/**
 * Collations in which texts are equal only byte for byte. All others fold letters, or take `a` and `a ` for equal (PAD
 * SPACE), as utf8mb4_bin does. MySQL has the first from 8.0.17 on, MariaDB the second.
 */
export const keyCollations: readonly string[] = ['utf8mb4_0900_bin', 'utf8mb4_nopad_bin'];

/** Types that hold every version. */
export const versionTypes: readonly string[] = ['bigint', 'decimal'];

/** A value as a function makes it, for one column. */
export type Literal = (value: ColumnValue) => string;

/** How values of a type are written into a statement. */
export function literalOf(type: ColumnType): Literal {
  const { literal } = ofType(sqlTypes, type);
  return (value) => (value === null ? 'NULL' : literal(value));
}

function bare(value: Present): string {
  return String(value);
}

function quoted(value: Present): string {
  return textLiteral(String(value));
}

/** With an exponent, or it would go through a decimal of up to 65 digits. What is no number is left to the server to refuse. */
function binaryNumber(value: Present): string {
  const text = String(value);
  if (!Number.isFinite(Number(value))) return `'${text}'`;
  return text.includes('e') ? text : `${text}e0`;
}

/** @param micros microseconds since the epoch: decoded timestamps are numbers or bigints */
function timestamp(micros: Present): string {
  return `'${timestampText(typeof micros === 'bigint' ? micros : Number(micros))}'`;
}

/**
 * Microseconds since the epoch as text without a time zone, which is UTC in the sessions of a sink. Years beyond 1 to
 * 9999 stay what they are, for the server to refuse: its year 0 is no leap year.
 */
export function timestampText(micros: number | bigint): string {
  const millis = typeof micros === 'bigint' ? Number(floorDivide(micros)) : Math.floor(micros / 1000);
  const rest = typeof micros === 'bigint' ? Number(micros - floorDivide(micros) * 1000n) : micros - millis * 1000;
  const date = new Date(millis);
  if (!isHeld(date)) return `${micros} microseconds since 1970`;
  const text = date.toISOString();
  return `${text.slice(0, 10)} ${text.slice(11, 23)}${String(rest).padStart(3, '0')}`;
}

function floorDivide(micros: bigint): bigint {
  return (micros - (((micros % 1000n) + 1000n) % 1000n)) / 1000n;
}

/** Days since the epoch as text, in the same way. */
export function dateText(days: number): string {
  const date = new Date(days * 86_400_000);
  return isHeld(date) ? date.toISOString().slice(0, 10) : `${days} days since 1970`;
}

/** False for a time beyond what a Date holds, too. */
function isHeld(date: Date): boolean {
  const year = date.getUTCFullYear();
  return year > 0 && year <= 9999;
}
