import pg from 'pg';
import type { Cleanup } from '../cleanup.ts';
import { loadDatabaseKind, type DatabaseKind } from '../databases/index.ts';
import type { Servers } from '../servers.ts';
import { makeSetup, type Setup } from '../setup.ts';
import type { Plan } from './plan.ts';

/** The sink that is measured, and the one that tells how to write the same rows without a sink. */
export const sinkName = 'warehouse';
export const rawSinkName = 'raw';
/** Names the mapping and the prefix of the keys. */
export const mappingName = 'person';

/** Where the pipeline ends. */
export interface Database {
  readonly kind: DatabaseKind;
  readonly address: string;
  readonly pool: pg.Pool;
}

export async function startDatabase(cleanup: Cleanup, servers: Servers): Promise<Database> {
  const kind = await loadDatabaseKind('postgres');
  const address = await kind.start(cleanup, servers.folder);
  const pool = new pg.Pool({ connectionString: address, max: 2 });
  // Its connections may still be closing when the server is stopped, and say so.
  pool.on('error', () => undefined);
  cleanup.after(() => pool.end());
  return { kind, address, pool };
}

/** A pipeline with a table of the same name. */
export function makePipeline(
  servers: Servers,
  { kind, address }: Database,
  redis: string,
  pipeline: string,
  { sourceBatch, sinkBatch }: Plan,
): Promise<Setup> {
  const sinkOf = (table: string) => ({
    ...kind.sinkOptions(address),
    batch: { rows: sinkBatch },
    tables: { [mappingName]: { name: table } },
  });
  const sinks = { [sinkName]: sinkOf(pipeline), [rawSinkName]: sinkOf(rawTableOf(pipeline)) };
  return makeSetup(servers, { pipeline, redis, mappings: [mappingName], sourceBatch, sinks });
}

/** The table that is written without a sink. */
export function rawTableOf(pipeline: string): string {
  return `${pipeline}_raw`;
}
