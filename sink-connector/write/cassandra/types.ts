import { type ColumnType, type KeyType, ofType, type TypeTable } from '../../../schemas/index.ts';
import type { ColumnValue } from '../../decode/change.ts';
import { UnstorableValue } from './errors.ts';

type Present = NonNullable<ColumnValue>;

/** What the driver is given; a buffer goes to the server as it is. */
export type Encoded = string | number | bigint | boolean | Buffer;
type Encode = (value: Present) => Encoded;

/** How Cassandra holds a type. */
interface CqlType {
  /** The type of a column in a table that afterwrite creates. */
  readonly created: string;
  /** How a value is written to a column of each type that can hold it exactly, or as the documentation says. */
  readonly columns: Readonly<Record<string, Encode>>;
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const asText: Encode = String;
const asInteger: Encode = (value) => (typeof value === 'bigint' ? value : BigInt(Number(value)));
const asNumber: Encode = Number;
const asBoolean: Encode = Boolean;
const asBytes: Encode = (value) => (Buffer.isBuffer(value) ? value : Buffer.from(String(value)));

const integers = { bigint: asInteger, varint: asInteger, decimal: asText };

const cqlTypes: TypeTable<CqlType> = {
  string: { created: 'text', columns: { text: asText, ascii: asText } },
  int: { created: 'int', columns: { int: asNumber, ...integers } },
  long: { created: 'bigint', columns: integers },
  float: { created: 'float', columns: { float: asNumber, double: asNumber } },
  double: { created: 'double', columns: { double: asNumber } },
  // The driver makes an unscaled integer and a scale of the text: no double is on the way.
  decimal: () => ({ created: 'decimal', columns: { decimal: asText, text: asText } }),
  boolean: { created: 'boolean', columns: { boolean: asBoolean } },
  date: { created: 'date', columns: { date: (days) => dateBytes(Number(days)) } },
  timestamp: { created: 'timestamp', columns: { timestamp: millisOf, bigint: asInteger } },
  'timestamp-millis': { created: 'timestamp', columns: { timestamp: millisOf, bigint: millisOf } },
  uuid: { created: 'uuid', columns: { uuid: asUuid, text: asText } },
  bytes: { created: 'blob', columns: { blob: asBytes } },
  json: { created: 'text', columns: { text: asText } },
};

/** The type of a column in a table that afterwrite creates. */
export function createdType(type: ColumnType): string {
  return ofType(cqlTypes, type).created;
}

/** The types of existing columns that values of a type can be written to, the one of new tables first. */
export function acceptedTypes(type: ColumnType): readonly string[] {
  const { created, columns } = ofType(cqlTypes, type);
  return [created, ...Object.keys(columns).filter((name) => name !== created)];
}

/**
 * How values of a type are written to a column. What the driver would not take throws UnstorableValue.
 * @returns undefined when the column cannot hold them
 */
export function encoderOf(type: ColumnType, cqlType: string): Encode | undefined {
  return ofType(cqlTypes, type).columns[cqlType];
}

/** Types of existing key columns. A decimal would take 7 and 7.0 for two keys. */
export const keyTypes: Readonly<Record<KeyType, readonly string[]>> = {
  string: ['text', 'ascii'],
  int: ['int', 'bigint', 'varint'],
  long: ['bigint', 'varint'],
};

/** Types that hold every version. */
export const versionTypes: readonly string[] = ['bigint', 'varint'];

/** Events of other writers may hold any text. */
function asUuid(value: Present): string {
  const text = String(value);
  if (!uuid.test(text)) throw new UnstorableValue(`${JSON.stringify(text.slice(0, 100))} is no UUID`);
  return text;
}

/** @param micros microseconds since the epoch, of which whole milliseconds are kept, rounded down */
function millisOf(micros: Present): bigint {
  const value = typeof micros === 'bigint' ? micros : BigInt(Number(micros));
  const millis = value / 1000n;
  return value < 0n && millis * 1000n !== value ? millis - 1n : millis;
}

/** A date as the protocol has it: an unsigned number of days, with 1970-01-01 in the middle of the range. */
function dateBytes(days: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(days + 2 ** 31);
  return bytes;
}
