import { type ColumnType, type KeyType, ofType, type TypeTable } from '../../../schemas/index.ts';
import type { ColumnValue } from '../../decode/change.ts';

type Present = NonNullable<ColumnValue>;

/** A value as the driver is given it. */
export type BindValue = string | number | bigint | Buffer | null;

/**
 * How the driver sends a column of values. Texts and bytes that are larger than a bind in SQL may be (4,000 and 2,000
 * bytes) go as CLOB and BLOB.
 */
export type BindKind = 'text' | 'bytes' | 'number' | 'float' | 'double';

/** How Oracle holds a type. */
interface SqlType {
  /** The type of a column, no part of the key, in a table that afterwrite creates. */
  readonly created: string;
  readonly bind: BindKind;
  readonly value: (value: Present) => BindValue;
  /** The bind in SQL, where what is bound is not yet what is meant. */
  readonly expression?: (bind: string) => string;
}

const text: SqlType = { created: 'CLOB', bind: 'text', value: String };
const timestamp: SqlType = {
  created: 'TIMESTAMP(6) WITH TIME ZONE',
  bind: 'text',
  // A Date would carry milliseconds.
  value: (micros) => timestampText(typeof micros === 'bigint' ? micros : BigInt(Number(micros))),
  expression: (bind) => `TO_TIMESTAMP_TZ(${bind}, 'YYYY-MM-DD HH24:MI:SS.FF6 TZH:TZM')`,
};

const sqlTypes: TypeTable<SqlType> = {
  string: text,
  int: { created: 'NUMBER(10)', bind: 'number', value: number },
  long: { created: 'NUMBER(19)', bind: 'number', value: number },
  float: { created: 'BINARY_FLOAT', bind: 'float', value: Number },
  double: { created: 'BINARY_DOUBLE', bind: 'double', value: Number },
  decimal: ({ precision, scale }) => ({
    created: `NUMBER(${precision},${scale})`,
    bind: 'text',
    value: String,
    expression: (bind) => `CAST(${bind} AS NUMBER)`,
  }),
  boolean: { created: 'NUMBER(1)', bind: 'number', value: (value) => (value === true ? 1 : 0) },
  date: {
    created: 'DATE',
    bind: 'text',
    value: (days) => dateText(Number(days)),
    expression: (bind) => `TO_DATE(${bind}, 'YYYY-MM-DD')`,
  },
  timestamp,
  'timestamp-millis': timestamp,
  uuid: { created: 'VARCHAR2(36)', bind: 'text', value: String },
  bytes: {
    created: 'BLOB',
    bind: 'bytes',
    value: (bytes) => (Buffer.isBuffer(bytes) ? bytes : Buffer.from(String(bytes))),
  },
  // No IS JSON: before 21c that refuses a document that is a mere number, text or null.
  json: text,
};

/** The type of a column, no part of the key, in a table that afterwrite creates. @param textLength see the options */
export function createdType(type: ColumnType, textLength: number | undefined): string {
  return type === 'string' && textLength !== undefined
    ? `VARCHAR2(${textLength} CHAR)`
    : ofType(sqlTypes, type).created;
}

/** Characters of texts in a key, all together: an index in blocks of 8 KB holds 6,398 bytes. */
const charactersOfKeys = 1500;

/** The type of a key column in a table that afterwrite creates. @param texts how many columns of its key are texts */
export function createdKeyType(type: KeyType, texts: number): string {
  if (type !== 'string') return createdType(type, undefined);
  return `VARCHAR2(${Math.min(1000, Math.floor(charactersOfKeys / texts))} CHAR)`;
}

/**
 * Types of existing key columns under which two different keys can never share a row (rule 9). A text in a number column
 * would make one row of `7` and `07`; CHAR is filled up with spaces.
 */
export const keyTypes: Readonly<Record<KeyType, readonly string[]>> = {
  string: ['VARCHAR2'],
  int: ['NUMBER'],
  long: ['NUMBER'],
};

export const versionType = 'NUMBER(19)';
/** Types that hold every version. */
export const versionTypes: readonly string[] = ['NUMBER'];

/** How the driver sends a column of this type. */
export function bindKindOf(type: ColumnType): BindKind {
  return ofType(sqlTypes, type).bind;
}

/** A bind of this type in SQL. */
export function bindExpression(type: ColumnType, bind: string): string {
  return ofType(sqlTypes, type).expression?.(bind) ?? bind;
}

/** Makes what the driver is given of a column's values. */
export function bindValueOf(type: ColumnType): (value: ColumnValue) => BindValue {
  const { value: bound } = ofType(sqlTypes, type);
  return (value) => (value === null ? null : bound(value));
}

function number(value: Present): number | bigint {
  return typeof value === 'bigint' ? value : Number(value);
}

/**
 * Microseconds since the epoch in UTC. Years beyond 1 to 9999 stay what they are, for the database to refuse: its
 * format has no others.
 */
export function timestampText(micros: bigint): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const date = new Date(Number((micros - fraction) / 1000n));
  if (!isHeld(date)) return `${micros} microseconds since 1970`;
  const seconds = date.toISOString().slice(0, 19).replace('T', ' ');
  return `${seconds}.${String(fraction).padStart(6, '0')} +00:00`;
}

/** Days since the epoch, in the same way. */
export function dateText(days: number): string {
  const date = new Date(days * 86_400_000);
  return isHeld(date) ? date.toISOString().slice(0, 10) : `${days} days since 1970`;
}

/** False for a time beyond what a Date holds, too. */
function isHeld(date: Date): boolean {
  const year = date.getUTCFullYear();
  return year > 0 && year <= 9999;
}
