import { Client, type DseClientOptions, errors, policies, types } from 'cassandra-driver';
import type { z } from 'zod';
import { resolveSecrets } from '../../../config/secrets.ts';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import { causesOf } from './errors.ts';
import type { DialectOptions } from '../port.ts';
import type { cassandra } from './options.ts';

export type CassandraConfig = DialectOptions<z.output<typeof cassandra>>;

const consistencies = {
  LOCAL_QUORUM: types.consistencies.localQuorum,
  QUORUM: types.consistencies.quorum,
  EACH_QUORUM: types.consistencies.eachQuorum,
  ALL: types.consistencies.all,
  LOCAL_SERIAL: types.consistencies.localSerial,
  SERIAL: types.consistencies.serial,
};

/** Between two attempts to reach a node again; a session whose statements fail is opened anew before that grows long. */
const reconnection = { baseMs: 1000, maxMs: 5000 };

/** The driver's client, which can be closed whatever became of its connections. */
export class CassandraClient extends Client {
  readonly #contactPoints: string[];

  /** @param localDc the data center whose nodes are asked */
  constructor(options: DseClientOptions & { readonly contactPoints: readonly string[] }, localDc: string) {
    const contactPoints = [...options.contactPoints];
    super({
      ...options,
      contactPoints,
      policies: {
        // Not by the option localDataCenter: the driver would leave a connection open when no node is of that data center.
        loadBalancing: new policies.loadBalancing.DefaultLoadBalancingPolicy({ localDc }),
        reconnection: new policies.reconnection.ExponentialReconnectionPolicy(reconnection.baseMs, reconnection.maxMs),
      },
    });
    this.#contactPoints = contactPoints;
  }

  /** Connects to the first contact point that answers, and finds the other nodes through it. */
  async open(): Promise<void> {
    await this.connect();
    // When no node is left the driver would begin anew with the contact points, and make a second object of each node: the
    // first ones would seek connections for ever, and the second ones too where the client is closed meanwhile. Without
    // contact points it waits for the nodes that it knows; other addresses are found by the next session.
    this.#contactPoints.length = 0;
  }

  /** Never throws. */
  async close(): Promise<void> {
    await this.shutdown().catch(() => undefined);
  }
}

/** Opens connections to the cluster; references to secrets are resolved anew, so that a rotated password takes effect. */
export async function connect(config: CassandraConfig, sink: string): Promise<CassandraClient> {
  const { contactPoints, user, password, ssl } = await resolveSecrets({
    contactPoints: config.contactPoints,
    user: config.user,
    password: config.password,
    ssl: config.ssl,
  });
  const options = {
    contactPoints,
    applicationName: `afterwrite ${sink}`,
    protocolOptions: { port: config.port },
    // The timer of a heartbeat outlives a connection that breaks while it is opened, for ever. TCP's own probes are on, a
    // worker asks for its offsets every second, and an answer that does not come is noticed by its time-out.
    pooling: { heartBeatInterval: 0 },
    encoding: { useBigIntAsLong: true, useBigIntAsVarint: true },
    queryOptions: {
      prepare: true,
      consistency: consistencies[config.consistency],
      serialConsistency: consistencies[config.serialConsistency],
    },
    ...(user === undefined ? {} : { credentials: { username: user, password: password ?? '' } }),
    ...(ssl === undefined || ssl === false
      ? {}
      : { sslOptions: ssl === true ? { rejectUnauthorized: true } : tls(ssl) }),
  };
  const client = new CassandraClient(options, config.localDataCenter);
  try {
    await client.open();
  } catch (error) {
    await client.close();
    throw isMisconfigured(error) ? misconfigured(error) : error;
  }
  return client;
}

/** The consistency of a read that sees, and first completes, a conditional statement in progress. */
export function serialRead(config: CassandraConfig): types.consistencies {
  return consistencies[config.serialConsistency];
}

function tls(ssl: Exclude<NonNullable<CassandraConfig['ssl']>, boolean>) {
  const { ca, cert, key, rejectUnauthorized } = ssl;
  return {
    rejectUnauthorized,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

/** The driver says by an error of this class that the data center has no node. */
function isMisconfigured(error: unknown): error is Error {
  return (
    error instanceof errors.ArgumentError || causesOf(error).some((cause) => cause instanceof errors.ArgumentError)
  );
}

function misconfigured(cause: Error): AfterwriteError {
  return new AfterwriteError('CONFIG_INVALID', `Cassandra cannot be used as the sink says: ${cause.message}`, {
    remedy: 'Set localDataCenter of the sink to the name that nodetool status shows.',
    cause,
  });
}
