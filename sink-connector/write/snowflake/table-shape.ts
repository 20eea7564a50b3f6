import type { Digits } from '../../../schemas/index.ts';
import type { SnowflakeConnection } from './connection.ts';
import { isMissingRight } from './errors.ts';
import { quoteName } from '../sql/quoted-name.ts';
import { textLiteral, type Names } from './names.ts';

/** One column as the catalogue has it. */
export interface ColumnShape {
  readonly name: string;
  /** Its type without a length: TEXT, NUMBER, FLOAT, BOOLEAN, DATE, TIMESTAMP_TZ, BINARY, VARIANT … */
  readonly type: string;
  /** Of a NUMBER. */
  readonly digits: Digits | undefined;
  /** Whether INSERT must name it: NOT NULL, and nothing fills it in. */
  readonly required: boolean;
  /** Of texts that have one. */
  readonly collation: string | undefined;
}

export interface TableShape {
  /** Views, and tables of other systems, are none. */
  readonly isTable: boolean;
  /** By name as it is stored. */
  readonly columns: ReadonlyMap<string, ColumnShape>;
  /** The columns of the primary key that is declared: nothing enforces it. */
  readonly primaryKey: readonly string[];
  /** Of SELECT, INSERT, UPDATE and DELETE, those that this role may not do. */
  readonly missingRights: readonly string[];
}

/**
 * Reads what the catalogue knows of a table.
 * @param stored its name as it is stored
 * @returns undefined when there is none, or this role has no right on it.
 */
export async function readTableShape(
  connection: SnowflakeConnection,
  names: Names,
  stored: string,
): Promise<TableShape | undefined> {
  const [found] = await connection.rows(catalogue(names, 'TABLES', ['TABLE_TYPE'], stored));
  if (found === undefined) return undefined;
  const facts = [
    ...['COLUMN_NAME', 'DATA_TYPE', 'TO_VARCHAR(NUMERIC_PRECISION)', 'TO_VARCHAR(NUMERIC_SCALE)', 'IS_NULLABLE'],
    ...['COLUMN_DEFAULT', 'IS_IDENTITY', 'COLLATION_NAME'],
  ];
  const columns = await connection.rows(`${catalogue(names, 'COLUMNS', facts, stored)} ORDER BY ORDINAL_POSITION`);
  const keys = await connection.show(`SHOW PRIMARY KEYS IN TABLE ${names.inSchema(stored)}`);
  const shapes = columns.map(columnShape);
  return {
    isTable: found[0] === 'BASE TABLE',
    columns: new Map(shapes.map((column) => [column.name, column])),
    primaryKey: keys.map((key) => String(key['column_name'])),
    missingRights: await readMissingRights(connection, names.inSchema(stored), shapes),
  };
}

/** Whether the schema is there, and this role sees it. */
export async function schemaExists(connection: SnowflakeConnection, { database, schema }: Names): Promise<boolean> {
  const rows = await connection.rows(
    `SELECT SCHEMA_NAME FROM ${quoteName(database)}.INFORMATION_SCHEMA.SCHEMATA WHERE SCHEMA_NAME = ${textLiteral(schema)}`,
  );
  return rows.length > 0;
}

function catalogue({ database, schema }: Names, view: string, columns: readonly string[], stored: string): string {
  return (
    `SELECT ${columns.join(', ')} FROM ${quoteName(database)}.INFORMATION_SCHEMA.${view} ` +
    `WHERE TABLE_SCHEMA = ${textLiteral(schema)} AND TABLE_NAME = ${textLiteral(stored)}`
  );
}

function columnShape(row: readonly (string | null)[]): ColumnShape {
  const [name, type, precision, scale, nullable, byDefault, identity, collation] = row;
  const isNumber = type === 'NUMBER' && precision != null;
  return {
    name: name ?? '',
    type: type ?? '',
    digits: isNumber ? { precision: Number(precision), scale: Number(scale ?? 0) } : undefined,
    required: nullable === 'NO' && byDefault == null && identity !== 'YES',
    collation: collation == null || collation === '' ? undefined : collation,
  };
}

/** EXPLAIN needs the rights of what it explains, and does nothing; what else it may refuse does not matter here. */
async function readMissingRights(
  connection: SnowflakeConnection,
  table: string,
  columns: readonly ColumnShape[],
): Promise<string[]> {
  const some = quoteName(columns[0]?.name ?? '');
  const attempts = [
    ['SELECT', `SELECT ${some} FROM ${table}`],
    ['INSERT', `INSERT INTO ${table} (${some}) SELECT ${some} FROM ${table}`],
    ['UPDATE', `UPDATE ${table} SET ${some} = ${some}`],
    ['DELETE', `DELETE FROM ${table}`],
  ] as const;
  const missing: string[] = [];
  for (const [right, statement] of attempts) {
    if (!(await mayRun(connection, `EXPLAIN ${statement}`))) missing.push(right);
  }
  return missing;
}

async function mayRun(connection: SnowflakeConnection, statement: string): Promise<boolean> {
  try {
    await connection.rows(statement);
    return true;
  } catch (error) {
    return !isMissingRight(error);
  }
}
