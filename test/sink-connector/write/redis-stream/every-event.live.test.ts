import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { binding, StreamDatabase } from '../../../contract/bindings/redis-stream.ts';
import { EventLog, type TestEvent } from '../../../support/sink/event-log.ts';
import { createWorker, parsed, sinkYaml } from '../../../support/sink/worker.ts';
import { until, untilEqual } from '../../../support/until.ts';

const program = fileURLToPath(new URL('../../../support/sink/run-sink.js', import.meta.url));
const PARTITIONS = 3;
const patience = { timeoutMs: 60_000 };

/** Events of some keys in turn: every fourth one deletes, as a source tells it or as compaction leaves it. */
function eventsFrom(first: number, count: number): TestEvent[] {
  return Array.from({ length: count }, (_, index) => {
    const number = first + index;
    const key = `k${number % 7}`;
    if (number % 4 === 3) return { key, values: null, bare: number % 8 === 7 };
    return { key, values: [`v${number}`, null] };
  });
}

/** What an entry says, in one text. */
function told(op: string, first: string | undefined): string {
  return op === 'delete' ? 'delete' : `upsert ${first ?? ''}`;
}

test('rule 14: every event is in its stream once, in the order of its key, whoever is killed at any step', async (t) => {
  const server = await binding.startServer?.(t);
  assert.ok(server !== undefined);
  const database = new StreamDatabase(t, server.port);
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-stream-'));
  t.after(() => rm(folder, { recursive: true }));
  const yaml = sinkYaml({ database, sink: { prefix: 'events:', batch: { rows: 10, linger: '0ms' } } });
  const file = join(folder, 'afterwrite.yaml');
  await writeFile(file, yaml);
  const config = parsed(yaml);
  const log = await EventLog.create(t, config, 'person', PARTITIONS);
  const events: TestEvent[] = [];
  const commit = async (count: number): Promise<void> => {
    const more = eventsFrom(events.length, count);
    events.push(...more);
    await log.commit(...more);
  };
  await commit(200);
  // Nothing of a batch is there before its commit, and all of it is before its answer.
  for (const step of ['sink.before-commit:4', 'sink.committed:4']) {
    const env = { ...process.env, AFTERWRITE_FAULT: step, LOG_LEVEL: 'silent' };
    const child = spawn(process.execPath, [program, file], { env, stdio: ['ignore', 'inherit', 'inherit'] });
    t.after(() => {
      child.kill('SIGKILL');
    });
    assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL'], step);
    await commit(40);
  }
  const { worker } = createWorker(t, config);
  await worker.start();
  await until('some entries', async () => (await database.client.xlen('events:persons')) > 100, patience);
  await server.kill();
  await commit(100);
  await until('a wait', () => Object.values(worker.ready()).some(({ reason }) => reason?.startsWith('DATABASE_DOWN')));
  await server.start();
  await commit(40);

  const perKey = (entries: readonly (readonly [key: string, what: string])[]): Record<string, string[]> => {
    const keys: Record<string, string[]> = {};
    for (const [key, what] of entries) (keys[key] ??= []).push(what);
    return Object.fromEntries(Object.entries(keys).sort());
  };
  const expected = perKey(
    events.map(({ key, values }) => [
      String(key),
      told(values === null ? 'delete' : 'upsert', values?.[0] ?? undefined),
    ]),
  );
  const seen = async (): Promise<Record<string, string[]>> => {
    const entries = await database.entries('events:persons');
    const text = (value: Buffer | undefined): string | undefined => value?.toString();
    return perKey(
      entries.map((entry) => [
        text(entry.get('person_id')) ?? '',
        told(text(entry.get('#op')) ?? '', text(entry.get('first'))),
      ]),
    );
  };
  await untilEqual('the entries', expected, seen, patience);
  assert.equal(await database.client.xlen('events:persons'), events.length);
  await worker.stop();
});
