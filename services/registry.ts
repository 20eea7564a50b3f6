import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AfterwriteError } from '../ops/errors/index.ts';
import { java } from './native/java.ts';
import { copyArtifact, downloaded } from './native/maven.ts';
import { lastLines, run } from './programs.ts';
import type { Launch, Place, Service } from './service.ts';

const version = '2.6.13.Final';

/**
 * Apicurio, which speaks the API of Confluent's schema registry. Version 2.6 is the last one that runs on Java 17.
 * It keeps its schemas in a file: in memory, a restart would lose the ids that Kafka's records still name.
 */
export const registry: Service = {
  name: 'registry',
  version,
  image: `apicurio/apicurio-registry-mem:${version}`,
  containerPort: 8080,
  usualPort: 8081,
  variable: 'AFTERWRITE_TEST_REGISTRY',
  stopSignal: 'SIGTERM',

  address: (port) => `http://127.0.0.1:${port}/apis/ccompat/v7`,

  async install() {
    await java();
    await application();
  },

  async launch({ folder, port }: Place): Promise<Launch> {
    const data = join(folder, 'data');
    await mkdir(data, { recursive: true });
    const args = [
      '-Xmx256m',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      '-Dquarkus.http.host=127.0.0.1',
      `-Dquarkus.http.port=${port}`,
      // Without WRITE_DELAY=0 a kill -9 loses what H2 has not written yet.
      `-Dquarkus.datasource.jdbc.url=jdbc:h2:file:${join(data, 'registry')};WRITE_DELAY=0`,
      '-jar',
      join(await application(), `apicurio-registry-app-${version}-runner.jar`),
    ];
    return { command: await java(), args };
  },

  async ready(port) {
    const timeout = (): AbortSignal => AbortSignal.timeout(5000);
    const health = await fetch(`http://127.0.0.1:${port}/health/ready`, { signal: timeout() });
    if (!health.ok) throw new Error(`its health check answered with status ${health.status}`);
    const rule = await fetch(`${this.address(port)}/config`, {
      method: 'PUT',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ compatibility: 'BACKWARD' }),
      signal: timeout(),
    });
    if (!rule.ok) throw new Error(`it did not accept BACKWARD compatibility: status ${rule.status}`);
  },
};

/** The unpacked application. */
async function application(): Promise<string> {
  return await downloaded(`apicurio-registry-${version}`, async (folder) => {
    await copyArtifact(`io.apicurio:apicurio-registry-app:${version}:tar.gz:all`, folder);
    const archive = join(folder, `apicurio-registry-app-${version}-all.tar.gz`);
    const { code, stderr } = await run('tar', ['-xzf', archive, '-C', folder]);
    if (code !== 0)
      throw new AfterwriteError('SERVICE_NOT_INSTALLED', `tar could not unpack ${archive}: ${lastLines(stderr)}`);
    await run('rm', ['-f', archive]);
  });
}
