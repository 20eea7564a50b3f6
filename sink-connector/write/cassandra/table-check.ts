import type { TargetTable } from '../port.ts';
import { qualifiedName, quoteName } from '../sql/quoted-name.ts';
import { addColumn, createTable, partitionKey } from './statements.ts';
import type { TableShape } from './table-shape.ts';
import { acceptedTypes, createdType, keyTypes, versionTypes } from './types.ts';

/** Everything that keeps a table from being written, each problem a sentence with its remedy. */
export function tableProblems(keyspace: string, table: TargetTable, shape: TableShape | undefined): string[] {
  const name = qualifiedName(keyspace, table.name);
  if (shape === undefined) {
    return [
      `Table ${name} (mapping ${table.mapping}) is missing: set create: true, or run ${createTable(keyspace, table)};`,
    ];
  }
  if (shape.isView) return [`${name} is a materialized view: rows can only be written to tables`];
  return [
    ...missingColumns(table, shape).map(
      ({ column, type }) =>
        `Table ${name} (mapping ${table.mapping}) has no column ${quoteName(column)}: ` +
        `set evolve: true, or run ${addColumn(keyspace, table.name, column, type)};`,
    ),
    ...keyProblems(name, table, shape),
    ...typeProblems(name, table, shape),
  ];
}

/** The columns that a table lacks, with the types that they would be made with. */
export function missingColumns(table: TargetTable, { columns }: TableShape): { column: string; type: string }[] {
  const wanted = [...table.keyColumns, ...table.valueColumns].map(({ name, type }) => ({
    column: name,
    type: createdType(type),
  }));
  if (table.versionColumn !== undefined) wanted.push({ column: table.versionColumn, type: 'bigint' });
  return wanted.filter(({ column }) => !columns.has(column));
}

/** A row is written and deleted by its whole primary key; how it is split into partitions is free. */
function keyProblems(name: string, table: TargetTable, { columns }: TableShape): string[] {
  const wanted = table.keyColumns.map((column) => column.name);
  if (!wanted.every((key) => columns.has(key))) return [];
  const primary = (['partition_key', 'clustering'] as const).flatMap((part) =>
    [...columns.values()].filter(({ kind }) => kind === part).map((column) => column.name),
  );
  if (primary.length === wanted.length && wanted.every((key) => primary.includes(key))) return [];
  return [
    `The primary key of table ${name} is (${primary.map(quoteName).join(', ')}), and the key columns of mapping ` +
      `${table.mapping} are (${wanted.map(quoteName).join(', ')}): make a table with PRIMARY KEY (${partitionKey(table)}), ` +
      `or with another split of the same columns`,
  ];
}

function typeProblems(name: string, table: TargetTable, { columns }: TableShape): string[] {
  const wanted = [
    ...table.keyColumns.map((column) => ({ ...column, accepted: keyTypes[column.type] })),
    ...table.valueColumns.map((column) => ({ ...column, accepted: acceptedTypes(column.type) })),
    ...(table.versionColumn === undefined ? [] : [{ name: table.versionColumn, type: 'long', accepted: versionTypes }]),
  ];
  return wanted.flatMap(({ name: column, type, accepted }) => {
    const found = columns.get(column);
    if (found === undefined) return [];
    if (found.kind === 'static')
      return [`Column ${quoteName(column)} of table ${name} is static, and would be shared by rows of different keys`];
    if (accepted.includes(found.type)) return [];
    return [
      `Column ${quoteName(column)} of table ${name} is ${found.type}, and mapping ${table.mapping} writes ${type} to it: ` +
        `make it ${accepted.join(' or ')}`,
    ];
  });
}
