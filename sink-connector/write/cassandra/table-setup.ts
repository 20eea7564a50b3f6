import type { Client } from 'cassandra-driver';
import { reasonOf } from '../../../ops/errors/index.ts';
import type { SetupOptions, TargetTable } from '../port.ts';
import { qualifiedName, quoteName } from '../sql/quoted-name.ts';
import type { CassandraConfig } from './connection.ts';
import { classifyCassandraError } from './errors.ts';
import {
  addColumn,
  createKeyspace,
  createOffsets,
  createOutbox,
  createTable,
  offsetsTable,
  outboxTable,
} from './statements.ts';
import { missingColumns } from './table-check.ts';
import { keyspaceExists, readTableShape } from './table-shape.ts';

/**
 * Makes the bookkeeping tables, and whatever else is missing and the options allow. Two workers that start together send
 * the same statements; each of them does nothing where it has been done.
 * @returns what could not be made, each a sentence with the CQL.
 * @throws errors that have nothing to do with rights and names.
 */
export async function setUpTables(
  client: Client,
  { keyspace, replication }: CassandraConfig,
  tables: readonly TargetTable[],
  { create, evolve }: SetupOptions,
): Promise<string[]> {
  if (!(await keyspaceExists(client, keyspace))) {
    const example = createKeyspace(
      keyspace,
      replication ?? { class: 'NetworkTopologyStrategy', replication_factor: 3 },
    );
    if (!create || replication === undefined) {
      return [`Keyspace ${quoteName(keyspace)} is missing: set create: true and replication, or run ${example};`];
    }
    const problem = await tryDefine(client, example);
    if (problem !== undefined)
      return [`Keyspace ${quoteName(keyspace)} is missing and cannot be made (${problem}): run ${example};`];
  }
  const wanted = [
    [offsetsTable, createOffsets(keyspace)] as const,
    ...(tables.some(({ acknowledges }) => acknowledges === true)
      ? [[outboxTable, createOutbox(keyspace)] as const]
      : []),
    ...(create ? tables : []).map((table) => [table.name, createTable(keyspace, table)] as const),
  ];
  const problems: string[] = [];
  for (const [name, statement] of wanted) {
    if ((await readTableShape(client, keyspace, name)) !== undefined) continue;
    const problem = await tryDefine(client, statement);
    if (problem === undefined) continue;
    problems.push(
      `Table ${qualifiedName(keyspace, name)} is missing and cannot be made (${problem}): run ${statement};`,
    );
  }
  if (evolve) for (const table of tables) problems.push(...(await addMissing(client, keyspace, table)));
  return problems;
}

/** Key columns cannot be added; whatever is still missing afterwards is told by the check. */
async function addMissing(client: Client, keyspace: string, table: TargetTable): Promise<string[]> {
  const shape = await readTableShape(client, keyspace, table.name);
  if (shape === undefined) return [];
  const keys = table.keyColumns.map(({ name }) => name);
  const problems: string[] = [];
  for (const { column, type } of missingColumns(table, shape).filter((missing) => !keys.includes(missing.column))) {
    const statement = addColumn(keyspace, table.name, column, type);
    const problem = await tryDefine(client, statement);
    if (problem === undefined) continue;
    // Another worker was faster.
    if ((await readTableShape(client, keyspace, table.name))?.columns.has(column) === true) continue;
    problems.push(
      `Column ${quoteName(column)} of table ${qualifiedName(keyspace, table.name)} is missing and cannot be made ` +
        `(${problem}): run ${statement};`,
    );
  }
  return problems;
}

/** Returns when all nodes know. @returns why the statement is not accepted */
async function tryDefine(client: Client, statement: string): Promise<string | undefined> {
  try {
    await client.execute(statement, [], { prepare: false });
    return undefined;
  } catch (error) {
    if (classifyCassandraError(error) === 'outage') throw error;
    return reasonOf(error);
  }
}
