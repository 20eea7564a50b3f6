import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Config } from '../../config/index.ts';
import { committedOf, openReader } from '../support/kafka.ts';
import type { Scope } from '../support/scope.ts';
import { createDatabase, type TestDatabase } from '../support/sink/database.ts';
import { EventLog } from '../support/sink/event-log.ts';
import { publishPosition } from '../support/sink/position.ts';
import { createWorker, parsed, sinkConfig, sinkYaml, type TestWorker } from '../support/sink/worker.ts';
import { until, untilEqual } from '../support/until.ts';

const patience = { timeoutMs: 60_000 };
const compacted = { 'cleanup.policy': 'compact' };
const orphans = { breaker: { percent: 100 } };
const program = fileURLToPath(new URL('../support/sink/run-sink.js', import.meta.url));

test('rule 17: after real compaction, a new sink fills from the topic alone, and one that missed the deletes ends equal', async (t) => {
  const database = await createDatabase(t);
  const config = sinkConfig({ database, sink: { orphans } });
  // Segments end at once, and every one is worth cleaning; tombstones go with the next cleaning.
  const settings = { 'segment.ms': '100', 'min.cleanable.dirty.ratio': '0.001', 'delete.retention.ms': '100' };
  const log = await EventLog.create(t, config, 'person', 2, { ...compacted, ...settings });
  const keys = Array.from({ length: 40 }, (_, number) => `k${number}`);
  await log.commit(...keys.map((key) => ({ key, values: ['before', null] })));
  const away = createWorker(t, config);
  await away.worker.start();
  await until('ready', () => isReady(away, 2), patience);
  await away.worker.stop();

  const [deleted, live] = [keys.slice(0, 10), keys.slice(10)];
  await log.commit(...deleted.map((key) => ({ key, values: null })));
  const reader = await openReader(t);
  const gone = async (): Promise<boolean> => {
    // An open segment is not cleaned, and only a record after its time ends it.
    await log.commit(...live.slice(0, 10).map((key) => ({ key, values: ['after', null] })));
    const records = [...(await committedOf(reader, log.topic)).values()].flat();
    const left = new Set(records.map(({ key }) => key?.toString('latin1')));
    return deleted.every((key) => !left.has(log.encode({ key, values: null })[0]?.key?.toString('latin1')));
  };
  await until('the tombstones are gone', gone, { timeoutMs: 240_000, everyMs: 1000 });
  const expected = live.map((key, index) => [key, index < 10 ? 'after' : 'before']).toSorted();

  const second = await createDatabase(t);
  const added = createWorker(t, { ...config, sinks: sinkConfig({ database: second }).sinks });
  await added.worker.start();
  // Both are the sink `warehouse`, of one group: the other one has stopped.
  await until('ready', () => isReady(added, 2), patience);
  assert.deepEqual(await personsOf(second), expected);
  await added.worker.stop();

  assert.equal((await personsOf(database)).length, 40);
  const back = createWorker(t, config);
  await back.worker.start();
  await until('ready', () => isReady(back, 2), patience);
  assert.deepEqual(await personsOf(database), expected);
});

test('rule 17: while the source reads its first snapshot, rows that it has not come to are no orphans', async (t) => {
  const { database, config } = await filledTable(t, ['a', 'b', 'stranger']);
  const log = await EventLog.create(t, config, 'person', 1, compacted);
  await publishPosition(t, config, log, { snapshot: true });
  await log.commit({ key: 'a', values: ['published', null] });
  const sink = createWorker(t, config);
  await sink.worker.start();
  await untilEqual('the first row', 'published', async () => new Map(await personsOf(database)).get('a'));
  const reason = await until('a reason', () =>
    reasonsOf(sink).find((told) => /shard 0 .* reads a snapshot/.test(told)),
  );
  assert.match(reason, /^orphans cannot be told yet/);
  assert.equal((await personsOf(database)).length, 3);
  await log.commit({ key: 'b', values: ['published', null] });
  await untilEqual('the second row', 'published', async () => new Map(await personsOf(database)).get('b'));
  assert.ok(!isReady(sink, 1));
  await publishPosition(t, config, log, { snapshot: false });
  await until('ready', () => isReady(sink, 1), patience);
  assert.deepEqual(await personsOf(database), [
    ['a', 'published'],
    ['b', 'published'],
  ]);
});

