import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { deadLettersTopic, deadLettersTopicSpec, type Config } from '../../config/index.ts';
import { retryUntilDone } from '../../ops/retry.ts';
import { DeadLetters } from '../../sink-connector/write/dead-letters.ts';
import { committedOf, deleteTopics, kafkaAt, openReader } from '../support/kafka.ts';
import type { Scope } from '../support/scope.ts';
import { startPrivate } from '../support/servers.ts';
import { upsert } from '../support/sink/changes.ts';
import { createDatabase, type TestDatabase } from '../support/sink/database.ts';
import { EventLog, type TestEvent } from '../support/sink/event-log.ts';
import { createWorker, parsed, sinkConfig, sinkYaml } from '../support/sink/worker.ts';
import { until, untilEqual } from '../support/until.ts';

const program = fileURLToPath(new URL('../support/sink/run-sink.js', import.meta.url));

/** The dead letters of a pipeline with their keys, in the order of the log. The topic goes after the test. */
function deadLettersOf(
  scope: Scope,
  config: Config,
): () => Promise<{ key: string; letter: Record<string, unknown> }[]> {
  const topic = deadLettersTopic(config.pipeline);
  scope.after(() => deleteTopics(kafkaAt(), [topic]));
  return async () => {
    const records = (await committedOf(await openReader(scope), topic)).get(0) ?? [];
    return records.map(({ key, value }) => {
      const letter: unknown = JSON.parse(value?.toString() ?? 'null');
      assert.ok(typeof letter === 'object' && letter !== null);
      return { key: key?.toString() ?? '', letter: { ...letter } };
    });
  };
}

const narrow =
  'CREATE TABLE $schema.persons (person_id TEXT PRIMARY KEY, first VARCHAR(9) UNIQUE, age INT CHECK (age > 0))';

async function untilWritten(database: TestDatabase, log: EventLog): Promise<void> {
  const ends = (await log.ends()).map((next) => ({ next }));
  await untilEqual('offsets', ends, () =>
    database.rows('SELECT next_offset::int AS next FROM $schema.afterwrite_offsets ORDER BY partition'),
  );
}

const people = (database: TestDatabase) =>
  database.rows('SELECT person_id AS id, first, age FROM $schema.persons ORDER BY person_id');

test('two bad rows of 5,000 become dead letters with their reasons, and all others are written', async (t) => {
  const database = await createDatabase(t);
  await database.rows(narrow);
  const config = sinkConfig({ database, sink: { create: false } });
  const letters = deadLettersOf(t, config);
  const log = await EventLog.create(t, config, 'person');
  const events = Array.from({ length: 5000 }, (_, n): TestEvent => ({ key: `k${n}`, values: [`v${n}`, '1'] }));
  events[17] = { key: 'k17', values: ['far too long', '1'] };
  events[4711] = { key: 'k4711', values: ['v4711', '-1'] };
  await log.commit(...events);
  const sink = createWorker(t, config);
  await sink.worker.start();
  await untilWritten(database, log);
  assert.deepEqual(await database.rows('SELECT count(*)::int AS n FROM $schema.persons'), [{ n: 4998 }]);
  const found = await letters();
  assert.deepEqual(
    found.map(({ key, letter }) => [key, letter['code'], letter['row']]),
    [
      [`warehouse:${log.topic}:0:17`, '22001', { person_id: 'k17', first: 'far too long', age: 1 }],
      [`warehouse:${log.topic}:0:4711`, '23514', { person_id: 'k4711', first: 'v4711', age: -1 }],
    ],
  );
  assert.match(String(found[1]?.letter['message']), /persons_age_check/);
  assert.match(await sink.metrics.text(), /sink_dead_letters_total\{sink="warehouse",mapping="person"\} 2/);
  assert.equal(Object.values(sink.worker.health()).at(-1)?.details?.['deadLetters'], 2);
  assert.equal(sink.lines.filter(({ msg }) => /became a dead letter/.test(String(msg))).length, 2);
});

