import type { ColumnType, ColumnValue } from '../../schemas/index.ts';
import type { ContractDatabase, TestColumn, Traits } from './binding.ts';

/** Values of columns as texts that are equal exactly when the values are; null stays null. */
export type CanonicalRow = readonly (string | null)[];

/** A value, as an event or a binding carries it, as a text. */
export function canonical(type: ColumnType, value: ColumnValue): string | null {
  if (value === null) return null;
  switch (type) {
    case 'string':
    case 'uuid':
      return String(value);
    case 'int':
    case 'long':
    case 'date':
    case 'timestamp':
    case 'timestamp-millis':
      return Buffer.isBuffer(value) ? `bytes ${value.toString('hex')}` : String(BigInt(value));
    case 'float':
      return String(Math.fround(Number(value)));
    case 'double':
      return String(Number(value));
    case 'boolean':
      return String(value);
    case 'bytes':
      return Buffer.isBuffer(value) ? value.toString('hex') : `no bytes: ${String(value)}`;
    case 'json':
      return JSON.stringify(sorted(JSON.parse(String(value))));
    default:
      return plainDecimal(String(value));
  }
}

/** A row of these columns. */
export function canonicalRow(columns: readonly TestColumn[], values: readonly ColumnValue[]): CanonicalRow {
  return columns.map(({ type }, index) => canonical(type, values[index] ?? null));
}

/** What becomes of an event's value in a database: what it cannot keep apart is not expected to come back. */
export function kept(traits: Traits, type: ColumnType, value: ColumnValue): ColumnValue {
  if (traits.emptyIsNull && (value === '' || (Buffer.isBuffer(value) && value.length === 0))) return null;
  if ((type === 'timestamp' || type === 'timestamp-millis') && value !== null && !Buffer.isBuffer(value)) {
    const micros = BigInt(value);
    const unit = traits.timestampUnit;
    return micros - (((micros % unit) + unit) % unit);
  }
  return value;
}

/** The rows of a table, sorted. */
export async function tableRows(
  database: ContractDatabase,
  table: string,
  columns: readonly TestColumn[],
): Promise<CanonicalRow[]> {
  const rows = await database.rows(table, columns);
  return inOrder(rows.map((row) => canonicalRow(columns, row)));
}

/** Rows by their first columns. */
export function inOrder(rows: readonly CanonicalRow[]): CanonicalRow[] {
  const keys = new Map(rows.map((row) => [row, JSON.stringify(row)]));
  return rows.toSorted((a, b) => ((keys.get(a) ?? '') < (keys.get(b) ?? '') ? -1 : 1));
}

/** Digits without an exponent, and without zeros that do not count. */
function plainDecimal(text: string): string {
  const parts = /^(-?)0*(\d*)(?:\.(\d*?)0*)?$/.exec(text);
  if (parts === null) return `no decimal: ${text}`;
  const [, sign = '', whole = '', fraction = ''] = parts;
  const digits = `${whole === '' ? '0' : whole}${fraction === '' ? '' : `.${fraction}`}`;
  return digits === '0' ? digits : sign + digits;
}

/** JSON with the names of objects in order: some databases sort them. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, part]) => [name, sorted(part)]),
  );
}