test('rule 17: a topic that the source has not begun, or with another number of partitions, removes nothing', async (t) => {
  const { database, config } = await filledTable(t, ['a', 'stranger']);
  const log = await EventLog.create(t, config, 'person', 1, compacted);
  await publishPosition(t, config, log, { snapshot: false, topic: 'another' });
  await log.commit({ key: 'a', values: ['published', null] });
  const sink = createWorker(t, config);
  await sink.worker.start();
  await until('a reason', () => reasonsOf(sink).some((told) => told.includes('has not begun to publish this topic')));
  await publishPosition(t, config, log, { snapshot: false, partitions: 2 });
  const failure = await until('a stop', () => failureOf(sink), patience);
  assert.match(failure, /^ORPHANS_UNDECIDABLE: The topic has 1 partitions, and its keys were spread over 2/);
  assert.equal((await personsOf(database)).length, 2);
});

test('rule 17: a record in a partition that is not its key’s removes nothing', async (t) => {
  const { database, config } = await filledTable(t, ['a']);
  const log = await EventLog.create(t, config, 'person', 2, compacted);
  const published = { key: 'a', values: ['published', null] };
  await log.commit(published);
  // A row of the partition with the stray record, and none of the other one, which is right.
  const partition = 1 - log.partitionOf('a');
  const stranger = Array.from({ length: 64 }, (_, n) => `stranger ${n}`).find(
    (key) => log.partitionOf(key) === partition,
  );
  await database.rows(`INSERT INTO $schema.persons (person_id, first) VALUES ('${stranger}', 'before')`);
  await log.commitMessages(log.encode(published).map((message) => ({ ...message, partition })));
  const sink = createWorker(t, config);
  await sink.worker.start();
  const failure = await until('a stop', () => failureOf(sink), patience);
  assert.match(failure, /^ORPHANS_UNDECIDABLE: The key of a record does not belong to its partition/);
  assert.equal((await personsOf(database)).length, 2);
});

test('rule 17: on a topic that also loses records by their age nothing is removed, and the log says so', async (t) => {
  const { database, config } = await filledTable(t, ['a', 'stranger']);
  const log = await EventLog.create(t, config, 'person', 1);
  await log.commit({ key: 'a', values: ['published', null] });
  const sink = createWorker(t, config);
  await sink.worker.start();
  await until('ready', () => isReady(sink, 1), patience);
  assert.equal((await personsOf(database)).length, 2);
  const [told] = sink.lines.filter(({ cleanupPolicy }) => cleanupPolicy === 'compact,delete');
  assert.match(String(told?.['msg']), /a topic that is not compacted only cannot tell/);
});

test('rule 17: orphans that rows of other tables name are waited for, and the partition is written meanwhile', async (t) => {
  const { database, config } = await filledTable(t, ['a', 'stranger']);
  await database.rows('CREATE TABLE $schema.orders (person_id TEXT REFERENCES $schema.persons)');
  await database.rows("INSERT INTO $schema.orders VALUES ('stranger')");
  const log = await EventLog.create(t, config, 'person', 1, compacted);
  await log.commit({ key: 'a', values: ['published', null] });
  const sink = createWorker(t, config);
  await sink.worker.start();
  await until('a reason', () => reasonsOf(sink).some((told) => /while other rows name them.*orders/.test(told)));
  await log.commit({ key: 'a', values: ['meanwhile', null] });
  await untilEqual('the row', 'meanwhile', async () => new Map(await personsOf(database)).get('a'));
  assert.ok(!isReady(sink, 1));
  await database.rows('DELETE FROM $schema.orders');
  await until('ready', () => isReady(sink, 1), patience);
  assert.deepEqual(await personsOf(database), [['a', 'meanwhile']]);
});

