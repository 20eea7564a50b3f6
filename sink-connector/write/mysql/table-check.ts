import type { TargetTable } from '../port.ts';
import { quoteName } from './literals.ts';
import { createTable, keyList, keyType } from './statements.ts';
import type { ColumnShape, TableShape } from './table-shape.ts';
import { createdType, keyCollations, keyTypes, versionTypes } from './types.ts';

/** What a table has to be like, beside its mapping. */
export interface Requirements {
  /** Of texts in keys of created tables. */
  readonly collation: string;
  /** Whether unique keys beside that of the mapping are no problem. */
  readonly acceptUniqueKeys: boolean;
}

/** Everything that keeps a table from being written, each problem a sentence with its remedy. */
export function tableProblems(table: TargetTable, shape: TableShape | undefined, needs: Requirements): string[] {
  const name = quoteName(table.name);
  if (shape === undefined) {
    return [
      `Table ${name} (mapping ${table.mapping}) is missing: set create: true, or run ` +
        `${createTable(table, needs.collation)}; where it is there, give this user rights on it`,
    ];
  }
  if (!shape.isTable) return [`${name} is no table: rows can only be written to tables`];
  return [
    ...engineProblems(name, shape),
    ...missingColumns(name, table, shape, needs),
    ...generatedColumns(name, table, shape),
    ...keyProblems(name, table, shape, needs),
    ...(needs.acceptUniqueKeys ? [] : furtherUniqueKeys(name, table, shape)),
    ...versionProblems(name, table, shape),
    ...uncoveredColumns(name, table, shape),
    ...missingRights(name, shape),
  ];
}

/** Rows and offset could not be committed together (rule 20). */
export function engineProblems(name: string, { engine, transactional }: TableShape): string[] {
  if (transactional) return [];
  return [
    `Table ${name} is kept by the engine ${engine}, which has no transactions: run ALTER TABLE ${name} ENGINE = InnoDB;`,
  ];
}

function missingColumns(name: string, table: TargetTable, shape: TableShape, { collation }: Requirements): string[] {
  const keys = table.keyColumns.map((column) => [column.name, keyType(table, column, collation)] as const);
  const told = (evolve: string) => (column: readonly [name: string, type: string]) =>
    `Table ${name} (mapping ${table.mapping}) has no column ${quoteName(column[0])}: ` +
    `${evolve}run ALTER TABLE ${name} ADD COLUMN ${quoteName(column[0])} ${column[1]};`;
  return [...missing(shape, keys).map(told('')), ...missingNullable(table, shape).map(told('set evolve: true, or '))];
}

/** The columns outside the key that a table lacks, with the types they would be made with. */
export function missingNullable(table: TargetTable, shape: TableShape): (readonly [name: string, type: string])[] {
  return missing(shape, [
    ...table.valueColumns.map((column) => [column.name, createdType(column.type)] as const),
    ...(table.versionColumn === undefined ? [] : [[table.versionColumn, 'BIGINT'] as const]),
  ]);
}

function missing(shape: TableShape, wanted: readonly (readonly [name: string, type: string])[]) {
  return wanted.filter(([column]) => columnOf(shape, column) === undefined);
}

function columnOf({ columns }: TableShape, name: string): ColumnShape | undefined {
  return columns.get(name.toLowerCase());
}

function generatedColumns(name: string, table: TargetTable, shape: TableShape): string[] {
  return [...table.keyColumns, ...table.valueColumns]
    .filter((column) => columnOf(shape, column.name)?.generated === true)
    .map(
      (column) =>
        `Column ${quoteName(column.name)} of table ${name} is computed and cannot be written: ` +
        `take it out of mapping ${table.mapping}, or make it a plain column`,
    );
}

