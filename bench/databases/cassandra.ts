import { Client, concurrent, types } from 'cassandra-driver';
import type { Cleanup } from '../cleanup.ts';
import { startServer } from '../servers.ts';
import type { DatabaseKind } from './database.ts';

const keyspace = 'bench';
/** Of a new node. */
const account = 'cassandra';
const dataCenter = 'datacenter1';

/** Statements in flight on a connection: the sink's default. */
const concurrencyLevel = 128;

export const cassandra: DatabaseKind = {
  label: 'Cassandra',

  async start(cleanup: Cleanup) {
    const address = await startServer(cleanup, 'cassandra');
    const client = await connect(address, 'system');
    await client.execute(
      `CREATE KEYSPACE ${keyspace} WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}`,
    );
    await client.shutdown();
    return address;
  },

  sinkOptions: (address) => ({
    kind: 'cassandra',
    contactPoints: [address],
    localDataCenter: dataCenter,
    user: account,
    password: account,
    keyspace,
  }),

  async look(cleanup, address) {
    const client = await connect(address);
    cleanup.after(() => client.shutdown());
    return async (table, ids) => {
      const query = `SELECT person_id, age FROM ${table} WHERE person_id IN ?`;
      const { rows } = await client.execute(query, [ids], { prepare: true });
      return new Map(rows.map((row) => [String(row['person_id']), Number(row['age'])]));
    };
  },

  async bulkWriter(address, table) {
    const client = await connect(address);
    const query = `INSERT INTO ${table} (person_id, first, last, age) VALUES (?, ?, ?, ?)`;
    return {
      prepare(rows) {
        const parameters = rows.map((row) => [...row]);
        return () => concurrent.executeConcurrent(client, query, parameters, { concurrencyLevel });
      },
      close: () => client.shutdown(),
    };
  },
};

/** Rows are at a quorum of replicas, as the sink's are, when a statement is answered. */
async function connect(address: string, space = keyspace): Promise<Client> {
  const client = new Client({
    contactPoints: [address],
    localDataCenter: dataCenter,
    credentials: { username: account, password: account },
    keyspace: space,
    queryOptions: { consistency: types.consistencies.localQuorum },
  });
  await client.connect();
  return client;
}