test('rule 17: a row that is written anew while its removal waits for it stays', async (t) => {
  const { database, config } = await filledTable(t, ['a', 'anew', 'stranger'], { versionColumn: 'v' });
  const log = await EventLog.create(t, config, 'person', 1, compacted);
  await log.commit({ key: 'a', values: ['published', null] });
  await database.client.query(`BEGIN; UPDATE ${database.schema}.persons SET v = 7 WHERE person_id = 'anew'`);
  const sink = createWorker(t, config);
  await sink.worker.start();
  const waiting = `SELECT FROM pg_stat_activity WHERE query LIKE '%${database.schema}%' AND wait_event_type = 'Lock'`;
  await until('a removal that waits', async () => (await database.rows(waiting)).length > 0, patience);
  assert.match(reasonsOf(sink).join(), /is being compared with the topic/);
  assert.match(await sink.metrics.text(), /afterwrite_sink_comparing\{.*partition="0"\} 1/);
  await database.client.query('COMMIT');
  await until('ready', () => isReady(sink, 1), patience);
  assert.deepEqual(await personsOf(database), [
    ['a', 'published'],
    ['anew', 'before'],
  ]);
  assert.doesNotMatch(await sink.metrics.text(), /afterwrite_sink_comparing\{/);
});

for (const step of ['sink.orphans-found', 'sink.orphans-removed']) {
  test(`rule 17: kill -9 at ${step}: the next worker ends without orphans`, async (t) => {
    const database = await createDatabase(t);
    await fill(database, ['a', 'stranger'], false);
    const folder = await mkdtemp(join(tmpdir(), 'afterwrite-orphans-'));
    t.after(() => rm(folder, { recursive: true }));
    const yaml = sinkYaml({ database, sink: { orphans } });
    const file = join(folder, 'afterwrite.yaml');
    await writeFile(file, yaml);
    const config = parsed(yaml);
    const log = await EventLog.create(t, config, 'person', 1, compacted);
    await log.commit({ key: 'a', values: ['published', null] });
    const env = { ...process.env, AFTERWRITE_FAULT: step, LOG_LEVEL: 'silent' };
    const child = spawn(process.execPath, [program, file], { env, stdio: ['ignore', 'inherit', 'inherit'] });
    t.after(() => {
      child.kill('SIGKILL');
    });
    assert.deepEqual(await once(child, 'exit', { signal: AbortSignal.timeout(60_000) }), [null, 'SIGKILL']);
    assert.equal((await personsOf(database)).length, step === 'sink.orphans-found' ? 2 : 1);
    const sink = createWorker(t, config);
    await sink.worker.start();
    await until('ready', () => isReady(sink, 1), patience);
    assert.deepEqual(await personsOf(database), [['a', 'published']]);
    assert.ok(sink.lines.some(({ msg }) => msg === 'the table was compared with the topic'));
  });
}

/** A table persons with these rows, which no sink has written, and a sink that is to write there. */
async function filledTable(
  scope: Scope,
  keys: readonly string[],
  sink: Readonly<Record<string, unknown>> = {},
): Promise<{ database: TestDatabase; config: Config }> {
  const database = await createDatabase(scope);
  await fill(database, keys, 'versionColumn' in sink);
  return { database, config: sinkConfig({ database, sink: { orphans, ...sink } }) };
}

async function fill(database: TestDatabase, keys: readonly string[], isGuarded: boolean): Promise<void> {
  const version = isGuarded ? ', v BIGINT DEFAULT 5' : '';
  await database.rows(`CREATE TABLE $schema.persons (person_id TEXT PRIMARY KEY, first TEXT, age INT${version})`);
  for (const key of keys) {
    await database.rows(`INSERT INTO $schema.persons (person_id, first) VALUES ('${key}', 'before')`);
  }
}

async function personsOf(database: TestDatabase): Promise<[string, string][]> {
  const rows = await database.rows('SELECT person_id, first FROM $schema.persons ORDER BY person_id COLLATE "C"');
  return rows.map(({ person_id: id, first }) => [String(id), String(first)]);
}

function isReady({ worker }: TestWorker, partitions: number): boolean {
  const parts = Object.values(worker.ready());
  return parts.length === partitions + 1 && parts.every(({ ok }) => ok);
}

function reasonsOf({ worker }: TestWorker): string[] {
  return Object.values(worker.ready()).flatMap(({ ok, reason }) => (ok ? [] : [reason ?? '']));
}

function failureOf({ worker }: TestWorker): string | undefined {
  return Object.values(worker.health()).find(({ ok }) => !ok)?.reason;
}
