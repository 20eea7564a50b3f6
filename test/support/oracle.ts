import assert from 'node:assert/strict';
import type { Redis } from 'ioredis';
import type pg from 'pg';
import type { FieldConfig, MappingConfig } from '../../config/index.ts';
import { until } from './until.ts';

/**
 * A row as texts by column: integers in decimal, doubles as JavaScript shows them, timestamps as microseconds since the
 * epoch, booleans as true and false.
 */
export type Row = Readonly<Record<string, string | null>>;
/** Rows by Redis key. */
export type Rows = ReadonlyMap<string, Row>;

/** What a table must hold. */
export interface Expected {
  /** The row of each hash. */
  readonly rows: Rows;
  /** Keys of hashes that cannot be rows (dead letters): whatever was published before them stays. */
  readonly rejected: ReadonlySet<string>;
}

type ColumnType = FieldConfig['type'];

/** A column as the oracle sees it. */
interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

/** Reads one mapping's hashes, and its table, on paths that share nothing with the connectors. */
export class Oracle {
  readonly mapping: MappingConfig;
  readonly #literals: readonly string[];
  readonly #keyColumns: readonly Column[];
  readonly #fields: readonly (Column & { readonly field: string })[];

  constructor(mapping: MappingConfig) {
    this.mapping = mapping;
    const names = [...mapping.key.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
    this.#literals = mapping.key.split(/\{\w+\}/);
    this.#keyColumns = names.map((name) => ({ name, type: mapping.keyTypes[name] ?? 'string' }));
    this.#fields = Object.entries(mapping.fields).map(([field, { column, type }]) => ({ field, name: column, type }));
  }

  /** The key columns' values of a Redis key; undefined when the key does not fit the pattern. */
  parseKey(key: string): string[] | undefined {
    const values: string[] = [];
    let rest = key.slice(this.#literals[0]?.length ?? 0);
    for (const literal of this.#literals.slice(1, -1)) {
      const end = rest.indexOf(literal);
      if (end < 1) return undefined;
      values.push(rest.slice(0, end));
      rest = rest.slice(end + literal.length);
    }
    if (rest === '') return undefined;
    values.push(rest);
    return values;
  }

  renderKey(values: readonly string[]): string {
    return this.#literals.map((literal, index) => literal + (values[index] ?? '')).join('');
  }

  /** The row of a hash; undefined when a value is not of its column's type. */
  rowOf(key: string, hash: Readonly<Record<string, string>>): Row | undefined {
    const values = this.parseKey(key);
    if (values === undefined) return undefined;
    const row: Record<string, string | null> = {};
    for (const [index, { name }] of this.#keyColumns.entries()) row[name] = values[index] ?? null;
    for (const { field, name, type } of this.#fields) {
      const text = hash[field];
      const value = text === undefined ? null : normal(text, type);
      if (value === undefined) return undefined;
      row[name] = value;
    }
    return row;
  }

  /** What the hashes of the mapping's database say. Nobody may write meanwhile. */
  async expected(client: Redis): Promise<Expected> {
    const rows = new Map<string, Row>();
    const rejected = new Set<string>();
    await client.select(this.mapping.database);
    const keys = await client.keys(`${this.#literals[0] ?? ''}*`);
    const reads = client.pipeline();
    for (const key of keys) reads.type(key).hgetall(key);
    const answers = (await reads.exec()) ?? [];
    for (const [index, key] of keys.entries()) {
      const hash = answers[2 * index + 1]?.[1];
      if (answers[2 * index]?.[1] !== 'hash' || !isHash(hash)) continue;
      const row = this.rowOf(key, hash);
      if (row === undefined) rejected.add(key);
      else rows.set(key, row);
    }
    return { rows, rejected };
  }

  /** What the table holds. */
  async actual(client: pg.Client | pg.Pool, schema: string): Promise<Rows> {
    const columns = [...this.#keyColumns, ...this.#fields].map(({ name, type }) => `${shown(name, type)} AS "${name}"`);
    const { rows } = await client.query<Record<string, string | null>>(
      `SELECT ${columns.join(', ')} FROM "${schema}"."${this.mapping.table}"`,
    );
    const doubles = this.#fields.filter(({ type }) => type === 'double').map(({ name }) => name);
    return new Map(
      rows.map((row) => {
        for (const name of doubles) row[name] = row[name] == null ? null : String(Number(row[name]));
        return [this.renderKey(this.#keyColumns.map(({ name }) => row[name] ?? '')), row];
      }),
    );
  }
}

/** How two sets of rows differ: nothing when the table is right. At most ten of each kind, for messages. */
export interface Difference {
  readonly missing: readonly string[];
  readonly surplus: readonly string[];
  readonly wrong: readonly { readonly key: string; readonly expected: Row; readonly actual: Row }[];
}

/**
 * Compares a table with the hashes.
 *
 * @param mayStay whether a row without a hash is right: a policy may have kept it
 */
export function difference({ rows, rejected }: Expected, actual: Rows, mayStay: (key: string) => boolean): Difference {
  const missing: string[] = [];
  const wrong: Difference['wrong'][number][] = [];
  for (const [key, row] of rows) {
    const found = actual.get(key);
    if (found === undefined) missing.push(key);
    else if (!sameRow(row, found)) wrong.push({ key, expected: row, actual: found });
  }
  const surplus = [...actual.keys()].filter((key) => !rows.has(key) && !rejected.has(key) && !mayStay(key));
  return { missing: missing.slice(0, 10), surplus: surplus.slice(0, 10), wrong: wrong.slice(0, 10) };
}

export function sameRow(a: Row, b: Row): boolean {
  return (
    Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([name, value]) => b[name] === value)
  );
}

/** Waits until the table holds what the hashes say, and what the policies keep. */
export async function untilRowsEqualHashes(
  oracle: Oracle,
  read: { readonly redis: Redis; readonly postgres: pg.Client | pg.Pool; readonly schema: string },
  mayStay: (key: string) => boolean,
  timeoutMs = 90_000,
): Promise<{ readonly rows: number; readonly rejected: number; readonly kept: number }> {
  const expected = await oracle.expected(read.redis);
  let last: Difference | undefined;
  let kept = 0;
  const look = async (): Promise<boolean> => {
    const actual = await oracle.actual(read.postgres, read.schema);
    last = difference(expected, actual, mayStay);
    kept = [...actual.keys()].filter((key) => !expected.rows.has(key)).length;
    return last.missing.length + last.surplus.length + last.wrong.length === 0;
  };
  const what = `the rows of ${oracle.mapping.table} to equal the hashes`;
  await until(what, look, { timeoutMs, everyMs: 200 }).catch((error: unknown) => {
    if (last === undefined) throw error;
    assert.fail(`waited for ${what}; they differ: ${JSON.stringify(last, null, 1)}`);
  });
  return { rows: expected.rows.size, rejected: expected.rejected.size, kept };
}

/** A field's text as the oracle writes values of its column's type; undefined when it is none. */
function normal(text: string, type: ColumnType): string | undefined {
  switch (type) {
    case 'string':
      return text;
    case 'int':
    case 'long':
      return /^-?\d+$/.test(text) ? String(BigInt(text)) : undefined;
    case 'double':
      return text.trim() === '' || Number.isNaN(Number(text)) ? undefined : String(Number(text));
    case 'boolean':
      return { true: 'true', false: 'false', '1': 'true', '0': 'false' }[text];
    case 'timestamp': {
      const ms = Date.parse(text);
      return Number.isNaN(ms) ? undefined : String(ms * 1000);
    }
    default:
      throw new Error(`the oracle knows no columns of type ${type}`);
  }
}

/** SQL that shows a column as `Row` has it. */
function shown(name: string, type: ColumnType): string {
  if (type === 'timestamp') return `(extract(epoch FROM "${name}") * 1000000)::bigint::text`;
  return `"${name}"::text`;
}

function isHash(value: unknown): value is Record<string, string> {
  return typeof value === 'object' && value !== null;
}
