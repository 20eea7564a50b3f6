import { Client, type DseClientOptions, errors, type Host, policies, types } from 'cassandra-driver';
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

/** The nodes of one data center, and every object that the driver made of one and connected. */
class Nodes extends policies.loadBalancing.DefaultLoadBalancingPolicy {
  readonly #known = new Set<Host>();

  override getDistance(host: Host): types.distance {
    this.#known.add(host);
    return super.getDistance(host);
  }

  /** Ends what the driver began for them, by a function of which its types do not tell. */
  async end(): Promise<void> {
    for (const host of this.#known) {
      const end: unknown = Reflect.get(host, 'shutdown');
      if (typeof end === 'function') await Reflect.apply(end, host, [false]);
    }
  }
}

/** The driver's client, which can be closed whatever became of its connections. */
export class CassandraClient extends Client {
  readonly #nodes: Nodes;

  /** @param localDc the data center whose nodes are asked */
  constructor(options: DseClientOptions, localDc: string) {
    // Not by the option localDataCenter: the driver would leave a connection open when no node is of that data center.
    const nodes = new Nodes({ localDc });
    super({ ...options, policies: { loadBalancing: nodes } });
    this.#nodes = nodes;
  }

  /**
   * Never throws. After a broken connection the driver may have made a second object of a node: it ends that one only,
   * and the first one would seek connections for ever, and keep the process.
   */
  async close(): Promise<void> {
    await this.shutdown().catch(() => undefined);
    await this.#nodes.end().catch(() => undefined);
  }
}

/** Opens connections to the cluster; references to secrets are resolved anew, so that a rotated password takes effect. */
export async function connect(config: CassandraConfig, sink: string): Promise<CassandraClient> {
  const { contactPoints, user, password, ssl } = resolveSecrets({
    contactPoints: config.contactPoints,
    user: config.user,
    password: config.password,
    ssl: config.ssl,
  });
  const options: DseClientOptions = {
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
    await client.connect();
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
