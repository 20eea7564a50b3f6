import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import oracledb from 'oracledb';
import { projectFolder } from './folders.ts';
import { javaWithCompiler } from './native/java.ts';
import { copyArtifact, downloaded } from './native/maven.ts';
import type { Launch, Place, Service } from './service.ts';

const h2 = '2.3.232';
/** The pluggable database that the free image has, too. */
const serviceName = 'FREEPDB1';
/** Of the administrator SYSTEM, in the container as well. */
const password = 'afterwrite';

/**
 * Oracle. As a container it is the free edition. Oracle's server comes in no package registry, so natively it is a
 * stand-in (oracle-stand-in/main.ts): the real driver over Oracle's wire protocol, SQL executed by H2 in Oracle mode.
 */
export const oracle: Service = {
  name: 'oracle',
  version: '23',
  image: 'gvenzl/oracle-free:23.9-slim',
  containerPort: 1521,
  usualPort: 1521,
  variable: 'AFTERWRITE_TEST_ORACLE',
  stopSignal: 'SIGTERM',

  address: (port) => `system/${password}@127.0.0.1:${port}/${serviceName}`,

  async install() {
    await javaWithCompiler();
    await archive();
  },

  async launch({ folder, port, args }: Place): Promise<Launch> {
    const data = join(folder, 'data');
    await mkdir(data, { recursive: true });
    const options = {
      java: await javaWithCompiler(),
      h2: await archive(),
      source: join(projectFolder, 'services', 'oracle-stand-in', 'Bridge.java'),
      folder: data,
      port: String(port),
      service: serviceName,
      password,
    };
    const program = fileURLToPath(new URL('oracle-stand-in/main.js', import.meta.url));
    const own = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    return { command: process.execPath, args: ['--enable-source-maps', program, ...own, ...args] };
  },

  async ready(port) {
    const connectString = `127.0.0.1:${port}/${serviceName}`;
    const connection = await oracledb.getConnection({
      user: 'system',
      password,
      connectString,
      transportConnectTimeout: 5,
    });
    try {
      await connection.execute('SELECT 1 FROM dual');
    } finally {
      await connection.close();
    }
  },
};

async function archive(): Promise<string> {
  const folder = await downloaded(`h2-${h2}`, (target) => copyArtifact(`com.h2database:h2:${h2}`, target));
  return join(folder, `h2-${h2}.jar`);
}
