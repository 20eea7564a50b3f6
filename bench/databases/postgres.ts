import pg from 'pg';
import { startServer } from '../servers.ts';
import { columnOf, type DatabaseKind } from './database.ts';

export const postgres: DatabaseKind = {
  label: 'PostgreSQL',

  start: (cleanup) => startServer(cleanup, 'postgres'),

  sinkOptions: (url) => ({ kind: 'postgres', url }),

  async look(cleanup, url) {
    const client = await connect(url);
    cleanup.after(() => client.end());
    return async (table, ids) => {
      const text = `SELECT person_id, age FROM ${table} WHERE person_id = ANY ($1::text[])`;
      const { rows } = await client.query<{ person_id: string; age: number }>(text, [ids]);
      return new Map(rows.map(({ person_id: id, age }) => [id, age]));
    };
  },

  async bulkWriter(url, table) {
    const client = await connect(url);
    const text =
      `INSERT INTO ${table} (person_id, first, last, age) ` +
      `SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[]) ` +
      `ON CONFLICT (person_id) DO UPDATE SET first = EXCLUDED.first, last = EXCLUDED.last, age = EXCLUDED.age`;
    return {
      prepare(rows) {
        const values = [0, 1, 2, 3].map((index) => columnOf(rows, index));
        // Without BEGIN, a statement is a transaction.
        return () => client.query({ name: 'upsert', text, values });
      },
      close: () => client.end(),
    };
  },
};

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client(url);
  // A statement in work fails by itself, and an idle connection may go with its server.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