/** An upsert needs a unique index on the key columns, and two different keys must never be one row (rule 9). */
function keyProblems(name: string, table: TargetTable, shape: TableShape, { collation }: Requirements): string[] {
  const keys = keysOf(table);
  if (!keys.every((key) => shape.columns.has(key))) return [];
  const problems: string[] = [];
  if (!shape.uniqueKeys.some((unique) => unique.length === keys.length && keys.every((key) => unique.includes(key)))) {
    problems.push(
      `Table ${name} (mapping ${table.mapping}) has no primary key or unique key on exactly (${keyList(table)}): ` +
        `run ALTER TABLE ${name} ADD PRIMARY KEY (${keyList(table)});`,
    );
  }
  for (const key of table.keyColumns) {
    const column = columnOf(shape, key.name);
    if (column === undefined || (keyTypes[key.type].includes(column.type) && keepsKeysApart(column))) continue;
    const collated = column.collation === undefined ? '' : ` with the collation ${column.collation}`;
    problems.push(
      `Key column ${quoteName(key.name)} of table ${name} is ${column.type}${collated}, in which two different keys of ` +
        `type ${key.type} may be equal: run ALTER TABLE ${name} MODIFY ${quoteName(key.name)} ` +
        `${keyType(table, key, collation)} NOT NULL; or set keyTypes in mapping ${table.mapping}`,
    );
  }
  return problems;
}

function keysOf(table: TargetTable): string[] {
  return table.keyColumns.map((column) => column.name.toLowerCase());
}

function keepsKeysApart({ collation }: ColumnShape): boolean {
  return collation === undefined || keyCollations.includes(collation);
}

/**
 * ON DUPLICATE KEY UPDATE changes the row that any unique key finds. Harmless are those that hold the whole key, and
 * those that the server itself makes unique by counting.
 */
function furtherUniqueKeys(name: string, table: TargetTable, shape: TableShape): string[] {
  const keys = keysOf(table);
  const counted = [...shape.columns.values()].filter(({ autoIncrement }) => autoIncrement);
  const written = new Set([...keys, ...table.valueColumns.map((column) => column.name.toLowerCase())]);
  const own = counted.map((column) => column.name.toLowerCase()).filter((column) => !written.has(column));
  return shape.uniqueKeys
    .filter((unique) => !keys.every((key) => unique.includes(key)) && !own.some((column) => unique.includes(column)))
    .map(
      (unique) =>
        `Table ${name} has a further unique key (${unique.map((column) => quoteName(column)).join(', ')}), over which ` +
        `a row of mapping ${table.mapping} may overwrite that of another key: drop it, or set acceptUniqueKeys: true`,
    );
}

function versionProblems(name: string, table: TargetTable, shape: TableShape): string[] {
  const column = table.versionColumn === undefined ? undefined : columnOf(shape, table.versionColumn);
  if (column === undefined || versionTypes.includes(column.type)) return [];
  return [
    `The version column ${quoteName(column.name)} of table ${name} is ${column.type} and cannot hold versions: ` +
      `run ALTER TABLE ${name} MODIFY ${quoteName(column.name)} BIGINT;`,
  ];
}

function uncoveredColumns(name: string, table: TargetTable, { columns }: TableShape): string[] {
  const written = new Set(
    [...table.keyColumns, ...table.valueColumns, { name: table.versionColumn ?? '' }].map((column) =>
      column.name.toLowerCase(),
    ),
  );
  return [...columns]
    .filter(([column, { required }]) => required && !written.has(column))
    .map(
      ([, column]) =>
        `Column ${quoteName(column.name)} of table ${name} is NOT NULL without a default, and mapping ` +
        `${table.mapping} does not fill it: run ALTER TABLE ${name} ALTER COLUMN ${quoteName(column.name)} SET DEFAULT …;`,
    );
}

/** The rights on a table that this user lacks. */
export function missingRights(name: string, { missingRights: lacking, user }: TableShape): string[] {
  if (lacking.length === 0) return [];
  return [
    `The user ${user} may not ${lacking.join(', ')} on table ${name}: run GRANT ${lacking.join(', ')} ON ${name} TO ${user};`,
  ];
}
