import pg from 'pg';
import { shared } from '../servers.ts';
import { uniqueName } from '../names.ts';
import type { Scope } from '../scope.ts';

/** A schema of one's own in a PostgreSQL, gone after the test. */
export interface TestDatabase {
  readonly url: string;
  readonly schema: string;
  readonly client: pg.Client;
  /** The options with which a sink writes here. */
  readonly sinkOptions: { readonly kind: 'postgres'; readonly url: string; readonly schema: string };
  /** Rows of a query, on a connection of its own: the server may have been killed. `$schema` stands for the schema. */
  rows(query: string): Promise<Record<string, unknown>[]>;
}

/** @param url another PostgreSQL than the one that all tests share */
export async function createDatabase(scope: Scope, url = shared('postgres')): Promise<TestDatabase> {
  const schema = uniqueName('sink');
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  await client.query(`CREATE SCHEMA ${schema}`);
  scope.after(async () => {
    // A test that failed may have left a transaction open: better a schema too many than a test that never ends.
    await client.query(`SET lock_timeout = '10s'; DROP SCHEMA ${schema} CASCADE`).catch(() => undefined);
    await client.end();
  });
  const sinkOptions = { kind: 'postgres', url, schema } as const;
  return { url, schema, client, sinkOptions, rows: (query) => rowsOf(url, query.replaceAll('$schema', schema)) };
}

async function rowsOf(url: string, query: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(query)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}
