import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventLog } from '../../support/sink/event-log.ts';
import { createWorker, sinkConfig } from '../../support/sink/worker.ts';
import { until } from '../../support/until.ts';
import type { ContractBinding } from '../binding.ts';
import { inOrder } from '../canonical.ts';
import { auditFindings } from './audit.ts';
import { untilWritten } from './sink.ts';
import { persons, Stage } from './stage.ts';

/** A server that goes away is waited for. */
export function outageTests(binding: ContractBinding): void {
  test('a server that is killed twice under load and comes back is waited for, and the rows end exact', async (t) => {
    const { startServer } = binding;
    if (startServer === undefined) {
      t.skip('it is embedded');
      return;
    }
    const server = await startServer(t);
    const database = await binding.open(t, server);
    const stage = await Stage.open(t, binding, database);
    const { audit } = database;
    await audit?.();
    const { versionColumn } = stage.guarded(persons);
    const config = sinkConfig({ database, sink: { versionColumn } });
    const log = await EventLog.create(t, config, 'person', 3);
    const sink = createWorker(t, config);
    await sink.worker.start();
    const last = new Map<string, string>();
    let number = 0;
    const commit = (): Promise<void> => {
      const events = Array.from({ length: 30 }, () => ({ key: `k${number++ % 17}`, values: [String(number), null] }));
      for (const { key, values } of events) last.set(key, String(values[0]));
      return log.commit(...events);
    };
    const patience = { timeoutMs: 120_000 };
    for (let crash = 0; crash < 2; crash++) {
      await commit();
      await until('some rows', async () => (await stage.rows(persons)).length > 0, patience);
      await server.kill();
      await commit();
      await until(
        'a wait',
        () => Object.values(sink.worker.ready()).some(({ reason }) => reason?.startsWith('DATABASE_DOWN')),
        patience,
      );
      const stopped = Object.values(sink.worker.health()).filter(({ ok }) => !ok);
      assert.deepEqual(stopped, [], 'an outage needs no person');
      await server.start();
    }
    await commit();
    await untilWritten(database, log, patience);
    assert.deepEqual(await stage.rows(persons), inOrder([...last].map(([key, value]) => [key, value, null])));
    if (audit !== undefined) assert.deepEqual(await auditFindings(database), []);
    await until('ready', () => Object.values(sink.worker.ready()).every(({ ok }) => ok), patience);
    // Before its server: a driver may look for one that has gone for longer than this test.
    await sink.worker.stop();
  });
}
