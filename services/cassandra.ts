import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client } from 'cassandra-driver';
import { projectFolder } from './folders.ts';
import { java } from './native/java.ts';
import { copyDependencies, downloaded } from './native/maven.ts';
import { freePort } from './ports.ts';
import type { Launch, Place, Service } from './service.ts';

const version = '5.0.9';
/** The release of Java that this one of Cassandra runs on; it does not start on a later one. */
const javaRelease = 17;
/** The superuser that every new node has, and its password. A password, so that a wrong one can be tried. */
const account = 'cassandra';
/** The name that SimpleSnitch gives the only data center. */
const dataCenter = 'datacenter1';

/** One Cassandra node, with the superuser `cassandra`, password `cassandra`; roles need their rights granted. */
export const cassandra: Service = {
  name: 'cassandra',
  version,
  image: `cassandra:${version}`,
  containerPort: 9042,
  usualPort: 9042,
  variable: 'AFTERWRITE_TEST_CASSANDRA',
  stopSignal: 'SIGTERM',

  address: (port) => `127.0.0.1:${port}`,

  async install() {
    await java(javaRelease);
    await jars();
  },

  async launch({ folder, port }: Place): Promise<Launch> {
    const data = join(folder, 'data');
    const configuration = join(folder, 'cassandra.yaml');
    await mkdir(data, { recursive: true });
    await writeFile(configuration, settings(data, port, await freePort()));
    const own = join(projectFolder, 'services', 'cassandra');
    const properties = {
      'cassandra.config': pathToFileURL(configuration).href,
      'cassandra.storagedir': data,
      'cassandra.logdir': folder,
      'cassandra-foreground': 'yes',
      // The superuser is made at once: there is no other node that could have it.
      'cassandra.superuser_setup_delay_ms': '0',
      'java.net.preferIPv4Stack': 'true',
      'logback.configurationFile': join(own, 'logback.xml'),
    };
    return {
      command: await java(javaRelease),
      args: [
        `@${join(own, 'jvm17.args')}`,
        ...['-Xms512m', '-Xmx1g', '-XX:+UseSerialGC', '-cp', join(await jars(), '*')],
        ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
        'org.apache.cassandra.service.CassandraDaemon',
      ],
    };
  },

  async ready(port) {
    const client = new Client({
      contactPoints: [this.address(port)],
      localDataCenter: dataCenter,
      credentials: { username: account, password: account },
      socketOptions: { connectTimeout: 2000, readTimeout: 5000 },
    });
    try {
      // It listens before the superuser is there.
      await client.connect();
    } finally {
      await client.shutdown();
    }
  },
};

async function jars(): Promise<string> {
  const pom = join(projectFolder, 'services', 'cassandra', 'pom.xml');
  return await downloaded(`cassandra-${version}`, (folder) =>
    copyDependencies(pom, [`cassandra.version=${version}`], folder),
  );
}

/**
 * One node that owns the whole ring, small enough for a test. It writes its commit log before it acknowledges: by
 * default it does so every 10 s, and kill -9 loses what was acknowledged since. A mutation may be half as large as a
 * segment of that log.
 */
function settings(data: string, port: number, storagePort: number): string {
  return `cluster_name: afterwrite
num_tokens: 1
initial_token: 0
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
auto_bootstrap: false
hinted_handoff_enabled: false
authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
role_manager: CassandraRoleManager
roles_validity: 500ms
permissions_validity: 500ms
credentials_validity: 500ms
data_file_directories: [ ${join(data, 'data')} ]
commitlog_directory: ${join(data, 'commitlog')}
saved_caches_directory: ${join(data, 'saved_caches')}
hints_directory: ${join(data, 'hints')}
cdc_raw_directory: ${join(data, 'cdc_raw')}
commitlog_sync: batch
commitlog_segment_size: 32MiB
commitlog_total_space: 256MiB
disk_failure_policy: stop
commit_failure_policy: stop
concurrent_reads: 8
concurrent_writes: 16
concurrent_compactors: 1
key_cache_size: 8MiB
counter_cache_size: 0MiB
file_cache_size: 32MiB
networking_cache_size: 32MiB
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: 127.0.0.1:${storagePort}
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
storage_port: ${storagePort}
native_transport_port: ${port}
start_native_transport: true
endpoint_snitch: SimpleSnitch
dynamic_snitch: false
auto_snapshot: false
incremental_backups: false
`;
}
