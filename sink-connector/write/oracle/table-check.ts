import type { TargetTable } from '../port.ts';
import type { Naming } from './names.ts';
import { addColumns, createTable, tableColumns, type WantedColumn } from './statements.ts';
import type { ColumnShape, TableShape } from './table-shape.ts';
import { keyTypes, versionType, versionTypes } from './types.ts';

/** How tables are named and made. */
export interface Making {
  readonly naming: Naming;
  readonly textLength: number | undefined;
}

/** Everything that keeps a table from being written, each problem a sentence with its remedy. */
export function tableProblems(table: TargetTable, shape: TableShape | undefined, making: Making): string[] {
  const { naming, textLength } = making;
  const name = naming.quoted(table.name);
  const folded = foldedNames(name, table, naming);
  if (folded.length > 0) return folded;
  if (shape === undefined) {
    return [
      `Table ${name} (mapping ${table.mapping}) is missing: set create: true, or run ` +
        `${createTable(table, naming, textLength)}; where it is there, give this user rights on it`,
    ];
  }
  if (shape.kind !== 'TABLE') return [`${name} is a ${shape.kind.toLowerCase()}: rows can only be written to tables`];
  if (shape.temporary) return [`Table ${name} is temporary, so that its rows would go: use one that is not`];
  return [
    ...missingColumns(name, table, shape, making),
    ...generatedColumns(name, table, shape, naming),
    ...keyProblems(name, table, shape, naming),
    ...versionProblems(name, table, shape, naming),
    ...uncoveredColumns(name, table, shape, naming),
    ...missingRights(name, shape),
  ];
}

/** Columns that are told apart by case alone, which is one name to Oracle. */
function foldedNames(name: string, table: TargetTable, naming: Naming): string[] {
  const names = tableColumns(table, undefined).map((column) => naming.stored(column.name));
  const twice = names.find((each, index) => names.indexOf(each) !== index);
  if (twice === undefined) return [];
  return [
    `Two columns of table ${name} (mapping ${table.mapping}) are called ${twice} in upper case: rename one, or set names: exact`,
  ];
}

/** The columns that a table lacks. */
export function absentColumns(
  table: TargetTable,
  { columns }: TableShape,
  { naming, textLength }: Making,
): WantedColumn[] {
  return tableColumns(table, textLength).filter((column) => !columns.has(naming.stored(column.name)));
}

function missingColumns(name: string, table: TargetTable, shape: TableShape, making: Making): string[] {
  return absentColumns(table, shape, making).map(
    (column) =>
      `Table ${name} (mapping ${table.mapping}) has no column ${making.naming.quoted(column.name)}: ` +
      `${column.inKey ? '' : 'set evolve: true, or '}run ${addColumns(table, making.naming, [column])};`,
  );
}

function generatedColumns(name: string, table: TargetTable, shape: TableShape, naming: Naming): string[] {
  return [...table.keyColumns, ...table.valueColumns]
    .filter((column) => shape.columns.get(naming.stored(column.name))?.generated === true)
    .map(
      (column) =>
        `Column ${naming.quoted(column.name)} of table ${name} is computed and cannot be written: ` +
        `take it out of mapping ${table.mapping}, or make it a plain column`,
    );
}

/** MERGE must find one row at most, and two different keys must never be one row (rule 9). */
function keyProblems(name: string, table: TargetTable, shape: TableShape, naming: Naming): string[] {
  const keys = table.keyColumns.map((column) => naming.stored(column.name));
  if (!keys.every((key) => shape.columns.has(key))) return [];
  const problems: string[] = [];
  if (!shape.uniqueKeys.some((unique) => unique.length === keys.length && keys.every((key) => unique.includes(key)))) {
    const list = table.keyColumns.map((column) => naming.quoted(column.name)).join(', ');
    problems.push(
      `Table ${name} (mapping ${table.mapping}) has no primary key or unique constraint on exactly (${list}): ` +
        `run ALTER TABLE ${name} ADD PRIMARY KEY (${list});`,
    );
  }
  for (const { name: key, type } of table.keyColumns) {
    const column = shape.columns.get(naming.stored(key));
    if (column === undefined || keepsKeysApart(column, keyTypes[type])) continue;
    const collated = column.collation === undefined ? '' : ` with the collation ${column.collation}`;
    problems.push(
      `Key column ${naming.quoted(key)} of table ${name} is ${column.type}${collated}, in which two different keys of ` +
        `type ${type} may be equal: make it ${keyTypes[type].join(' or ')}, or set keyTypes in mapping ${table.mapping}`,
    );
  }
  return problems;
}

function keepsKeysApart({ type, collation }: ColumnShape, allowed: readonly string[]): boolean {
  return collation === undefined && allowed.includes(type);
}

function versionProblems(name: string, table: TargetTable, shape: TableShape, naming: Naming): string[] {
  const { versionColumn } = table;
  const column = versionColumn === undefined ? undefined : shape.columns.get(naming.stored(versionColumn));
  if (versionColumn === undefined || column === undefined || versionTypes.includes(column.type)) return [];
  return [
    `The version column ${naming.quoted(versionColumn)} of table ${name} is ${column.type} and cannot hold versions: ` +
      `run ALTER TABLE ${name} MODIFY (${naming.quoted(versionColumn)} ${versionType});`,
  ];
}

function uncoveredColumns(name: string, table: TargetTable, { columns }: TableShape, naming: Naming): string[] {
  const written = new Set(tableColumns(table, undefined).map((column) => naming.stored(column.name)));
  return [...columns]
    .filter(([column, { required }]) => required && !written.has(column))
    .map(
      ([column]) =>
        `Column "${column}" of table ${name} is NOT NULL without a default, and mapping ${table.mapping} does not ` +
        `fill it: run ALTER TABLE ${name} MODIFY ("${column}" NULL);`,
    );
}

/** The rights on a table that this user lacks. */
export function missingRights(name: string, { missingRights: lacking, user }: TableShape): string[] {
  if (lacking.length === 0) return [];
  return [
    `The user ${user} may not ${lacking.join(', ')} on table ${name}: run GRANT ${lacking.join(', ')} ON ${name} TO "${user}";`,
  ];
}
