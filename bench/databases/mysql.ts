import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { startServer } from '../servers.ts';
import type { DatabaseKind } from './database.ts';

/** MariaDB stands for MySQL as well. */
export const mysql: DatabaseKind = {
  label: 'MariaDB',

  start: (cleanup) => startServer(cleanup, 'mariadb'),

  sinkOptions: (url) => ({ kind: 'mysql', url }),

  async look(cleanup, url) {
    const connection = await createConnection(url);
    cleanup.after(() => connection.end());
    return async (table, ids) => {
      const [rows] = await connection.query<RowDataPacket[]>({
        sql: `SELECT person_id, age FROM ${table} WHERE person_id IN (?)`,
        values: [ids],
        // The sink's key columns may hold bytes, which are texts of ASCII here.
        typeCast: (field) => field.string(),
      });
      return new Map(rows.map(({ person_id: id, age }) => [String(id), Number(age)]));
    };
  },

  async bulkWriter(url, table) {
    const connection = await createConnection(url);
    const sql =
      `INSERT INTO ${table} (person_id, first, last, age) VALUES ? ` +
      `ON DUPLICATE KEY UPDATE first = VALUES(first), last = VALUES(last), age = VALUES(age)`;
    return {
      // With autocommit, a statement is a transaction.
      prepare: (rows) => () => connection.query({ sql, values: [rows] }),
      close: () => connection.end(),
    };
  },
};