test('events of a key before and after a bad one count, and a swap of unique values is no bad row', async (t) => {
  const database = await createDatabase(t);
  await database.rows(narrow);
  const config = sinkConfig({ database, sink: { create: false } });
  const letters = deadLettersOf(t, config);
  const log = await EventLog.create(t, config, 'person');
  await log.commit(
    { key: 'a', values: ['good', '1'] },
    { key: 'a', values: ['far too long', '2'] },
    { key: 'b', values: ['far too long', '1'] },
    { key: 'b', values: ['better', '2'] },
    { key: 'c', values: ['left', '1'] },
    { key: 'd', values: ['right', '1'] },
    { key: 'e', values: null },
    { key: 'c', values: ['between', '2'] },
    { key: 'd', values: ['left', '2'] },
    { key: 'c', values: ['right', '3'] },
  );
  await createWorker(t, config).worker.start();
  await untilWritten(database, log);
  assert.deepEqual(await people(database), [
    { id: 'a', first: 'good', age: 1 },
    { id: 'b', first: 'better', age: 2 },
    { id: 'c', first: 'right', age: 3 },
    { id: 'd', first: 'left', age: 2 },
  ]);
  assert.deepEqual(
    (await letters()).map(({ letter }) => letter['key']),
    ['a', 'b'],
  );
  // Swapped once more, with nothing bad beside it.
  await log.commit(
    { key: 'c', values: ['between', '4'] },
    { key: 'd', values: ['right', '4'] },
    { key: 'c', values: ['left', '5'] },
  );
  await untilWritten(database, log);
  assert.deepEqual((await people(database)).slice(2), [
    { id: 'c', first: 'left', age: 5 },
    { id: 'd', first: 'right', age: 4 },
  ]);
  assert.equal((await letters()).length, 2);
});

for (const [name, options] of [
  ['more bad rows than the limit', { rejectedRows: { limit: 2 } }],
  ['more in a row than the limit, in small batches', { rejectedRows: { limit: 2 }, batch: { rows: 1, linger: 0 } }],
  ['one bad row with the policy stop', { rejectedRows: { policy: 'stop' } }],
] as const) {
  test(`${name}: the partition stops, and goes on when the table was mended`, async (t) => {
    const database = await createDatabase(t);
    await database.rows(narrow);
    const config = sinkConfig({ database, sink: { create: false, ...options } });
    deadLettersOf(t, config);
    const log = await EventLog.create(t, config, 'person');
    await log.commit(...[1, 2, 3].map((n) => ({ key: `k${n}`, values: [`far too long ${n}`, '1'] })));
    const sink = createWorker(t, config);
    await sink.worker.start();
    const stopped = () => Object.values(sink.worker.health()).find(({ ok }) => !ok)?.reason;
    await until('a stopped partition', () => stopped() !== undefined);
    assert.match(stopped() ?? '', /^ROW_REJECTED: .*value too long/);
    assert.deepEqual(await people(database), []);
    await sink.worker.stop();
    await database.rows('ALTER TABLE $schema.persons ALTER COLUMN first TYPE TEXT');
    await createWorker(t, config).worker.start();
    await untilWritten(database, log);
    assert.equal((await people(database)).at(-1)?.['first'], 'far too long 3');
  });
}

