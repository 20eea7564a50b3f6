import { reasonOf } from '../../../ops/errors/index.ts';
import type { SetupOptions, TargetTable } from '../port.ts';
import { quoteName } from '../sql/quoted-name.ts';
import { unneededTables } from '../sql/unneeded-tables.ts';
import { createBookkeeping } from './bookkeeping.ts';
import type { OracleConnection } from './connection.ts';
import { classifyOracleError, isAlreadyThere } from './errors.ts';
import { addColumns, createTable, deletedTable, outboxTable } from './statements.ts';
import { absentColumns, missingRights, type Making } from './table-check.ts';
import { readTableShape, type SchemaPlace } from './table-shape.ts';

/** How long a definition waits for those who use a table, s. */
const setupPatience = 60;
export const waitForLocks = `ALTER SESSION SET DDL_LOCK_TIMEOUT = ${setupPatience}`;

/**
 * Makes the bookkeeping tables that these tables need, and what else the options allow, if it is missing. Each statement
 * commits by itself here. Workers that start together race: whoever is late finds it done.
 * @returns what could not be made, and which bookkeeping table this user may not write, each a sentence with the SQL.
 * @throws the database's own errors when they have nothing to do with rights and names.
 */
export async function setUpTables(
  connection: OracleConnection,
  place: SchemaPlace,
  tables: readonly TargetTable[],
  making: Making,
  { create, evolve }: SetupOptions,
): Promise<string[]> {
  await connection.run(waitForLocks);
  const problems: string[] = [];
  const unneeded = unneededTables(tables, { deleted: deletedTable, outbox: outboxTable });
  for (const [name, statement] of Object.entries(createBookkeeping)) {
    if (unneeded.has(name)) continue;
    const shape = await readTableShape(connection, place, name);
    if (shape === undefined) problems.push(...(await tryToCreate(connection, quoteName(name), statement)));
    else problems.push(...missingRights(quoteName(name), shape));
  }
  for (const table of tables) {
    const name = making.naming.quoted(table.name);
    const shape =
      create || evolve ? await readTableShape(connection, place, making.naming.stored(table.name)) : undefined;
    if (shape === undefined && create) {
      problems.push(...(await tryToCreate(connection, name, createTable(table, making.naming, making.textLength))));
    }
    const columns = shape?.kind !== 'TABLE' || !evolve ? [] : absentColumns(table, shape, making);
    // Which rows a column of the key would tell apart is for a person to say. One by one: another worker may be adding some.
    for (const column of columns.filter(({ inKey }) => !inKey)) {
      const statement = addColumns(table, making.naming, [column]);
      const problem = await problemOf(connection, statement);
      if (problem !== undefined)
        problems.push(`A column of table ${name} cannot be added (${problem}): run ${statement};`);
    }
  }
  return problems;
}

async function tryToCreate(connection: OracleConnection, name: string, statement: string): Promise<string[]> {
  const problem = await problemOf(connection, statement);
  return problem === undefined ? [] : [`Table ${name} is missing and cannot be made (${problem}): run ${statement};`];
}

async function problemOf(connection: OracleConnection, statement: string): Promise<string | undefined> {
  try {
    await connection.run(statement);
    return undefined;
  } catch (error) {
    if (isAlreadyThere(error)) return undefined;
    if (classifyOracleError(error) !== 'structure') throw error;
    return reasonOf(error);
  }
}
