import { reasonOf } from '../../../ops/errors/index.ts';
import type { SetupOptions, TargetTable } from '../port.ts';
import { unneededTables } from '../sql/unneeded-tables.ts';
import { createBookkeeping, deletedTable, outboxTable } from './bookkeeping.ts';
import type { MysqlConnection } from './connection.ts';
import { classifyMysqlError, SetupIsLocked } from './errors.ts';
import { quoteName, textLiteral } from './literals.ts';
import { createTable } from './statements.ts';
import { engineProblems, missingNullable, missingRights } from './table-check.ts';
import { readTableShape } from './table-shape.ts';
import { keyCollations } from './types.ts';

/** Workers that start together queue up for this lock of the server. It ends with the connection, too. */
const setupLock = textLiteral('afterwrite.setup');
/** How long they wait for it, s. */
const setupPatience = 60;

/** The first of the collations for keys that this server has. */
export async function keyCollation(connection: MysqlConnection): Promise<string | undefined> {
  const rows = await connection.rows(
    `SELECT COLLATION_NAME FROM information_schema.COLLATIONS WHERE COLLATION_NAME IN (${keyCollations.map(textLiteral).join(', ')})`,
  );
  const present = new Set(rows.map(([name]) => name));
  return keyCollations.find((name) => present.has(name));
}

/**
 * Makes the bookkeeping tables that these tables need, and what else the options allow, if it is missing. Each statement
 * commits by itself here.
 * @returns what could not be made, and what is wrong with the bookkeeping tables, each a sentence with the SQL.
 * @throws the database's own errors when they have nothing to do with rights and names.
 */
export async function setUpTables(
  connection: MysqlConnection,
  tables: readonly TargetTable[],
  collation: string,
  { create, evolve }: SetupOptions,
): Promise<string[]> {
  const [[locked] = []] = await connection.rows(`SELECT GET_LOCK(${setupLock}, ${setupPatience})`);
  if (locked !== '1') throw new SetupIsLocked(`Another worker has been making tables for ${setupPatience} s`);
  const problems: string[] = [];
  const unneeded = unneededTables(tables, { deleted: deletedTable, outbox: outboxTable });
  for (const [name, statement] of Object.entries(createBookkeeping)) {
    if (unneeded.has(name)) continue;
    const shape = await readTableShape(connection, name);
    if (shape === undefined) problems.push(...(await tryToCreate(connection, name, statement)));
    else problems.push(...engineProblems(quoteName(name), shape), ...missingRights(quoteName(name), shape));
  }
  for (const table of tables) {
    const shape = create || evolve ? await readTableShape(connection, table.name) : undefined;
    if (shape === undefined && create) {
      problems.push(...(await tryToCreate(connection, table.name, createTable(table, collation))));
    }
    const columns = shape === undefined || !evolve ? [] : missingNullable(table, shape);
    if (columns.length > 0) problems.push(...(await tryToAdd(connection, quoteName(table.name), columns)));
  }
  await connection.rows(`SELECT RELEASE_LOCK(${setupLock})`);
  return problems;
}

async function tryToCreate(connection: MysqlConnection, table: string, statement: string): Promise<string[]> {
  const problem = await problemOf(connection, statement);
  if (problem === undefined) return [];
  return [`Table ${quoteName(table)} is missing and cannot be made (${problem}): run ${statement};`];
}

async function tryToAdd(
  connection: MysqlConnection,
  table: string,
  columns: readonly (readonly [name: string, type: string])[],
): Promise<string[]> {
  const additions = columns.map(([name, type]) => `ADD COLUMN ${quoteName(name)} ${type} NULL`);
  const statement = `ALTER TABLE ${table} ${additions.join(', ')}`;
  const problem = await problemOf(connection, statement);
  return problem === undefined ? [] : [`Columns of table ${table} cannot be added (${problem}): run ${statement};`];
}

async function problemOf(connection: MysqlConnection, statement: string): Promise<string | undefined> {
  try {
    await connection.run(statement);
    return undefined;
  } catch (error) {
    if (classifyMysqlError(error) !== 'structure') throw error;
    return reasonOf(error);
  }
}
