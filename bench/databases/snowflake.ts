import type { Connection } from 'snowflake-sdk';
import { loadSnowflake } from '../../sink-connector/write/snowflake/connection.ts';
import { startServer } from '../servers.ts';
import type { DatabaseKind } from './database.ts';

const driver = await loadSnowflake();

const login = { account: 'emulator', warehouse: 'BENCH', database: 'AFTERWRITE' };
const account = { user: 'afterwrite', password: 'afterwrite' };
const schema = 'BENCH';

/** No Snowflake can be installed: both sides talk to the same emulator, and its speed is not Snowflake's. */
export const snowflake: DatabaseKind = {
  label: 'Snowflake (the emulator fakesnow, on DuckDB)',

  async start(cleanup) {
    const url = await startServer(cleanup, 'snowflake');
    const connection = await connect(url);
    await execute(connection, `CREATE SCHEMA IF NOT EXISTS ${login.database}.${schema}`);
    await end(connection);
    return url;
  },

  sinkOptions: (url) => ({ kind: 'snowflake', url, ...login, ...account, schema }),

  async look(cleanup, url) {
    const connection = await connect(url);
    cleanup.after(() => end(connection));
    return async (table, ids) => {
      const wanted = ids.map((id) => `'${id}'`).join(', ');
      const sql = `SELECT person_id, age FROM ${schema}.${table} WHERE person_id IN (${wanted})`;
      return new Map((await execute(connection, sql)).map(([id, age]) => [String(id), Number(age)]));
    };
  },

  async bulkWriter(url, table) {
    const connection = await connect(url);
    const merge =
      `MERGE INTO ${schema}.${table} AS t USING (SELECT value[0]::VARCHAR AS id, value[1]::VARCHAR AS first, ` +
      `value[2]::VARCHAR AS last, CAST(value[3]::VARCHAR AS INTEGER) AS age FROM TABLE(FLATTEN(PARSE_JSON(?)))) AS s ` +
      `ON t.person_id = s.id WHEN MATCHED THEN UPDATE SET first = s.first, last = s.last, age = s.age ` +
      `WHEN NOT MATCHED THEN INSERT (person_id, first, last, age) VALUES (s.id, s.first, s.last, s.age)`;
    return {
      prepare(rows) {
        const json = JSON.stringify(rows);
        // With autocommit, a statement is a transaction.
        return () => execute(connection, merge, [json]);
      },
      close: () => end(connection),
    };
  },
};

async function connect(accessUrl: string): Promise<Connection> {
  const { user: username, password } = account;
  const connection = driver.createConnection({ ...login, accessUrl, username, password, schema });
  await new Promise<void>((resolve, reject) => {
    connection.connect((error) => {
      if (error) reject(error);
      else resolve();
    });
  });
  return connection;
}

async function execute(connection: Connection, sqlText: string, binds: readonly string[] = []): Promise<unknown[][]> {
  return await new Promise((resolve, reject) => {
    connection.execute({
      sqlText,
      binds,
      rowMode: 'array',
      complete: (error, _, rows) => {
        if (error) reject(error);
        else resolve((rows ?? []).map((row: unknown): unknown[] => (Array.isArray(row) ? row : [])));
      },
    });
  });
}

async function end(connection: Connection): Promise<void> {
  await new Promise<void>((resolve) => {
    connection.destroy(() => {
      resolve();
    });
  });
}
