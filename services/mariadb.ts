import { existsSync } from 'node:fs';
import { chown, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { AfterwriteError } from '../ops/errors/index.ts';
import { isRoot } from './folders.ts';
import { installPackages } from './native/apt.ts';
import { findProgram, lastLines, run } from './programs.ts';
import type { Launch, Place, Service } from './service.ts';

/** The superuser, as in the container. A password, so that a wrong one can be tried. */
const account = 'root';
const password = 'afterwrite';
const database = 'afterwrite';

/** MariaDB, with the superuser `root`, password `afterwrite`, and a database `afterwrite`. It stands for MySQL as well. */
export const mariadb: Service = {
  name: 'mariadb',
  version: '10.11',
  image: 'mariadb:10.11.14',
  containerPort: 3306,
  usualPort: 3306,
  variable: 'AFTERWRITE_TEST_MARIADB',
  stopSignal: 'SIGTERM',

  address: (port) => `mysql://${account}:${password}@127.0.0.1:${port}/${database}`,

  async install() {
    if (findProgram('mariadbd') === undefined) await installPackages(['mariadb-server'], ['mariadb']);
  },

  async launch({ folder, port, args }: Place): Promise<Launch> {
    const data = join(folder, 'data');
    if (!existsSync(data)) await initialise(data);
    const own = ['--no-defaults', `--datadir=${data}`, '--bind-address=127.0.0.1', `--port=${port}`];
    // Relative to the data folder: the path of a socket may have no more than 107 bytes.
    const files = ['--socket=mariadb.sock', '--pid-file=mariadb.pid'];
    const settings = ['--skip-name-resolve', '--max-connections=200', '--innodb-buffer-pool-size=64M'];
    return {
      command: findProgram('mariadbd') ?? 'mariadbd',
      args: [...own, ...files, ...settings, ...args],
      ...(isRoot() && { user: 'mysql' }),
    };
  },

  async ready(port) {
    const connection = await createConnection({ uri: this.address(port), connectTimeout: 5000 });
    // Without a listener, an error of a connection that was already made would end the process.
    connection.on('error', () => undefined);
    try {
      await connection.query('SELECT 1');
    } finally {
      connection.destroy();
    }
  },
};

/** Made beside its place and then renamed, so that a crash in the middle leaves no half a data folder. */
async function initialise(data: string): Promise<void> {
  const partial = `${data}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  if (isRoot()) await chown(partial, await idOf('-u'), await idOf('-g'));
  const as = isRoot() ? ['setpriv', '--reuid=mysql', '--regid=mysql', '--init-groups', '--'] : [];
  const options = ['--no-defaults', `--datadir=${partial}`];
  const install = ['mariadb-install-db', ...options, '--auth-root-authentication-method=normal', '--skip-test-db'];
  await must(partial, [...as, ...install]);
  // Accounts cannot be changed before the tables of rights are read.
  const statements = [
    'FLUSH PRIVILEGES',
    `CREATE DATABASE ${database}`,
    // It is there already, without a password.
    `ALTER USER ${account}@'127.0.0.1' IDENTIFIED BY '${password}'`,
  ];
  await must(
    partial,
    [...as, findProgram('mariadbd') ?? 'mariadbd', ...options, '--bootstrap'],
    `${statements.join(';\n')};\n`,
  );
  await rename(partial, data);
}

async function must(folder: string, [command = '', ...args]: readonly string[], input = ''): Promise<void> {
  const { code, stdout, stderr } = await run(command, args, { input });
  if (code === 0) return;
  throw new AfterwriteError(
    'SERVICE_NOT_READY',
    `MariaDB could not initialise its folder: ${lastLines(stdout + stderr)}`,
    {
      where: { folder },
      remedy: 'If the user mysql cannot enter that folder, set AFTERWRITE_DATA to one that every user may enter.',
    },
  );
}

async function idOf(which: '-u' | '-g'): Promise<number> {
  return Number((await run('id', [which, 'mysql'])).stdout);
}
