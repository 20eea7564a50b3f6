import type { TargetTable } from '../port.ts';
import { qualifiedName, quoteName } from '../sql/quoted-name.ts';
import { createTable } from './statements.ts';
import { writableKinds, type ColumnShape, type TableShape } from './table-shape.ts';
import { createdType, keyTypes, versionTypes } from './types.ts';

/** Everything that keeps a table from being written, each problem a sentence with its remedy. */
export function tableProblems(schema: string, table: TargetTable, shape: TableShape | undefined): string[] {
  const name = qualifiedName(schema, table.name);
  if (shape === undefined) {
    return [
      `Table ${name} (mapping ${table.mapping}) is missing: set create: true, or run ${createTable(schema, table)};`,
    ];
  }
  if (!writableKinds.includes(shape.kind)) return [`${name} is no table: rows can only be written to tables`];
  return [
    ...missingColumns(name, table, shape),
    ...generatedColumns(name, table, shape),
    ...keyProblems(name, table, shape),
    ...versionProblems(name, table, shape),
    ...uncoveredColumns(name, table, shape),
    ...missingRights(name, shape),
  ];
}

/** The columns that a table lacks, with the SQL types they would have. */
export function absentColumns(table: TargetTable, { columns }: TableShape): { name: string; type: string }[] {
  return [
    ...[...table.keyColumns, ...table.valueColumns].map(({ name, type }) => ({ name, type: createdType(type) })),
    ...(table.versionColumn === undefined ? [] : [{ name: table.versionColumn, type: 'BIGINT' }]),
  ].filter((column) => !columns.has(column.name));
}

function missingColumns(name: string, table: TargetTable, shape: TableShape): string[] {
  return absentColumns(table, shape).map(
    (column) =>
      `Table ${name} (mapping ${table.mapping}) has no column ${quoteName(column.name)}: ` +
      `set evolve: true, or run ALTER TABLE ${name} ADD COLUMN ${quoteName(column.name)} ${column.type};`,
  );
}

function generatedColumns(name: string, table: TargetTable, { columns }: TableShape): string[] {
  return [...table.keyColumns, ...table.valueColumns]
    .filter((column) => columns.get(column.name)?.generated === true)
    .map(
      (column) =>
        `Column ${quoteName(column.name)} of table ${name} is GENERATED ALWAYS and cannot be written: ` +
        `take it out of mapping ${table.mapping}, or drop the generation`,
    );
}

/** ON CONFLICT needs a unique index on the key columns, and two different keys must never be one row (rule 9). */
function keyProblems(name: string, table: TargetTable, shape: TableShape): string[] {
  const keys = table.keyColumns.map((column) => column.name);
  if (!keys.every((key) => shape.columns.has(key))) return [];
  const problems: string[] = [];
  if (!shape.uniqueKeys.some((unique) => unique.length === keys.length && keys.every((key) => unique.includes(key)))) {
    const list = keys.map(quoteName).join(', ');
    problems.push(
      `Table ${name} (mapping ${table.mapping}) has no primary key or unique constraint on exactly (${list}): ` +
        `run ALTER TABLE ${name} ADD PRIMARY KEY (${list});`,
    );
  }
  for (const { name: key, type } of table.keyColumns) {
    const column = shape.columns.get(key);
    if (column === undefined || keepsKeysApart(column, keyTypes[type])) continue;
    const collation = column.deterministic ? '' : ' with a collation that is not deterministic';
    problems.push(
      `Key column ${quoteName(key)} of table ${name} is ${column.type}${collation}, in which two different keys of ` +
        `type ${type} may be equal: make it ${keyTypes[type].join(' or ')}, or set keyTypes in mapping ${table.mapping}`,
    );
  }
  return problems;
}

function keepsKeysApart({ type, deterministic }: ColumnShape, allowed: readonly string[]): boolean {
  return deterministic && allowed.includes(type);
}

function versionProblems(name: string, table: TargetTable, { columns }: TableShape): string[] {
  const column = table.versionColumn === undefined ? undefined : columns.get(table.versionColumn);
  if (column === undefined || versionTypes.includes(column.type)) return [];
  return [
    `The version column ${quoteName(column.name)} of table ${name} is ${column.type} and cannot hold versions: ` +
      `run ALTER TABLE ${name} ALTER COLUMN ${quoteName(column.name)} TYPE BIGINT;`,
  ];
}

function uncoveredColumns(name: string, table: TargetTable, { columns }: TableShape): string[] {
  const written = new Set([...table.keyColumns, ...table.valueColumns].map((column) => column.name));
  return [...columns.values()]
    .filter((column) => column.required && !written.has(column.name) && column.name !== table.versionColumn)
    .map(
      (column) =>
        `Column ${quoteName(column.name)} of table ${name} is NOT NULL without a default, and mapping ` +
        `${table.mapping} does not fill it: run ALTER TABLE ${name} ALTER COLUMN ${quoteName(column.name)} DROP NOT NULL;`,
    );
}

/** The rights on a table that this user lacks. */
export function missingRights(name: string, { missingRights: missing, user }: TableShape): string[] {
  if (missing.length === 0) return [];
  return [
    `The user ${user} may not ${missing.join(', ')} on table ${name}: run GRANT ${missing.join(', ')} ON ${name} TO ${user};`,
  ];
}
