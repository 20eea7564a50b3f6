import { Redis, type RedisOptions } from 'ioredis';
import type { RunningService } from '../../services/index.ts';
import type { Scope } from './scope.ts';
import { startPrivate } from './servers.ts';
import { until } from './until.ts';

export interface TestRedis {
  readonly port: number;
  readonly url: string;
  /** Reconnects by itself, also after a kill. */
  readonly client: Redis;
  /** The server: `kill`, `stop`, `start`. */
  readonly server: RunningService;
}

/** What makes a Redis fit for tests: a full resync starts at once, and DEBUG (to make rare encodings) is allowed. */
const testArgs = [
  '--save',
  '',
  '--appendonly',
  'no',
  '--repl-diskless-sync-delay',
  '0',
  '--enable-debug-command',
  'yes',
];

/**
 * A real, empty Redis server on a free port, with a client; both end with the test.
 *
 * @param args further arguments of redis-server; they come last and so win
 * @param options what differs in the client, which has a command that met a kill wait for the server to be back
 */
export async function startRedis(
  scope: Scope,
  args: readonly string[] = [],
  options: RedisOptions = {},
): Promise<TestRedis> {
  const server = await startPrivate(scope, 'redis', { args: [...testArgs, ...args] });
  const client = new Redis(server.port, '127.0.0.1', {
    maxRetriesPerRequest: null,
    retryStrategy: () => 50,
    ...options,
  });
  // A server that is killed on purpose is no news.
  client.on('error', () => undefined);
  scope.after(async () => {
    client.disconnect();
    await Promise.resolve();
  });
  return { port: server.port, url: server.address, client, server };
}

/** Waits until a master holds less than a megabyte back for any replica: a writer that does so is no faster than they read. */
export async function repliesDrained({ client }: TestRedis): Promise<void> {
  await until('replicas that read', async () => {
    const list = String(await client.call('CLIENT', 'LIST', 'TYPE', 'replica'));
    return [...list.matchAll(/ omem=(\d+)/g)].every(([, bytes]) => Number(bytes) < 1_000_000);
  });
}

/** The replicas that a master has, by the ids of their connections. */
export async function replicasOf({ client }: TestRedis): Promise<string[]> {
  const list = String(await client.call('CLIENT', 'LIST', 'TYPE', 'replica'));
  return [...list.matchAll(/^id=(\d+)/gm)].map((found) => found[1] ?? '');
}
