import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { AfterwriteError } from '../ops/errors/index.ts';
import { isRoot } from './folders.ts';
import { installPackages } from './native/apt.ts';
import { lastLines, run } from './programs.ts';
import type { Launch, Place, Service } from './service.ts';

/** User, password and database, in the container as well. A password, so that a wrong one can be tried. */
const account = 'afterwrite';

/** PostgreSQL, with the superuser `afterwrite`, password `afterwrite`, and a database of the same name. */
export const postgres: Service = {
  name: 'postgres',
  version: '15',
  image: 'postgres:15.14',
  containerPort: 5432,
  usualPort: 5432,
  variable: 'AFTERWRITE_TEST_POSTGRES',
  // "Fast shutdown": SIGTERM would wait for the clients to leave.
  stopSignal: 'SIGINT',

  address: (port) => `postgres://${account}:${account}@127.0.0.1:${port}/${account}`,

  async install() {
    if (programs() === undefined) await installPackages(['postgresql'], ['postgresql']);
  },

  async launch({ folder, port, args }: Place): Promise<Launch> {
    const command = join(programs() ?? '/usr/lib/postgresql/15/bin', 'postgres');
    const data = join(folder, 'data');
    if (!existsSync(data)) await initialise(folder, data);
    const own = ['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1'];
    const settings = ['unix_socket_directories=', 'dynamic_shared_memory_type=mmap', 'max_connections=200'];
    return {
      command,
      args: [...own, ...settings.flatMap((setting) => ['-c', setting]), ...args],
      ...(isRoot() && { user: 'postgres' }),
    };
  },

  async ready(port) {
    const client = new Client({ connectionString: this.address(port), connectionTimeoutMillis: 5000 });
    // Without a listener, an error of a connection that was already made would end the process.
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query('SELECT 1');
    } finally {
      await client.end();
    }
  },
};

/** The folder with the newest release's programs; Debian keeps them off the path. */
function programs(): string | undefined {
  const root = '/usr/lib/postgresql';
  const releases = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  return releases.map((release) => join(root, release, 'bin')).find((bin) => existsSync(join(bin, 'initdb')));
}

/** Made beside its place and then renamed, so that a crash in the middle leaves no half a data folder. */
async function initialise(folder: string, data: string): Promise<void> {
  const bin = programs() ?? '';
  const partial = `${data}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  const as = isRoot() ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups', '--'] : [];
  if (isRoot()) await chown(partial, await idOf('-u'), await idOf('-g'));
  // initdb takes a password from a file alone; this one is no secret.
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, account);
  const encoding = ['--encoding=UTF8', '--locale=C.UTF-8'];
  const access = ['--username', account, '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  const initdb = [join(bin, 'initdb'), '--pgdata', partial, ...access, ...encoding, '--no-sync'];
  await must([...as, ...initdb], folder);
  const single = [join(bin, 'postgres'), '--single', '-D', partial, 'postgres'];
  await must([...as, ...single], folder, `CREATE DATABASE ${account}\n`);
  await rename(partial, data);
}

async function must([command = '', ...args]: readonly string[], folder: string, input = ''): Promise<void> {
  const { code, stdout, stderr } = await run(command, args, { input });
  if (code === 0) return;
  throw new AfterwriteError(
    'SERVICE_NOT_READY',
    `PostgreSQL could not initialise its folder: ${lastLines(stdout + stderr)}`,
    {
      where: { folder },
      remedy: 'If the user postgres cannot enter that folder, set AFTERWRITE_DATA to one that every user may enter.',
    },
  );
}

async function idOf(which: '-u' | '-g'): Promise<number> {
  return Number((await run('id', [which, 'postgres'])).stdout);
}
