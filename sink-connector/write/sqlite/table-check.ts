import type { ColumnType } from '../../../schemas/index.ts';
import type { TargetTable } from '../port.ts';
import { quoteName } from '../sql/quoted-name.ts';
import { addColumn, createTable, nullableColumns } from './statements.ts';
import { type ColumnShape, nameKey, type TableShape } from './table-shape.ts';
import { createdType, encoderOf } from './types.ts';

/** Everything that keeps a table from being written, each problem a sentence with its remedy. */
export function tableProblems(table: TargetTable, shape: TableShape | undefined): string[] {
  const name = quoteName(table.name);
  if (shape === undefined) {
    return [`Table ${name} (mapping ${table.mapping}) is missing: set create: true, or run ${createTable(table)};`];
  }
  if (shape.kind !== 'table') return [`${name} is a ${shape.kind}: rows can only be written to tables`];
  return [
    ...missingColumns(name, table, shape),
    ...unfitColumns(name, table, shape),
    ...keyProblems(name, table, shape),
    ...uncoveredColumns(name, table, shape),
  ];
}

/** Two tables of one sink whose names SQLite holds to be the same. */
export function sameTables(tables: readonly TargetTable[]): string[] {
  const owners = new Map<string, TargetTable>();
  return tables.flatMap((table) => {
    const owner = owners.get(nameKey(table.name));
    owners.set(nameKey(table.name), table);
    if (owner === undefined) return [];
    return [
      `The tables ${quoteName(owner.name)} (mapping ${owner.mapping}) and ${quoteName(table.name)} (mapping ` +
        `${table.mapping}) are one to SQLite, to which case does not count: give one of them another name`,
    ];
  });
}

function missingColumns(name: string, table: TargetTable, { columns }: TableShape): string[] {
  const keys = table.keyColumns.filter((key) => !columns.has(nameKey(key.name)));
  const others = [...nullableColumns(table)].filter(([column]) => !columns.has(nameKey(column)));
  return [
    ...keys.map(
      (key) =>
        `Table ${name} (mapping ${table.mapping}) has no key column ${quoteName(key.name)}: make a new table with ` +
        `${createTable(table)};`,
    ),
    ...others.map(
      ([column, type]) =>
        `Table ${name} (mapping ${table.mapping}) has no column ${quoteName(column)}: set evolve: true, or run ` +
        `${addColumn(table, column, type)};`,
    ),
  ];
}

/** Columns that would not hold each value as it is: a TEXT 007 in an INTEGER column would become 7. */
function unfitColumns(name: string, table: TargetTable, { columns }: TableShape): string[] {
  const written: readonly (readonly [string, ColumnType])[] = [
    ...[...table.keyColumns, ...table.valueColumns].map((column) => [column.name, column.type] as const),
    ...(table.versionColumn === undefined ? [] : [[table.versionColumn, 'long'] as const]),
  ];
  return written.flatMap(([column, type]) => {
    const shape = columns.get(nameKey(column));
    if (shape === undefined) return [];
    if (shape.generated) {
      return [
        `Column ${quoteName(column)} of table ${name} is GENERATED ALWAYS and cannot be written: take it out of ` +
          `mapping ${table.mapping}, or drop the generation`,
      ];
    }
    if (encoderOf(type, shape.storage) !== undefined) return [];
    return [
      `Column ${quoteName(column)} of table ${name} stores values as ${shape.storage}, which does not keep every ` +
        `${type} as it is: copy the table into one where it is ${createdType(type)}, or change mapping ${table.mapping}`,
    ];
  });
}

/** ON CONFLICT needs a unique index on the key columns, and two different keys must never be one row (rule 9). */
function keyProblems(name: string, table: TargetTable, { columns, uniqueKeys }: TableShape): string[] {
  const keys = table.keyColumns.map((column) => nameKey(column.name));
  const shapes = keys.flatMap((key) => columns.get(key) ?? []);
  if (shapes.length < keys.length) return [];
  const list = table.keyColumns.map((column) => quoteName(column.name)).join(', ');
  const fitting = uniqueKeys.filter(
    (unique) => unique.columns.length === keys.length && unique.columns.every((part) => keys.includes(nameKey(part))),
  );
  if (fitting.length === 0) {
    return [
      `Table ${name} (mapping ${table.mapping}) has no primary key or unique index on exactly (${list}): ` +
        `run CREATE UNIQUE INDEX ${quoteName(`${table.name}_key`)} ON ${name} (${list});`,
    ];
  }
  if (fitting.every(({ exact }) => exact) && shapes.every(({ exact }) => exact)) return [];
  return [
    `The key (${list}) of table ${name} is compared without case or trailing spaces (COLLATE NOCASE or RTRIM), so two ` +
      `keys of mapping ${table.mapping} may be one row: copy the table into one made with ${createTable(table)};`,
  ];
}

function uncoveredColumns(name: string, table: TargetTable, { columns }: TableShape): string[] {
  const written = new Set([...table.keyColumns.map((key) => key.name), ...nullableColumns(table).keys()].map(nameKey));
  const uncovered = (column: ColumnShape): boolean => column.required && !written.has(nameKey(column.name));
  return [...columns.values()]
    .filter(uncovered)
    .map(
      (column) =>
        `Column ${quoteName(column.name)} of table ${name} is NOT NULL without a default, and mapping ` +
        `${table.mapping} does not fill it: copy the table into one where it may be NULL`,
    );
}
