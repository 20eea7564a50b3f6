import type pg from 'pg';
import { reasonOf } from '../../../ops/errors/index.ts';
import type { TargetTable } from '../port.ts';
import { classifyPostgresError } from './errors.ts';
import { qualifiedName, quoteName } from '../sql/quoted-name.ts';
import { unneededTables } from '../sql/unneeded-tables.ts';
import { createBookkeeping, createTable, deletedTable, outboxTable } from './statements.ts';
import { absentColumns, missingRights } from './table-check.ts';
import { readTableShape, writableKinds } from './table-shape.ts';

/**
 * Workers that start together would race in CREATE TABLE IF NOT EXISTS and ADD COLUMN IF NOT EXISTS, which then fail on the catalogue's own unique
 * indexes. They queue up for this advisory lock instead: "afterwri" in ASCII.
 */
const setupLock = 0x6166746572777269n;

/**
 * Makes the bookkeeping tables that these tables need, and where `create` is set the tables, if they are missing.
 * @returns what could not be made, and which bookkeeping table this user may not write, each a sentence with the SQL.
 * @throws the database's own errors when they have nothing to do with rights and names.
 */
export async function createMissingTables(
  client: pg.Client,
  schema: string,
  tables: readonly TargetTable[],
  create: boolean,
): Promise<string[]> {
  if (!(await schemaExists(client, schema))) {
    return [`Schema ${quoteName(schema)} is missing: run CREATE SCHEMA ${quoteName(schema)};`];
  }
  const unneeded = unneededTables(tables, { deleted: deletedTable, outbox: outboxTable });
  const bookkeeping = Object.entries(createBookkeeping(schema)).filter(([name]) => !unneeded.has(name));
  const wanted = [
    ...bookkeeping,
    ...(create ? tables : []).map((table) => [table.name, createTable(schema, table)] as const),
  ];
  const problems: string[] = [];
  for (const [name, statement] of wanted) {
    const shape = await readTableShape(client, schema, name);
    if (shape !== undefined) {
      // The tables of the mappings are checked, rights and all, once they all exist.
      if (bookkeeping.some(([own]) => own === name))
        problems.push(...missingRights(qualifiedName(schema, name), shape));
      continue;
    }
    const problem = await tryStatement(client, statement);
    if (problem !== undefined) {
      problems.push(
        `Table ${qualifiedName(schema, name)} is missing and cannot be made (${problem}): run ${statement};`,
      );
    }
  }
  return problems;
}

/**
 * Adds the columns that the tables lack, nullable. A column of the key cannot be added: which rows it would tell apart
 * is for a person to say.
 * @returns what could not be added and is not told by a look at the table, each a sentence.
 */
export async function addMissingColumns(
  client: pg.Client,
  schema: string,
  tables: readonly TargetTable[],
): Promise<string[]> {
  const problems: string[] = [];
  for (const table of tables) {
    const shape = await readTableShape(client, schema, table.name);
    if (shape === undefined || !writableKinds.includes(shape.kind)) continue;
    const keys = table.keyColumns.map(({ name }) => name);
    const added = absentColumns(table, shape).filter(({ name }) => !keys.includes(name));
    if (added.length === 0) continue;
    const name = qualifiedName(schema, table.name);
    const clauses = added.map((column) => `ADD COLUMN IF NOT EXISTS ${quoteName(column.name)} ${column.type}`);
    const problem = await tryStatement(client, `ALTER TABLE ${name} ${clauses.join(', ')}`);
    if (problem !== undefined) problems.push(`Columns cannot be added to table ${name}: ${problem}`);
  }
  return problems;
}

async function schemaExists(client: pg.Client, schema: string): Promise<boolean> {
  const { rowCount } = await client.query('SELECT FROM pg_namespace WHERE nspname = $1', [schema]);
  return rowCount === 1;
}

/** Runs a statement of the setup while no other worker does. @returns why it may not be run. */
async function tryStatement(client: pg.Client, statement: string): Promise<string | undefined> {
  await client.query('BEGIN');
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [setupLock]);
    await client.query(statement);
    await client.query('COMMIT');
    return undefined;
  } catch (error) {
    if (classifyPostgresError(error) !== 'structure') throw error;
    await client.query('ROLLBACK');
    return reasonOf(error);
  }
}
