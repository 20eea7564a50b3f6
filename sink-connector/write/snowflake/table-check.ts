import type { Column } from '../../../schemas/index.ts';
import type { TargetTable } from '../port.ts';
import type { Names } from './names.ts';
import { createTable, keyList } from './statements.ts';
import type { ColumnShape, TableShape } from './table-shape.ts';
import { createdType, keyTypes, largestScale, rounds, versionTypes } from './types.ts';

/** Everything that keeps a table from being written, each problem a sentence with its remedy. */
export function tableProblems(names: Names, table: TargetTable, shape: TableShape | undefined): string[] {
  const name = names.table(table.name);
  if (shape === undefined) {
    return [
      `Table ${name} (mapping ${table.mapping}) is missing: set create: true, or run ${createTable(names, table)}; ` +
        `where it is there, give this role rights on it`,
    ];
  }
  if (!shape.isTable) return [`${name} is no table: rows can only be written to tables`];
  return [
    ...missingColumns(name, names, table, shape),
    ...keyProblems(name, names, table, shape),
    ...roundingColumns(name, names, table, shape),
    ...versionProblems(name, names, table, shape),
    ...uncoveredColumns(name, names, table, shape),
    ...missingRights(name, shape),
  ];
}

/** What the mapping asks for and no table here can have. */
export function impossibleColumns(names: Names, table: TargetTable): string[] {
  const seen = new Map<string, string>();
  const problems: string[] = [];
  const version = table.versionColumn === undefined ? [] : [table.versionColumn];
  for (const column of [...columnsOf(table).map(({ name }) => name), ...version]) {
    const stored = names.stored(column);
    const other = seen.get(stored);
    if (other !== undefined) {
      problems.push(
        `Columns ${other} and ${column} of mapping ${table.mapping} are one column here, ${stored}: ` +
          `set identifiers: exact, or give one another name`,
      );
    }
    seen.set(stored, column);
  }
  for (const { name, type } of table.valueColumns) {
    const scale = Number(/^decimal\(\d+,(\d+)\)$/.exec(type)?.[1] ?? 0);
    if (scale <= largestScale) continue;
    problems.push(
      `Column ${name} of mapping ${table.mapping} is ${type}, and no number of Snowflake has more than ${largestScale} ` +
        `digits after the point: give it a smaller scale, or the type string`,
    );
  }
  return problems;
}

/** Mappings whose tables have the same name here: their rows would overwrite each other. */
export function sameTables(names: Names, tables: readonly TargetTable[]): string[] {
  const topics = new Map<string, TargetTable>();
  const problems: string[] = [];
  for (const table of tables) {
    const stored = names.stored(table.name);
    const other = topics.get(stored);
    if (other !== undefined && other.topic !== table.topic) {
      problems.push(
        `Mappings ${other.mapping} and ${table.mapping} write one table, ${names.table(table.name)}: ` +
          `give one another name under tables`,
      );
    }
    topics.set(stored, table);
  }
  return problems;
}

/** The columns outside the key that a table lacks, with the types they would be made with. */
export function missingNullable(names: Names, table: TargetTable, shape: TableShape): (readonly [string, string])[] {
  return missing(names, shape, [
    ...table.valueColumns.map((column) => [column.name, createdType(column.type)] as const),
    ...(table.versionColumn === undefined ? [] : [[table.versionColumn, 'INTEGER'] as const]),
  ]);
}

function missing(names: Names, { columns }: TableShape, wanted: readonly (readonly [name: string, type: string])[]) {
  return wanted.filter(([column]) => !columns.has(names.stored(column)));
}

function missingColumns(name: string, names: Names, table: TargetTable, shape: TableShape): string[] {
  const keys = table.keyColumns.map((column) => [column.name, createdType(column.type)] as const);
  const told = (evolve: string) => (column: readonly [name: string, type: string]) =>
    `Table ${name} (mapping ${table.mapping}) has no column ${names.column(column[0])}: ` +
    `${evolve}run ALTER TABLE ${name} ADD COLUMN ${names.column(column[0])} ${column[1]};`;
  return [
    ...missing(names, shape, keys).map(told('')),
    ...missingNullable(names, table, shape).map(told('set evolve: true, or ')),
  ];
}

