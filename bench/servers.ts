import { rm } from 'node:fs/promises';
import { Redis } from 'ioredis';
import type { KafkaClientOptions } from '../clients/kafka/index.ts';
import { temporaryFolder } from '../services/folders.ts';
import { startService, type ServiceName } from '../services/index.ts';
import type { Cleanup } from './cleanup.ts';

/** Private servers that every benchmark needs, and clients of them. */
export interface Servers {
  readonly kafka: { readonly address: string; readonly client: KafkaClientOptions };
  readonly registry: string;
  readonly redis: RedisServer;
  /** For configurations, logs and the source's state. */
  readonly folder: string;
}

export interface RedisServer {
  readonly url: string;
  readonly client: Redis;
}

/** Starts what stands before the databases. */
export async function startServers(cleanup: Cleanup): Promise<Servers> {
  const folder = await temporaryFolder('bench');
  cleanup.after(() => rm(folder, { recursive: true, force: true }));
  const [address, registry, redis] = await Promise.all([
    startServer(cleanup, 'kafka'),
    startServer(cleanup, 'registry'),
    startRedis(cleanup),
  ]);
  const client = { resolve: () => Promise.resolve({ brokers: [address], clientId: 'afterwrite-bench' }) };
  return { kafka: { address, client }, registry, redis, folder };
}

/** Starts a server of one's own. @returns its address */
export async function startServer(cleanup: Cleanup, name: ServiceName): Promise<string> {
  const server = await startService(name);
  cleanup.after(() => server.dispose());
  return server.address;
}

/** Redis without a disk, whose backlog holds all that is written while the source is away. */
export async function startRedis(cleanup: Cleanup): Promise<RedisServer> {
  const memoryOnly = ['--save', '', '--appendonly', 'no'];
  const replication = ['--repl-diskless-sync-delay', '0', '--repl-backlog-size', '1gb'];
  const server = await startService('redis', { args: [...memoryOnly, ...replication] });
  cleanup.after(() => server.dispose());
  const client = new Redis(server.port, '127.0.0.1', { maxRetriesPerRequest: null });
  cleanup.after(() => {
    client.disconnect();
    return Promise.resolve();
  });
  return { url: server.address, client };
}
