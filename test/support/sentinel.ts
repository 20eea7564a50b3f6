import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from '../../services/ports.ts';
import { endingWithUs } from './processes.ts';
import { startRedis, type TestRedis } from './redis.ts';
import type { Scope } from './scope.ts';
import { until } from './until.ts';

const NAME = 'shop';

/** One Sentinel. */
export interface TestSentinel {
  readonly port: number;
  /** kill -9. */
  kill(): Promise<void>;
}

/** A master with two replicas, and the Sentinels that watch them. */
export class WatchedServers {
  readonly servers: readonly TestRedis[];
  readonly sentinels: readonly TestSentinel[];
  /** Follows the master, wherever it is. */
  readonly client: Redis;

  private constructor(servers: readonly TestRedis[], sentinels: readonly TestSentinel[], client: Redis) {
    this.servers = servers;
    this.sentinels = sentinels;
    this.client = client;
  }

  static async start(scope: Scope, args: readonly string[] = []): Promise<WatchedServers> {
    const first = await startRedis(scope, args);
    const replicaOf = ['--replicaof', '127.0.0.1', String(first.port)];
    const others = [await startRedis(scope, [...args, ...replicaOf]), await startRedis(scope, [...args, ...replicaOf])];
    const sentinels: TestSentinel[] = [];
    for (let count = 0; count < 3; count += 1) sentinels.push(await startSentinel(scope, first.port));
    const client = new Redis({
      name: NAME,
      sentinels: sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
      sentinelRetryStrategy: () => 100,
      retryStrategy: () => 100,
      maxRetriesPerRequest: 2,
    });
    client.on('error', () => undefined);
    scope.after(async () => {
      client.disconnect();
      await Promise.resolve();
    });
    const all = new WatchedServers([first, ...others], sentinels, client);
    await until('Sentinels that know each other and both replicas', async () => {
      const facts = await Promise.all(sentinels.map((sentinel) => all.tell(sentinel, 'MASTER', NAME)));
      return facts.every((one) => one.includes('num-slaves,2') && one.includes('num-other-sentinels,2'));
    });
    return all;
  }

  /** As a source's configuration has it. */
  get config(): { readonly name: string; readonly sentinels: readonly string[] } {
    return { name: NAME, sentinels: this.sentinels.map(({ port }) => `127.0.0.1:${port}`) };
  }

  /** The server that the last of the Sentinels takes for the master. */
  async master(): Promise<TestRedis> {
    const last = this.sentinels.at(-1);
    const told = last === undefined ? '' : await this.tell(last, 'GET-MASTER-ADDR-BY-NAME', NAME);
    const found = this.servers.find(({ port }) => told === `127.0.0.1,${port}`);
    if (found === undefined) throw new Error(`no server of this test is the master: ${told}`);
    return found;
  }

  /** Waits until another server than this one is the master, and says so itself. */
  async promoted(before: TestRedis): Promise<TestRedis> {
    return await until(
      'another master',
      async () => {
        const master = await this.master();
        if (master === before) return undefined;
        return (await master.client.info('replication')).includes('role:master') && master;
      },
      { timeoutMs: 90_000, everyMs: 100 },
    );
  }

  /** What a Sentinel answers, as a text. */
  async tell(sentinel: TestSentinel, ...command: readonly string[]): Promise<string> {
    const client = new Redis(sentinel.port, '127.0.0.1', { lazyConnect: true, retryStrategy: null });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return String(await client.call('SENTINEL', ...command));
    } finally {
      client.disconnect();
    }
  }

  /** Has the Sentinels promote a replica of a master that is well. */
  async failOver(): Promise<void> {
    const [first] = this.sentinels;
    if (first === undefined) throw new Error('there is no Sentinel');
    await until('a failover that begins', () => this.tell(first, 'FAILOVER', NAME), { everyMs: 500 });
  }
}

async function startSentinel(scope: Scope, master: number): Promise<TestSentinel> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-sentinel-'));
  const file = join(folder, 'sentinel.conf');
  const watched = [
    `monitor ${NAME} 127.0.0.1 ${master} 2`,
    // Busy machines are slow to answer, and are not down.
    `down-after-milliseconds ${NAME} 3000`,
    `failover-timeout ${NAME} 10000`,
    `parallel-syncs ${NAME} 2`,
  ];
  const own = [`bind 127.0.0.1`, `port ${port}`, `dir ${folder}`];
  await writeFile(file, [...own, ...watched.map((line) => `sentinel ${line}`), ''].join('\n'));
  const child = spawn(...endingWithUs('redis-server', [file, '--sentinel']), { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const kill = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  };
  scope.after(async () => {
    await kill();
    await rm(folder, { recursive: true, force: true });
  });
  return { port, kill };
}
