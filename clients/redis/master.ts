import { AfterwriteError } from '../../ops/errors/index.ts';
import type { ClientLimits } from './client.ts';
import { ControlConnection } from './control.ts';
import { addressOf, type RedisEndpoint } from './endpoint.ts';
import { roleOf } from './server.ts';

/** Replicas of replicas are followed up to here. */
const MOST_HOPS = 8;

/**
 * A connection to the master of the data that a server has: to the server itself, or, with the same credentials, to the
 * one that it names as its master.
 * @throws AfterwriteError as ControlConnection.open and roleOf; REDIS_LOADING where no master is found
 */
export async function openMaster(endpoint: RedisEndpoint, limits: ClientLimits = {}): Promise<ControlConnection> {
  let next = endpoint;
  for (let hops = 0; hops <= MOST_HOPS; hops++) {
    const connection = await ControlConnection.open(next, limits);
    try {
      const role = await roleOf(connection);
      if (role.kind === 'master') return connection;
      if (role.kind === 'sentinel') break;
      next = { ...next, host: role.masterHost, port: role.masterPort };
    } catch (error) {
      connection.close();
      throw error;
    }
    connection.close();
  }
  throw new AfterwriteError('REDIS_LOADING', `no master within ${MOST_HOPS} steps of replication`, {
    where: { redis: addressOf(endpoint) },
  });
}
