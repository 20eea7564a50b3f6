import assert from 'node:assert/strict';
import { test } from 'node:test';
import { services } from '../../services/index.ts';
import { freePort } from '../../services/ports.ts';
import type { Connector } from '../support/processes.ts';
import { Random, seedOfTest } from '../support/random.ts';
import { startPrivate } from '../support/servers.ts';
import { until } from '../support/until.ts';
import { Shop } from './shop.ts';

test('Kafka and the registry down at the start, Kafka and PostgreSQL down in the middle: waited for, nothing lost', async (t) => {
  const seed = seedOfTest();
  t.diagnostic(`AFTERWRITE_SEED=${seed}`);
  const tell = (message: string): void => {
    t.diagnostic(message);
  };
  const [kafkaPort, registryPort, postgres] = await Promise.all([freePort(), freePort(), startPrivate(t, 'postgres')]);
  const shop = await Shop.open(t, tell, {
    kafka: services.kafka.address(kafkaPort),
    registry: services.registry.address(registryPort),
    postgres: postgres.address,
    deletes: 'all',
  });
  const workload = shop.startWorkload(new Random(seed), 200);

  shop.source.start();
  shop.sink.start();
  await Promise.all([waitsFor(shop.source, 'KAFKA_DOWN'), waitsFor(shop.sink, 'KAFKA_DOWN')]);
  const kafka = await startPrivate(t, 'kafka', { port: kafkaPort });
  tell('Kafka is up');
  await waitsFor(shop.source, 'REGISTRY_DOWN');
  await startPrivate(t, 'registry', { port: registryPort });
  tell('the registry is up');
  await shop.ready();

  await workload.more(300);
  await kafka.kill();
  await workload.more(400);
  await kafka.start();
  tell('Kafka was killed and is up again');
  await shop.ready();

  await workload.more(300);
  await postgres.kill();
  await waitsFor(shop.sink, 'DATABASE_DOWN');
  await workload.more(400);
  await postgres.start();
  tell('PostgreSQL was killed and is up again');
  await shop.ready();

  await workload.more(300);
  await shop.checkAll(workload);
  assert.deepEqual([shop.source.lives, shop.sink.lives], [1, 1], 'an outage ends no process');
});

/** Waits until a connector says that it waits for this kind of outage to end; meanwhile it is not ready. */
async function waitsFor(connector: Connector, code: string): Promise<void> {
  await until(`${connector.name} to meet ${code}`, () => connector.printed().includes(code), { everyMs: 100 });
  await connector.untilAnswers('/readyz', 503);
}
