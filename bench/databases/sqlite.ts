import { join } from 'node:path';
import Database from 'libsql';
import type { DatabaseKind } from './database.ts';

/** The settings of the sink: what is committed survives a power loss. */
const settings = 'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000';

/** The driver works inside the process: batches of several partitions are written one after another. */
export const sqlite: DatabaseKind = {
  label: 'SQLite',

  start: (_, folder) => Promise.resolve(join(folder, 'sink.db')),

  sinkOptions: (path) => ({ kind: 'sqlite', path }),

  look(cleanup, path) {
    const database = open(path);
    cleanup.after(() => {
      database.close();
      return Promise.resolve();
    });
    return Promise.resolve((table, ids) => {
      const marks = ids.map(() => '?').join(', ');
      const statement = database.prepare(`SELECT person_id, age FROM ${table} WHERE person_id IN (${marks})`);
      const rows = statement.raw().all([...ids]);
      const ages = rows.flatMap((row): [string, number][] =>
        Array.isArray(row) ? [[String(row[0]), Number(row[1])]] : [],
      );
      return Promise.resolve(new Map(ages));
    });
  },

  bulkWriter(path, table) {
    const database = open(path);
    const upsert = database.prepare(
      `INSERT INTO ${table} (person_id, first, last, age) VALUES (?, ?, ?, ?) ON CONFLICT (person_id) ` +
        `DO UPDATE SET first = excluded.first, last = excluded.last, age = excluded.age`,
    );
    return Promise.resolve({
      prepare(rows) {
        const parameters = rows.map((row) => [...row]);
        return () => {
          database.exec('BEGIN IMMEDIATE');
          for (const row of parameters) upsert.run(row);
          database.exec('COMMIT');
          return Promise.resolve();
        };
      },
      close() {
        database.close();
        return Promise.resolve();
      },
    });
  },
};

function open(path: string): Database.Database {
  const database = new Database(path);
  database.exec(settings);
  return database;
}