/**
 * The primary key is a declaration that nothing enforces: it says that whoever made the table means the same rows. Two
 * different keys must never be one row (rule 9).
 */
function keyProblems(name: string, names: Names, table: TargetTable, shape: TableShape): string[] {
  const keys = table.keyColumns.map((column) => names.stored(column.name));
  if (!keys.every((key) => shape.columns.has(key))) return [];
  const problems: string[] = [];
  const { primaryKey } = shape;
  if (primaryKey.length !== keys.length || !keys.every((key) => primaryKey.includes(key))) {
    const list = keyList(names, table);
    const drop = primaryKey.length > 0 ? `ALTER TABLE ${name} DROP PRIMARY KEY; ` : '';
    problems.push(
      `Table ${name} (mapping ${table.mapping}) has no primary key on exactly (${list}): ` +
        `run ${drop}ALTER TABLE ${name} ADD PRIMARY KEY (${list});`,
    );
  }
  for (const key of table.keyColumns) {
    const column = columnOf(names, shape, key);
    if (column === undefined || (keyTypes[key.type].includes(column.type) && column.collation === undefined)) continue;
    const collated = column.collation === undefined ? '' : ` with the collation ${column.collation}`;
    problems.push(
      `Key column ${names.column(key.name)} of table ${name} is ${column.type}${collated}, in which two different keys of ` +
        `type ${key.type} may be equal: make it ${createdType(key.type)}, or set keyTypes in mapping ${table.mapping}`,
    );
  }
  return problems;
}

/** A number would be rounded on its way in, without an error. */
function roundingColumns(name: string, names: Names, table: TargetTable, shape: TableShape): string[] {
  return table.valueColumns.flatMap((column) => {
    const found = columnOf(names, shape, column);
    if (found === undefined || !rounds(column.type, found)) return [];
    return [
      `Column ${names.column(column.name)} of table ${name} is NUMBER with ${found.digits?.scale ?? 0} digits after the ` +
        `point, and rounds values of type ${column.type}: make it ${createdType(column.type)}, or change mapping ${table.mapping}`,
    ];
  });
}

function versionProblems(name: string, names: Names, table: TargetTable, { columns }: TableShape): string[] {
  const column = table.versionColumn === undefined ? undefined : columns.get(names.stored(table.versionColumn));
  if (column === undefined || (versionTypes.includes(column.type) && (column.digits?.precision ?? 38) >= 16)) return [];
  return [
    `The version column ${names.column(column.name)} of table ${name} is ${column.type} and cannot hold versions: ` +
      `make it INTEGER`,
  ];
}

function uncoveredColumns(name: string, names: Names, table: TargetTable, { columns }: TableShape): string[] {
  const all = [...columnsOf(table).map((column) => column.name), table.versionColumn ?? ''];
  const written = new Set(all.map((column) => names.stored(column)));
  return [...columns.values()]
    .filter((column) => column.required && !written.has(column.name))
    .map(
      (column) =>
        `Column "${column.name}" of table ${name} is NOT NULL without a default, and mapping ${table.mapping} does not ` +
        `fill it: run ALTER TABLE ${name} ALTER COLUMN "${column.name}" DROP NOT NULL;`,
    );
}

/** The rights on a table that this role lacks. */
export function missingRights(name: string, { missingRights: lacking }: TableShape): string[] {
  if (lacking.length === 0) return [];
  const list = lacking.join(', ');
  return [`This role may not ${list} on table ${name}: run GRANT ${list} ON TABLE ${name} TO ROLE …;`];
}

function columnsOf({ keyColumns, valueColumns }: TargetTable): Column[] {
  return [...keyColumns, ...valueColumns];
}

function columnOf(names: Names, { columns }: TableShape, { name }: Column): ColumnShape | undefined {
  return columns.get(names.stored(name));
}
