import oracledb, { type BindDefinition, type Connection } from 'oracledb';
import { serviceEngine } from '../../services/index.ts';
import { startServer } from '../servers.ts';
import type { DatabaseKind } from './database.ts';

/** A figure beside this name says what it was measured on. */
const label = (await serviceEngine()) === 'docker' ? 'Oracle' : 'Oracle stand-in (wire protocol, SQL by H2)';

/** Natively it is a stand-in: the real driver over Oracle's wire protocol, SQL executed by H2 in Oracle mode. */
export const oracle: DatabaseKind = {
  label,

  start: (cleanup) => startServer(cleanup, 'oracle'),

  sinkOptions: (address) => ({ kind: 'oracle', ...partsOf(address) }),

  async look(cleanup, address) {
    const connection = await oracledb.getConnection(partsOf(address));
    cleanup.after(() => connection.close());
    return async (table, ids) => {
      const binds = ids.map((_, index) => `:${index + 1}`).join(', ');
      const sql = `SELECT person_id, age FROM ${table} WHERE person_id IN (${binds})`;
      const { rows = [] } = await connection.execute<[string, number]>(sql, [...ids]);
      return new Map(rows);
    };
  },

  async bulkWriter(address, table) {
    const connection = await oracledb.getConnection(partsOf(address));
    const sql =
      `MERGE INTO ${table} t USING (SELECT :1 AS person_id, :2 AS first, :3 AS last, :4 AS age FROM dual) s ` +
      'ON (t.person_id = s.person_id) ' +
      'WHEN MATCHED THEN UPDATE SET t.first = s.first, t.last = s.last, t.age = s.age ' +
      'WHEN NOT MATCHED THEN INSERT (person_id, first, last, age) VALUES (s.person_id, s.first, s.last, s.age)';
    const text: BindDefinition = { type: oracledb.STRING, maxSize: 128 };
    const bindDefs = [text, text, text, { type: oracledb.NUMBER }];
    return {
      prepare(rows) {
        const binds = rows.map((row) => [...row]);
        return () => connection.executeMany(sql, binds, { bindDefs, autoCommit: true });
      },
      close: () => closed(connection),
    };
  },
};

/** `user/password@host:port/service` */
function partsOf(address: string): { user: string; password: string; connectString: string } {
  const [, user = '', password = '', connectString = ''] = /^([^/]+)\/(.+)@([^@]+)$/.exec(address) ?? [];
  return { user, password, connectString };
}

async function closed(connection: Connection): Promise<void> {
  await connection.close();
}
