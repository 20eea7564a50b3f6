import { types } from 'cassandra-driver';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import type { Change, ColumnValue } from '../../decode/change.ts';
import type { TargetTable } from '../port.ts';
import { UnstorableValue } from './errors.ts';
import { tableStatements, type TableStatements } from './statements.ts';
import { type Encoded, encoderOf } from './types.ts';

type Parameter = Encoded | null | typeof types.unset;

/** One statement on one row. */
export interface RowStatement {
  readonly query: string;
  readonly parameters: readonly Parameter[];
}

export interface RowOptions {
  /** What a null of an event becomes. */
  readonly nulls: 'write' | 'unset';
  /** How long a row lives: so many ms after the version of its event, or as long as its key. */
  readonly ttl: number | 'expiry' | undefined;
}

/** A partition key takes no more bytes: their number is one of 16 bits. */
const longestKey = 65_535;
/** Cassandra takes no longer TTL: 20 years, s. */
const longestTtl = 630_720_000;
/** The last second that every release can store as a row's end: 2038-01-19T03:14:06Z. */
const lastEnd = 2 ** 31 - 2;

/** Turns changes of one table into statements, for the column types that the table has. */
export class RowStatements {
  readonly texts: TableStatements;
  readonly #table: TargetTable;
  readonly #options: RowOptions;
  /** Where the expiry of the key stands among the values; -1: nowhere. */
  readonly #expiry: number;
  readonly #keys: readonly ((value: ColumnValue) => Parameter)[];
  readonly #values: readonly ((value: ColumnValue) => Parameter)[];

  /** @param types of the columns, by name; all of them must be accepted ones */
  constructor(keyspace: string, table: TargetTable, columnTypes: ReadonlyMap<string, string>, options: RowOptions) {
    this.texts = tableStatements(keyspace, table);
    this.#table = table;
    this.#options = options;
    this.#expiry = table.valueColumns.findIndex(({ name }) => name === table.expiryColumn);
    const absent = options.nulls === 'unset' ? types.unset : null;
    const writer = ({ name, type }: TargetTable['valueColumns'][number], none: null | typeof types.unset) => {
      const encode = encoderOf(type, columnTypes.get(name) ?? '');
      if (encode === undefined)
        throw new AfterwriteError('INTERNAL', `Column ${name} of ${table.name} was not checked`);
      return (value: ColumnValue): Parameter => (value === null ? none : encode(value));
    };
    this.#keys = table.keyColumns.map((column) => {
      const write = writer(column, null);
      return (value: ColumnValue): Parameter => ofKey(column.name, write(value));
    });
    this.#values = table.valueColumns.map((column) => writer(column, absent));
  }

  /** @param now ms since the epoch: with a TTL, a row that has outlived it is deleted instead */
  of(change: Change, now: number): RowStatement {
    const { keyValues, values, version } = change;
    if (version === undefined) {
      throw new AfterwriteError('INTERNAL', 'A change without a version reached a sink that orders rows by it', {
        where: { table: this.#table.name, offset: change.offset },
      });
    }
    const keys = this.#keys.map((encode, index) => encode(keyValues[index] ?? null));
    const ttl = this.#secondsLeft(values, version, now);
    if (values === null || (ttl !== undefined && ttl <= 0)) {
      return { query: this.texts.delete, parameters: [version, ...keys] };
    }
    const parameters: Parameter[] = [
      ...keys,
      ...this.#values.map((encode, index) => encode(values[index] ?? null)),
      ...(this.#table.versionColumn === undefined ? [] : [version]),
      ...(ttl === undefined ? [] : [ttl]),
      version,
    ];
    return { query: ttl === undefined ? this.texts.insert : this.texts.insertForAWhile, parameters };
  }

  /**
   * Counted from the event and not from now, so that a replay lets no row live longer. TTL 0 would be for ever. A key that
   * lives longer than Cassandra can say has a row without a TTL.
   */
  #secondsLeft(values: Change['values'], version: bigint, now: number): number | undefined {
    const { ttl } = this.#options;
    if (ttl === undefined) return undefined;
    if (ttl !== 'expiry') return Math.ceil((Number(version / 1000n) + ttl - now) / 1000);
    const micros = values?.[this.#expiry];
    if (typeof micros !== 'number' && typeof micros !== 'bigint') return undefined;
    const end = Number(micros) / 1000;
    const left = Math.ceil((end - now) / 1000);
    return left > longestTtl || end > lastEnd * 1000 ? undefined : left;
  }
}

/** The server would refuse it, but the driver, which finds a node by the columns of a key, cannot even say it. */
function ofKey(column: string, value: Parameter): Parameter {
  const bytes = typeof value === 'string' ? Buffer.byteLength(value) : 0;
  if (bytes <= longestKey) return value;
  throw new UnstorableValue(`The key column ${column} has ${bytes} bytes, where ${longestKey} is the most`);
}
