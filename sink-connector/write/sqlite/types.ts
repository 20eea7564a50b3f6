import { type ColumnType, type ColumnValue, ofType, type TypeTable } from '../../../schemas/index.ts';
import type { SqlValue } from './connection.ts';
import { resultCodes, SqliteProblem } from './errors.ts';
import { dateText, timestampText } from '../sql/time-text.ts';

type Present = NonNullable<ColumnValue>;

/** How a value becomes a parameter. */
type Encoder = (value: Present) => SqlValue;

/**
 * What a column makes of a value (sqlite.org/datatype3.html). A STRICT table has INTEGER, REAL, TEXT, BLOB and ANY, and
 * refuses the others' values; a column of another table turns what it can into its affinity (INTEGER, REAL, TEXT,
 * NUMERIC), or has none and keeps what it is given, which is ANY here.
 */
export type Storage = 'INTEGER' | 'REAL' | 'TEXT' | 'BLOB' | 'NUMERIC' | 'ANY';

/** How SQLite holds a type: as it is created, and in which columns that exist it is exact. */
interface SqlType {
  readonly created: 'INTEGER' | 'REAL' | 'TEXT' | 'BLOB';
  readonly in: Partial<Readonly<Record<Storage, Encoder>>>;
}

// NUMERIC keeps a date's text, but turns the text 007 into 7, and a decimal of 38 digits into a double.
const text: SqlType = { created: 'TEXT', in: { TEXT: String, ANY: String } };
const integers: SqlType = { created: 'INTEGER', in: { INTEGER: integer, NUMERIC: integer, ANY: integer } };
const reals: SqlType = { created: 'REAL', in: { REAL: real, NUMERIC: real, ANY: real } };
const moments = (asText: (value: bigint) => string): SqlType => {
  const encode: Encoder = (value) => asText(integer(value));
  return { created: 'TEXT', in: { TEXT: encode, NUMERIC: encode, ANY: encode, INTEGER: integer } };
};

const sqlTypes: TypeTable<SqlType> = {
  string: text,
  int: integers,
  long: integers,
  float: reals,
  double: reals,
  decimal: () => text,
  boolean: integers,
  date: moments(dateText),
  timestamp: moments(timestampText),
  'timestamp-millis': moments(timestampText),
  uuid: text,
  bytes: { created: 'BLOB', in: { BLOB: blob, ANY: blob } },
  json: text,
};

/** The type of a column in a table that afterwrite creates. */
export function createdType(type: ColumnType): string {
  return ofType(sqlTypes, type).created;
}

/** How values of a type are written to a column; undefined for one that would not hold them exactly. */
export function encoderOf(type: ColumnType, storage: Storage): ((value: ColumnValue) => SqlValue) | undefined {
  const encode = ofType(sqlTypes, type).in[storage];
  return encode === undefined ? undefined : (value) => (value === null ? null : encode(value));
}

/** Always a bigint: in a column without a type, the driver's numbers would become reals. */
function integer(value: Present): bigint {
  return typeof value === 'bigint' ? value : BigInt(Number(value));
}

/** @throws SQLITE_MISMATCH for NaN, which SQLite would store as NULL without a word */
function real(value: Present): number {
  const number = Number(value);
  if (Number.isNaN(number)) throw new SqliteProblem(resultCodes.MISMATCH, 'SQLite has no value for NaN');
  return number;
}

function blob(value: Present): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.from(String(value));
}
