import { type ColumnType, type ColumnValue, ofType, type TypeTable } from '../../../schemas/index.ts';
import type { Change } from '../../decode/change.ts';
import type { TargetTable } from '../port.ts';
import { dateText, timestampText } from '../sql/time-text.ts';

type Present = NonNullable<ColumnValue>;
type Encoder = (value: Present) => string | Buffer;

/** The fields of an entry that are no columns. Names of columns have no `#`. */
export const opField = '#op';
export const versionField = '#version';

const text: Encoder = (value) => (Buffer.isBuffer(value) ? value : String(value));
const number: Encoder = (value) => (Object.is(value, -0) ? '-0' : String(value));
const moment: Encoder = (value) => `${timestampText(integer(value)).replace(' ', 'T')}Z`;

/** A value as a hash would hold it, so that a source reads the same from it. */
const encoders: TypeTable<Encoder> = {
  string: text,
  int: number,
  long: number,
  float: number,
  double: number,
  decimal: () => text,
  boolean: text,
  date: (value) => dateText(integer(value)),
  timestamp: moment,
  'timestamp-millis': moment,
  uuid: text,
  bytes: text,
  json: text,
};

/** A value of a type, as an entry holds it. */
export function entryText(type: ColumnType, value: Present): string | Buffer {
  return ofType(encoders, type)(value);
}

/** Makes entries of the events of a table. */
export class EntryWriter {
  readonly #keys: readonly (readonly [name: string, encode: Encoder])[];
  readonly #values: readonly (readonly [name: string, encode: Encoder])[];

  constructor({ keyColumns, valueColumns }: TargetTable) {
    this.#keys = keyColumns.map(({ name, type }) => [name, ofType(encoders, type)]);
    this.#values = valueColumns.map(({ name, type }) => [name, ofType(encoders, type)]);
  }

  /** Adds an entry: the number of the parts of its fields, then name and value of each. A null has no field. */
  add(change: Change, to: (string | Buffer | number)[]): void {
    const { keyValues, values, version } = change;
    const start = to.length;
    to.push(0, opField, values === null ? 'delete' : 'upsert');
    if (version !== undefined) to.push(versionField, String(version));
    addFields(this.#keys, keyValues, to);
    if (values !== null) addFields(this.#values, values, to);
    to[start] = to.length - start - 1;
  }
}

function addFields(
  columns: readonly (readonly [name: string, encode: Encoder])[],
  values: readonly ColumnValue[],
  to: (string | Buffer | number)[],
): void {
  for (const [index, [name, encode]] of columns.entries()) {
    const value = values[index] ?? null;
    if (value !== null) to.push(name, encode(value));
  }
}

function integer(value: Present): bigint {
  return typeof value === 'bigint' ? value : BigInt(Number(value));
}