test('kill -9 between dead letter and commit: the next worker writes it again under the same key', async (t) => {
  const database = await createDatabase(t);
  await database.rows(narrow);
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-poison-'));
  t.after(() => rm(folder, { recursive: true }));
  const yaml = sinkYaml({ database, sink: { create: false } });
  const file = join(folder, 'afterwrite.yaml');
  await writeFile(file, yaml);
  const config = parsed(yaml);
  const letters = deadLettersOf(t, config);
  const log = await EventLog.create(t, config, 'person');
  await log.commit({ key: 'a', values: ['good', '1'] }, { key: 'b', values: ['far too long', '1'] });

  const env = { ...process.env, AFTERWRITE_FAULT: 'sink.dead-letters-written', LOG_LEVEL: 'silent' };
  const child = spawn(process.execPath, [program, file], { env, stdio: ['ignore', 'inherit', 'inherit'] });
  t.after(() => {
    child.kill('SIGKILL');
  });
  assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL']);
  assert.deepEqual(await people(database), []);
  assert.equal((await letters()).length, 1);

  await createWorker(t, config).worker.start();
  await untilWritten(database, log);
  assert.deepEqual(await people(database), [{ id: 'a', first: 'good', age: 1 }]);
  const key = `warehouse:${log.topic}:0:1`;
  assert.deepEqual(
    (await letters()).map((found) => found.key),
    [key, key],
  );
});

test('a row whose parent is not there yet waits, and goes on when it is', async (t) => {
  const database = await createDatabase(t);
  await database.rows(`CREATE TABLE $schema.parents (name TEXT PRIMARY KEY);
    CREATE TABLE $schema.persons (person_id TEXT PRIMARY KEY, first TEXT REFERENCES $schema.parents, age INT)`);
  const config = sinkConfig({ database, sink: { create: false } });
  const log = await EventLog.create(t, config, 'person');
  await log.commit({ key: 'a', values: ['Ann', '1'] });
  const sink = createWorker(t, config);
  await sink.worker.start();
  await until('a wait', () => Object.values(sink.worker.ready()).some(({ reason }) => reason?.startsWith('PARENT_')));
  assert.ok(Object.values(sink.worker.health()).every(({ ok }) => ok));
  assert.match(
    Object.values(sink.worker.ready()).at(-1)?.reason ?? '',
    /^PARENT_MISSING: .*Key \(first\)=\(Ann\) is not present in table "parents"/,
  );
  await database.rows(`INSERT INTO $schema.parents VALUES ('Ann')`);
  await untilWritten(database, log);
  assert.deepEqual(await people(database), [{ id: 'a', first: 'Ann', age: 1 }]);
});

test('a Kafka that is down is an error that is tried again, and the topic is made at the first dead letter', async (t) => {
  const server = await startPrivate(t, 'kafka');
  await server.kill();
  const client = kafkaAt(server.address);
  const topic = deadLettersTopicSpec('shop.dead-letters', 1, 1_048_576);
  const letters = new DeadLetters({ client, pipeline: 'shop', sink: 'warehouse', topic, maxRecordBytes: 2000 });
  t.after(() => letters.close());
  const table = {
    ...{ topic: 'shop.person', mapping: 'person', name: 'persons', versionColumn: undefined },
    keyColumns: [{ name: 'person_id', type: 'string' as const }],
    valueColumns: [{ name: 'first', type: 'string' as const }],
  };
  // Together more than a record batch may hold, and one that does not fit alone.
  const rejected = [800, 900, 5000, 700].map((length, offset) => ({
    change: upsert(`k${offset}`, ['x'.repeat(length)], 1n, offset),
    cause: new Error('bad'),
  }));
  const send = () => letters.send(table, { topic: 'shop.person', partition: 0 }, rejected);
  await assert.rejects(send(), { code: 'KAFKA_DOWN' });
  await server.start();
  await retryUntilDone(send, { signal: AbortSignal.timeout(120_000), longestWaitMs: 500 });
  await server.kill();
  await assert.rejects(send(), { code: 'KAFKA_DOWN' });
  await server.start();
  await retryUntilDone(send, { signal: AbortSignal.timeout(120_000), longestWaitMs: 500 });
  const found = (await committedOf(await openReader(t, client), topic.topic)).get(0) ?? [];
  assert.deepEqual(
    [...new Set(found.map(({ key }) => key?.toString()))].toSorted(),
    [0, 1, 2, 3].map((offset) => `warehouse:shop.person:0:${offset}`),
  );
  const digests = found.filter(({ value }) => value?.includes('"digest"'));
  assert.ok(digests.every(({ key }) => key?.toString().endsWith(':2')));
});
