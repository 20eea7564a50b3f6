import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { startPrivate, shared } from '../support/servers.ts';
import { PostgresDatabase } from '../contract/bindings/postgres.ts';
import { auditFindings } from '../contract/suite/audit.ts';
import { createDatabase } from '../support/sink/database.ts';
import { EventLog } from '../support/sink/event-log.ts';
import { createWorker, sinkConfig } from '../support/sink/worker.ts';
import { until, untilEqual } from '../support/until.ts';

const nextOffsets = 'SELECT next_offset::int AS next FROM $schema.afterwrite_offsets ORDER BY partition';

test('a Kafka that is killed and comes back is waited for, and the rows end exact', async (t) => {
  // The server goes last: what the others close first would wait for it.
  const last: (() => Promise<void>)[] = [];
  const server = await startPrivate({ after: (close) => void last.push(close) }, 'kafka');
  const database = await createDatabase(t);
  const audited = new PostgresDatabase(t, database);
  await audited.audit();
  const config = sinkConfig({
    database,
    kafka: { brokers: [server.address] },
    sink: { create: false, versionColumn: 'v' },
  });
  const log = await EventLog.create(t, config, 'person', 2);
  const sink = createWorker(t, config);
  for (const close of last) t.after(close);
  await sink.worker.start();
  const commit = (value: string): Promise<void> =>
    log.commit(...Array.from({ length: 30 }, (_, index) => ({ key: `k${index}`, values: [value, null] })));
  await commit('before');
  await untilEqual(
    'offsets',
    (await log.ends()).map((next) => ({ next })),
    () => database.rows(nextOffsets),
  );
  await server.kill();
  await until('a wait', () =>
    Object.values(sink.worker.ready()).some(({ reason }) => reason?.startsWith('KAFKA_DOWN')),
  );
  assert.ok(
    Object.values(sink.worker.health()).every(({ ok }) => ok),
    'an outage needs no person',
  );
  await server.start();
  await commit('after');
  await untilEqual(
    'offsets',
    (await log.ends()).map((next) => ({ next })),
    () => database.rows(nextOffsets),
    { timeoutMs: 60_000 },
  );
  assert.deepEqual(await database.rows('SELECT first, count(*)::int AS n FROM $schema.persons GROUP BY first'), [
    { first: 'after', n: 30 },
  ]);
  assert.deepEqual(await auditFindings(audited), []);
  await until('ready', () => Object.values(sink.worker.ready()).every(({ ok }) => ok));
});

test('a registry that does not answer is waited for', async (t) => {
  let down = true;
  const proxy = createServer((request, response) => {
    if (down) {
      response.writeHead(503).end('{"message":"not now"}');
      return;
    }
    const target = new URL(shared('registry'));
    void fetch(target.origin + (request.url ?? '')).then(async (answer) => {
      response.writeHead(answer.status).end(await answer.text());
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.after(() => void proxy.close());
  const address = proxy.address();
  assert.ok(typeof address === 'object' && address !== null);
  const database = await createDatabase(t);
  const direct = sinkConfig({ database });
  const log = await EventLog.create(t, direct, 'person');
  const path = new URL(shared('registry')).pathname;
  const sink = createWorker(t, { ...direct, registry: { url: `http://127.0.0.1:${address.port}${path}` } });
  await sink.worker.start();
  await log.commit({ key: 'a', values: ['1', null] });
  await until('a wait', () =>
    Object.values(sink.worker.ready()).some(({ reason }) => reason?.startsWith('REGISTRY_DOWN')),
  );
  down = false;
  await untilEqual(
    'offsets',
    (await log.ends()).map((next) => ({ next })),
    () => database.rows(nextOffsets),
  );
});
