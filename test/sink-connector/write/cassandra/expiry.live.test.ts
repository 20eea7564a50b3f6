import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventLog } from '../../../support/sink/event-log.ts';
import { createKeyspace } from '../../../support/sink/keyspace.ts';
import { createWorker, sinkConfig } from '../../../support/sink/worker.ts';
import { untilEqual } from '../../../support/until.ts';

test('a worker gives rows the expiry of their keys, as its events tell it', async (t) => {
  const keyspace = await createKeyspace();
  const config = sinkConfig({
    database: { sinkOptions: { ...keyspace.options } },
    mapping: { expiryColumn: 'until' },
    sink: { ttl: 'expiry' },
  });
  const log = await EventLog.create(t, config, 'person');
  const inOneHour = Date.now() + 3_600_000;
  await log.commit(
    { key: 'hour', values: ['a', '1', String(inOneHour)] },
    { key: 'ever', values: ['b', '2', null] },
    { key: 'over', values: ['c', '3', '1'] },
  );
  await createWorker(t, config).worker.start();
  const rows = () => keyspace.rows('SELECT person_id, until, TTL(first) AS left FROM $keyspace.persons');
  await untilEqual('the rows', ['ever', 'hour'], async () => (await rows()).map((row) => row.person_id).sort());
  const found = new Map((await rows()).map((row) => [row.person_id, row]));
  assert.deepEqual([found.get('ever')?.until, found.get('ever')?.left], [null, null]);
  assert.deepEqual(found.get('hour')?.until, new Date(inOneHour));
  const seconds = Number(found.get('hour')?.left);
  assert.ok(seconds > 3000 && seconds <= 3600, `${seconds} s`);
});
