import type { Change, Changes } from '../../decode/change.ts';
import type { TargetTable } from '../port.ts';
import { longestBytes, longestText, type BindColumn, type OracleConfig } from './connection.ts';
import { ValueRefused } from './errors.ts';
import { bindKindOf, bindValueOf, type BindValue } from './types.ts';

/** Rows for one array of a statement: all binds of a column are sent in the same way. */
export interface BoundRows {
  readonly columns: readonly BindColumn[];
  readonly rows: readonly (readonly BindValue[])[];
}

/** Rows of one array, at most: the server keeps all of their binds at once. */
const rowsOfArray = 5000;

type EmptyText = OracleConfig['emptyText'];

/** Makes the binds of one column. */
interface BoundColumn {
  readonly name: string;
  readonly kind: BindColumn['kind'];
  readonly value: (change: Change) => BindValue;
  /** Only what is no part of the key may be a LOB. */
  readonly mayBeLarge: boolean;
}

/** Makes the binds of changes of one table. */
export class RowBinder {
  readonly #keys: readonly BoundColumn[];
  readonly #values: readonly BoundColumn[];
  readonly #version: BoundColumn = {
    name: 'the version',
    kind: 'number',
    // The changes of a table that keeps versions all have one: the decode stage lets no other through.
    value: ({ version }) => version ?? 0n,
    mayBeLarge: false,
  };
  readonly #recordKey: BoundColumn = { name: 'the key', kind: 'bytes', value: ({ key }) => key, mayBeLarge: false };
  readonly #guarded: boolean;

  constructor(table: TargetTable, { emptyText, emptyTexts }: Pick<OracleConfig, 'emptyText' | 'emptyTexts'>) {
    this.#guarded = table.versionColumn !== undefined;
    this.#keys = table.keyColumns.map(({ name, type }, index) => {
      const bound = bindValueOf(type);
      const value = ({ keyValues }: Change): BindValue => bound(keyValues[index] ?? null);
      return { name, kind: bindKindOf(type), value, mayBeLarge: false };
    });
    this.#values = table.valueColumns.map(({ name, type }, index) => {
      const bound = bindValueOf(type);
      const empty = emptyTexts[table.mapping]?.[name];
      const policy = empty === undefined ? emptyText : empty;
      const value = ({ values }: Change): BindValue => {
        const each = bound(values?.[index] ?? null);
        return each === '' ? ofEmptyText(name, policy) : each;
      };
      return { name, kind: bindKindOf(type), value, mayBeLarge: true };
    });
  }

  upserts(changes: Changes): BoundRows[] {
    return arraysOf(
      [...this.#keys, ...this.#values, ...(this.#guarded ? [this.#version, this.#recordKey] : [])],
      changes,
    );
  }

  deletes(changes: Changes): BoundRows[] {
    return arraysOf([...this.#keys, ...(this.#guarded ? [this.#version] : [])], changes);
  }

  /** What is remembered of deleted rows. */
  deletedKeys(changes: Changes): BoundRows[] {
    return arraysOf([this.#recordKey, this.#version], changes);
  }
}

function ofEmptyText(column: string, policy: EmptyText): BindValue {
  if (policy === null) return null;
  if (policy === 'reject')
    throw new ValueRefused(`column ${column}: an empty text, which Oracle cannot tell from NULL`);
  return policy.replacement;
}

/**
 * Rows whose texts and bytes fit into binds of SQL, in arrays; the others apart, with LOBs for the columns that are too
 * large in one of them. They all have keys of their own, so that their order does not matter.
 */
function arraysOf(columns: readonly BoundColumn[], changes: Changes): BoundRows[] {
  const small = new ArrayOfRows(columns);
  const large = new ArrayOfRows(columns);
  const full: BoundRows[] = [];
  for (let index = 0; index < changes.length; index++) {
    const change = changes.at(index);
    if (change === undefined) continue;
    const row = columns.map(({ value }) => value(change));
    const target = row.some((value) => isLarge(value)) ? large : small;
    target.add(row);
    if (small.length === rowsOfArray) full.push(small.take());
  }
  return [...full, small.take(), large.take()].filter(({ rows }) => rows.length > 0);
}

function isLarge(value: BindValue): boolean {
  if (typeof value === 'string') return sizeOf(value) > longestText;
  return Buffer.isBuffer(value) && value.length > longestBytes;
}

/** Bytes of a text, or for short ones more: a unit of UTF-16 becomes three at most. */
function sizeOf(text: string): number {
  return text.length * 3 <= longestText ? text.length * 3 : Buffer.byteLength(text);
}

class ArrayOfRows {
  readonly #columns: readonly BoundColumn[];
  #sizes: number[];
  #rows: BindValue[][] = [];

  constructor(columns: readonly BoundColumn[]) {
    this.#columns = columns;
    this.#sizes = columns.map(() => 0);
  }

  get length(): number {
    return this.#rows.length;
  }

  /** @throws ValueRefused for a key that no bind can carry */
  add(row: BindValue[]): void {
    for (const [index, value] of row.entries()) {
      const size = typeof value === 'string' ? sizeOf(value) : Buffer.isBuffer(value) ? value.length : 0;
      if (size > (this.#sizes[index] ?? 0)) this.#sizes[index] = size;
      const column = this.#columns[index];
      if (column?.mayBeLarge === false && isLarge(value)) {
        throw new ValueRefused(`${column.name}: ${size} bytes are more than a key may have`);
      }
    }
    this.#rows.push(row);
  }

  take(): BoundRows {
    const columns = this.#columns.map(({ kind }, index) => bindColumn(kind, this.#sizes[index] ?? 0));
    const rows = this.#rows;
    this.#rows = [];
    this.#sizes = this.#columns.map(() => 0);
    return { columns, rows };
  }
}

function bindColumn(kind: BindColumn['kind'], size: number): BindColumn {
  if (kind === 'text' && size > longestText) return { kind: 'clob', size };
  if (kind === 'bytes' && size > longestBytes) return { kind: 'blob', size };
  return { kind, size: Math.max(size, 1) };
}
