import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { AfterwriteError } from '../ops/errors/index.ts';
import { projectFolder } from './folders.ts';
import { java } from './native/java.ts';
import { copyDependencies, downloaded } from './native/maven.ts';
import { freePort } from './ports.ts';
import { lastLines, run } from './programs.ts';
import type { Launch, Place, Service } from './service.ts';

const version = '4.1.1';
/** One broker needs no random id, and a fixed one lets a folder be formatted again after a crash in the middle. */
const clusterId = 'afterwriteServices0000';

/** One Kafka broker in KRaft mode, with transactions. */
export const kafka: Service = {
  name: 'kafka',
  version,
  image: `apache/kafka:${version}`,
  containerPort: 9092,
  usualPort: 9092,
  variable: 'AFTERWRITE_TEST_KAFKA',
  stopSignal: 'SIGTERM',

  address: (port) => `127.0.0.1:${port}`,

  async install() {
    await java();
    await jars();
  },

  async launch({ folder, port }: Place): Promise<Launch> {
    const data = join(folder, 'data');
    const configuration = join(folder, 'server.properties');
    await mkdir(data, { recursive: true });
    await writeFile(configuration, properties(data, port, await freePort()));
    const command = await java();
    const classPath = ['-cp', join(await jars(), '*'), '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'];
    if (!existsSync(join(data, 'meta.properties'))) {
      const format = ['kafka.tools.StorageTool', 'format', '--cluster-id', clusterId, '--config', configuration];
      const { code, stdout, stderr } = await run(command, ['-XX:TieredStopAtLevel=1', ...classPath, ...format]);
      if (code !== 0) {
        throw new AfterwriteError(
          'SERVICE_NOT_READY',
          `Kafka could not format its folder: ${lastLines(stdout + stderr)}`,
          {
            where: { folder: data },
          },
        );
      }
    }
    const heap = ['-Xms256m', '-Xmx512m', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20'];
    return { command, args: [...heap, ...classPath, 'kafka.Kafka', configuration] };
  },

  async ready(port) {
    const client = new Kafka({
      clientId: 'afterwrite-services',
      brokers: [this.address(port)],
      connectionTimeout: 2000,
      requestTimeout: 5000,
      // The producer insists on at least one; the caller tries again anyway.
      retry: { retries: 1, initialRetryTime: 50 },
      logLevel: logLevel.NOTHING,
    });
    const admin = client.admin();
    const producer = client.producer({ transactionalId: 'afterwrite-services-ready', idempotent: true });
    try {
      await admin.connect();
      // Both ask a coordinator, and so have Kafka make its two internal topics before anybody waits for them.
      await admin.fetchOffsets({ groupId: 'afterwrite-services-ready', topics: [] });
      await producer.connect();
      const transaction = await producer.transaction();
      await transaction.abort();
    } finally {
      await Promise.allSettled([admin.disconnect(), producer.disconnect()]);
    }
  },
};

async function jars(): Promise<string> {
  const pom = join(projectFolder, 'services', 'kafka', 'pom.xml');
  return await downloaded(`kafka-${version}`, (folder) => copyDependencies(pom, [`kafka.version=${version}`], folder));
}

/**
 * One node that is broker and controller; replication of one everywhere; topics only by those who create them. A broker
 * that comes back after kill -9 must wait until the controller has given up its former self: 4 s instead of 9.
 */
function properties(data: string, port: number, controllerPort: number): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=${data}
auto.create.topics.enable=false
delete.topic.enable=true
log.cleaner.enable=true
log.cleaner.backoff.ms=1000
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=4000
`;
}
