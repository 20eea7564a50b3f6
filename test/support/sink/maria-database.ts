import { createConnection } from 'mysql2/promise';
import { shared } from '../servers.ts';
import { uniqueName } from '../names.ts';
import type { Scope } from '../scope.ts';

/** A database of one's own in the MariaDB that all tests share, gone after the test. */
export interface TestMariaDatabase {
  /** The options with which a sink writes here. */
  readonly sinkOptions: { readonly kind: 'mysql'; readonly url: string };
  /** Rows of a query in this database, each as its values with blanks between them. */
  rows(query: string): Promise<string[]>;
}

export async function createMariaDatabase(scope: Scope): Promise<TestMariaDatabase> {
  const name = uniqueName('sink');
  const connection = await createConnection({ uri: shared('mariadb') });
  await connection.query(`CREATE DATABASE ${name}`);
  await connection.query(`USE ${name}`);
  scope.after(async () => {
    await connection.query(`DROP DATABASE ${name}`);
    await connection.end();
  });
  return {
    sinkOptions: { kind: 'mysql', url: new URL(`/${name}`, shared('mariadb')).href },
    rows: async (query) => {
      const [found] = await connection.query({ sql: query, rowsAsArray: true });
      return Array.isArray(found) ? found.map((row) => (Array.isArray(row) ? row.map(String).join(' ') : '')) : [];
    },
  };
}
