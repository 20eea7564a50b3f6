import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { addressOf } from '../../clients/redis/index.ts';
import { freePort } from '../../services/ports.ts';
import type { Authority, Certificate } from './certificates.ts';
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
  /** After `kill`, with what it knew. */
  start(): void;
}

/** TLS and passwords of servers and of their Sentinels. */
export interface Secured {
  readonly authority: Authority;
  /** For the address of the servers. */
  readonly certificate: Certificate;
  readonly password: string;
  /** Of `default` at the Sentinels. */
  readonly sentinelPassword: string;
  /** Users of the Sentinels, as their configuration names them. */
  readonly sentinelUsers: readonly string[];
}

export interface WatchedOptions {
  /** Further arguments of each server. */
  readonly args?: readonly string[];
  /** Where all of them listen and find each other, beside 127.0.0.1; 127.0.0.1 unless told. */
  readonly host?: '127.0.0.1' | '::1';
  readonly secured?: Secured;
}

/** A master with two replicas, and the Sentinels that watch them. */
export class WatchedServers {
  readonly servers: readonly TestRedis[];
  readonly sentinels: readonly TestSentinel[];
  /** Follows the master, wherever it is. */
  readonly client: Redis;
  readonly #options: WatchedOptions;
  /** The ports of the servers as the Sentinels tell them. */
  readonly #ports: ReadonlyMap<TestRedis, number>;

  private constructor(
    options: WatchedOptions,
    ports: ReadonlyMap<TestRedis, number>,
    sentinels: readonly TestSentinel[],
    client: Redis,
  ) {
    this.#options = options;
    this.#ports = ports;
    this.servers = [...ports.keys()];
    this.sentinels = sentinels;
    this.client = client;
  }

  static async start(scope: Scope, options: WatchedOptions = {}): Promise<WatchedServers> {
    const { host = '127.0.0.1', secured } = options;
    const ports = new Map<TestRedis, number>();
    const [master, redis] = await startServer(scope, options);
    ports.set(redis, master);
    for (let count = 0; count < 2; count += 1) {
      const [port, replica] = await startServer(scope, options, ['--replicaof', host, String(master)]);
      ports.set(replica, port);
    }
    const sentinels: TestSentinel[] = [];
    for (let count = 0; count < 3; count += 1) sentinels.push(await startSentinel(scope, options, master));
    const tls = tlsOf(secured);
    const client = new Redis({
      name: NAME,
      sentinels: sentinels.map(({ port }) => ({ host, port })),
      sentinelRetryStrategy: () => 100,
      retryStrategy: () => 100,
      maxRetriesPerRequest: 2,
      ...(secured !== undefined && { password: secured.password, sentinelPassword: secured.sentinelPassword }),
      ...(tls !== undefined && { tls, sentinelTLS: tls, enableTLSForSentinelMode: true }),
    });
    client.on('error', () => undefined);
    scope.after(async () => {
      client.disconnect();
      await Promise.resolve();
    });
    const all = new WatchedServers(options, ports, sentinels, client);
    await until('Sentinels that know each other and both replicas', async () => {
      const facts = await Promise.all(sentinels.map((sentinel) => all.tell(sentinel, 'MASTER', NAME)));
      return facts.every((one) => one.includes('num-slaves,2') && one.includes('num-other-sentinels,2'));
    });
    return all;
  }

  /** As a source's configuration has it. */
  get config(): { readonly name: string; readonly sentinels: readonly string[] } {
    const { host = '127.0.0.1' } = this.#options;
    return { name: NAME, sentinels: this.sentinels.map(({ port }) => addressOf({ host, port })) };
  }

  /** The server that the last of the Sentinels takes for the master. */
  async master(): Promise<TestRedis> {
    const { host = '127.0.0.1' } = this.#options;
    const last = this.sentinels.at(-1);
    const told = last === undefined ? '' : await this.tell(last, 'GET-MASTER-ADDR-BY-NAME', NAME);
    const found = this.servers.find((server) => told === `${host},${this.#ports.get(server)}`);
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
    return await this.#ask(sentinel, 'SENTINEL', command);
  }

  /** Adds a user to a Sentinel. @param rule its name and rights, as ACL SETUSER takes them */
  async addUser(sentinel: TestSentinel, rule: string): Promise<void> {
    await this.#ask(sentinel, 'ACL', ['SETUSER', ...rule.split(' ')]);
  }

  async #ask({ port }: TestSentinel, name: string, args: readonly string[]): Promise<string> {
    const { host = '127.0.0.1', secured } = this.#options;
    const tls = tlsOf(secured);
    const client = new Redis({
      port,
      host,
      lazyConnect: true,
      retryStrategy: null,
      ...(secured !== undefined && { password: secured.sentinelPassword }),
      ...(tls !== undefined && { tls }),
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return String(await client.call(name, ...args));
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

function tlsOf(secured: Secured | undefined): { readonly ca: Buffer } | undefined {
  return secured && { ca: secured.authority.certificate.cert };
}

/** TLS and nothing else, but for the port that the harness asks whether a server is up. */
function tlsSettings(port: number, { authority, certificate }: Secured): Readonly<Record<string, string>> {
  return {
    'tls-port': String(port),
    'tls-cert-file': certificate.certFile,
    'tls-key-file': certificate.keyFile,
    'tls-ca-cert-file': authority.certificate.certFile,
    'tls-auth-clients': 'no',
    'tls-replication': 'yes',
  };
}

/** @returns its port as the Sentinels are to tell it, and the server */
async function startServer(
  scope: Scope,
  { args = [], host = '127.0.0.1', secured }: WatchedOptions,
  more: readonly string[] = [],
): Promise<[number, TestRedis]> {
  const bind = host === '127.0.0.1' ? [] : ['--bind', '127.0.0.1', host];
  if (secured === undefined) {
    const redis = await startRedis(scope, [...bind, ...args, ...more]);
    return [redis.port, redis];
  }
  const { password } = secured;
  const port = await freePort();
  const settings = { ...tlsSettings(port, secured), requirepass: password, masterauth: password };
  const own = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  return [port, await startRedis(scope, [...bind, ...own, ...args, ...more], { password })];
}

async function startSentinel(
  scope: Scope,
  { host = '127.0.0.1', secured }: WatchedOptions,
  master: number,
): Promise<TestSentinel> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-sentinel-'));
  const file = join(folder, 'sentinel.conf');
  const watched = [
    `monitor ${NAME} ${host} ${master} 2`,
    // Busy machines are slow to answer, and are not down.
    `down-after-milliseconds ${NAME} 3000`,
    `failover-timeout ${NAME} 10000`,
    `parallel-syncs ${NAME} 2`,
    ...(secured === undefined ? [] : [`auth-pass ${NAME} ${secured.password}`]),
  ];
  const own = [`bind ${host}`, `dir ${folder}`];
  if (secured === undefined) own.push(`port ${port}`);
  else {
    const settings = Object.entries(tlsSettings(port, secured)).map(([name, value]) => `${name} ${value}`);
    own.push('port 0', ...settings, `requirepass ${secured.sentinelPassword}`, ...secured.sentinelUsers);
  }
  await writeFile(file, [...own, ...watched.map((line) => `sentinel ${line}`), ''].join('\n'));
  let child: ChildProcess;
  let ended: Promise<unknown>;
  const start = (): void => {
    child = spawn(...endingWithUs('redis-server', [file, '--sentinel']), { stdio: 'ignore' });
    ended = once(child, 'exit');
  };
  start();
  const kill = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  };
  scope.after(async () => {
    await kill();
    await rm(folder, { recursive: true, force: true });
  });
  return { port, kill, start };
}
