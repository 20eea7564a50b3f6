import { reasonOf } from '../../../ops/errors/index.ts';
import type { SetupOptions, TargetTable } from '../port.ts';
import { quoteName } from '../sql/quoted-name.ts';
import { unneededTables } from '../sql/unneeded-tables.ts';
import type { Connection } from './connection.ts';
import { classifySqliteError } from './errors.ts';
import { addColumn, bookkeeping, createTable, deletedTable, nullableColumns, outboxTable } from './statements.ts';
import { nameKey, readTableShape } from './table-shape.ts';

/**
 * Makes the bookkeeping tables that these tables need, and what else the options allow, in the connection's transaction:
 * it holds the write lock, so no other worker makes the same meanwhile.
 * @returns what could not be made, each a sentence with the SQL.
 */
export function makeMissing(connection: Connection, tables: readonly TargetTable[], options: SetupOptions): string[] {
  const unneeded = unneededTables(tables, { deleted: deletedTable, outbox: outboxTable });
  const wanted = [
    ...Object.entries(bookkeeping).filter(([name]) => !unneeded.has(name)),
    ...(options.create ? tables : []).map((table) => [table.name, createTable(table)] as const),
  ];
  const missing = wanted.filter(([name]) => readTableShape(connection, name) === undefined);
  return [
    ...missing.flatMap(([name, statement]) => attempt(connection, `Table ${quoteName(name)}`, statement)),
    ...(options.evolve ? tables : []).flatMap((table) => addMissingColumns(connection, table)),
  ];
}

function addMissingColumns(connection: Connection, table: TargetTable): string[] {
  const shape = readTableShape(connection, table.name);
  if (shape?.kind !== 'table') return [];
  return [...nullableColumns(table)]
    .filter(([column]) => !shape.columns.has(nameKey(column)))
    .flatMap(([column, type]) =>
      attempt(
        connection,
        `Column ${quoteName(column)} of table ${quoteName(table.name)}`,
        addColumn(table, column, type),
      ),
    );
}

function attempt(connection: Connection, what: string, statement: string): string[] {
  try {
    connection.exec(statement);
    return [];
  } catch (error) {
    if (classifySqliteError(error) !== 'structure') throw error;
    return [`${what} is missing and cannot be made (${reasonOf(error)}): run ${statement};`];
  }
}
