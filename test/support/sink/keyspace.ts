import { Client, type ClientOptions, type types } from 'cassandra-driver';
import type { CassandraConfig } from '../../../sink-connector/write/cassandra/connection.ts';
import { uniqueName } from '../names.ts';
import { shared } from '../servers.ts';

/** The superuser of a node for tests, and its password. */
const superuser = 'cassandra';

/** A keyspace of one's own in a Cassandra. */
export interface TestKeyspace {
  readonly keyspace: string;
  /** host:port of the node. */
  readonly address: string;
  /** The options of a sink that writes it. */
  readonly options: CassandraConfig;
  /**
   * Rows of a query as plain objects of the driver's values, on a connection of its own: the server may have been killed.
   * Names without a keyspace are meant in this one, and `$keyspace` stands for it.
   */
  readonly rows: (query: string) => Promise<Record<string, unknown>[]>;
  /** Whether a role gets in with this password. */
  readonly canLogIn: (user: string, password: string) => Promise<boolean>;
}

export interface KeyspaceOptions {
  /** How many nodes should hold each row; there is one. */
  readonly replicas?: number;
  /** Another node than the one that all tests share. */
  readonly address?: string;
}

/** Dropping one costs Cassandra more than keeping it until the server goes. */
export async function createKeyspace({
  replicas = 1,
  address = shared('cassandra'),
}: KeyspaceOptions = {}): Promise<TestKeyspace> {
  const keyspace = uniqueName('sink');
  const replication = { class: 'SimpleStrategy', replication_factor: replicas };
  const contact = { contactPoints: [address], localDataCenter: 'datacenter1' };
  await rowsOf(
    contact,
    `CREATE KEYSPACE ${keyspace} WITH replication = {'class': 'SimpleStrategy', 'replication_factor': ${replicas}}`,
  );
  const options: CassandraConfig = {
    kind: 'cassandra',
    ...contact,
    port: 9042,
    user: superuser,
    password: superuser,
    keyspace,
    replication,
    consistency: 'LOCAL_QUORUM',
    serialConsistency: 'LOCAL_SERIAL',
    nulls: 'write',
    concurrency: 128,
    create: true,
    evolve: false,
    batch: { rows: 100, bytes: 1_000_000, linger: 0 },
    http: { host: '127.0.0.1', port: 0 },
  };
  return {
    keyspace,
    address,
    options,
    rows: (query) => rowsOf({ ...contact, keyspace }, query.replaceAll('$keyspace', keyspace)),
    canLogIn: (username, password) =>
      onClient({ ...contact, credentials: { username, password } }, () => Promise.resolve(true)).catch(() => false),
  };
}

async function rowsOf(contact: ClientOptions, query: string): Promise<Record<string, unknown>[]> {
  const credentials = { username: superuser, password: superuser };
  const encoding = { useBigIntAsLong: true, useBigIntAsVarint: true };
  return await onClient({ ...contact, credentials, encoding }, async (client) => {
    const result = await client.execute(query, [], { fetchSize: 0 });
    // What defines a table has no rows at all, which its type does not say.
    return [...result].map((row) => Object.fromEntries(row.keys().map((name) => [name, valueOf(row, name)])));
  });
}

async function onClient<T>(options: ClientOptions, action: (client: Client) => Promise<T>): Promise<T> {
  // A node that has made many tables on a busy machine takes its time for the next one.
  const client = new Client({ ...options, socketOptions: { readTimeout: 60_000 } });
  try {
    await client.connect();
    return await action(client);
  } finally {
    await client.shutdown();
  }
}

function valueOf(row: types.Row, name: string): unknown {
  const value: unknown = row.get(name);
  return value;
}
