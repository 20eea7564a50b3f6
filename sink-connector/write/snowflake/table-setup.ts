import { reasonOf } from '../../../ops/errors/index.ts';
import type { SetupOptions, TargetTable } from '../port.ts';
import { createBookkeeping, deletedTable, outboxTable } from './bookkeeping.ts';
import { unneededTables } from '../sql/unneeded-tables.ts';
import type { SnowflakeConnection } from './connection.ts';
import { classifySnowflakeError } from './errors.ts';
import type { Names } from './names.ts';
import { createTable, keyList } from './statements.ts';
import { missingNullable, missingRights } from './table-check.ts';
import { readTableShape, schemaExists } from './table-shape.ts';

/**
 * Makes the bookkeeping tables that these tables need, and what else the options allow, if it is missing. Each statement
 * commits by itself here (rule 20), and does nothing where another worker was faster.
 * @returns what could not be made, and what is wrong with the bookkeeping tables, each a sentence with the SQL.
 * @throws the database's own errors when they have nothing to do with rights and names.
 */
export async function setUpTables(
  connection: SnowflakeConnection,
  names: Names,
  tables: readonly TargetTable[],
  { create, evolve }: SetupOptions,
): Promise<string[]> {
  if (!(await schemaExists(connection, names))) {
    return [
      `Schema ${names.schemaName} is missing: run CREATE SCHEMA ${names.schemaName}; where it is there, run ` +
        `GRANT USAGE ON SCHEMA ${names.schemaName} TO ROLE …;`,
    ];
  }
  const problems: string[] = [];
  for (const table of tables) {
    const { topic } = table;
    const unneeded = unneededTables([table], { deleted: deletedTable(topic), outbox: outboxTable(topic) });
    for (const [name, statement] of Object.entries(createBookkeeping(names, topic))) {
      if (unneeded.has(name)) continue;
      const shape = await readTableShape(connection, names, name);
      if (shape === undefined) problems.push(...(await tryToCreate(connection, names.inSchema(name), statement)));
      else problems.push(...missingRights(names.inSchema(name), shape));
    }
    const stored = names.stored(table.name);
    const shape = create || evolve ? await readTableShape(connection, names, stored) : undefined;
    if (shape === undefined && create) {
      problems.push(...(await tryToCreate(connection, names.table(table.name), createTable(names, table))));
    }
    const columns = shape === undefined || !evolve ? [] : missingNullable(names, table, shape);
    if (columns.length > 0) problems.push(...(await tryToAdd(connection, names, table, columns)));
  }
  return problems;
}

/** Whether keys stand in a table twice: no key is enforced, and a write would meet all rows of its key. */
export async function doubledKeys(
  connection: SnowflakeConnection,
  names: Names,
  table: TargetTable,
): Promise<string[]> {
  const list = keyList(names, table);
  const name = names.table(table.name);
  const doubled = `SELECT ${list} FROM ${name} GROUP BY ${list} HAVING COUNT(*) > 1`;
  const [found] = await connection.rows(`SELECT TO_VARCHAR(COUNT(*)) FROM (${doubled}) AS doubled`);
  const count = Number(found?.[0] ?? 0);
  if (count === 0) return [];
  return [
    `Table ${name} has ${count} keys of which it holds several rows, since Snowflake enforces no primary key: ` +
      `remove all rows but one of each, which ${doubled}; shows`,
  ];
}

async function tryToCreate(connection: SnowflakeConnection, table: string, statement: string): Promise<string[]> {
  const problem = await problemOf(connection, statement);
  return problem === undefined ? [] : [`Table ${table} is missing and cannot be made (${problem}): run ${statement};`];
}

async function tryToAdd(
  connection: SnowflakeConnection,
  names: Names,
  table: TargetTable,
  columns: readonly (readonly [name: string, type: string])[],
): Promise<string[]> {
  const name = names.table(table.name);
  const problems: string[] = [];
  for (const [column, type] of columns) {
    const statement = `ALTER TABLE ${name} ADD COLUMN IF NOT EXISTS ${names.column(column)} ${type}`;
    const problem = await problemOf(connection, statement);
    if (problem !== undefined)
      problems.push(`Columns of table ${name} cannot be added (${problem}): run ${statement};`);
  }
  return problems;
}

async function problemOf(connection: SnowflakeConnection, statement: string): Promise<string | undefined> {
  try {
    await connection.rows(statement);
    return undefined;
  } catch (error) {
    if (classifySnowflakeError(error) !== 'structure') throw error;
    return reasonOf(error);
  }
}
