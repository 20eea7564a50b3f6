import { sinkKinds } from '../../sink-connector/write/registry.ts';
import type { DatabaseKind } from './database.ts';

export type { BulkRow, BulkWriter, DatabaseKind, Look } from './database.ts';

/** Kinds of sinks and how a benchmark uses their databases; a new one is its file and its line here. */
const kinds: ReadonlyMap<string, () => Promise<DatabaseKind>> = new Map([
  ['postgres', async () => (await import('./postgres.ts')).postgres],
  ['mysql', async () => (await import('./mysql.ts')).mysql],
  ['oracle', async () => (await import('./oracle.ts')).oracle],
  ['sqlite', async () => (await import('./sqlite.ts')).sqlite],
  ['snowflake', async () => (await import('./snowflake.ts')).snowflake],
  ['cassandra', async () => (await import('./cassandra.ts')).cassandra],
]);

/** What can be measured: the kinds that sinks write, where something is known of them here. */
export const databaseKinds: readonly string[] = sinkKinds.filter((name) => kinds.has(name));

/** @param name of a kind of sink */
export async function loadDatabaseKind(name: string): Promise<DatabaseKind> {
  const load = kinds.get(name);
  if (load === undefined)
    throw new RangeError(`there is no benchmark of ${name}: ${databaseKinds.join(', ')} have one`);
  return await load();
}
