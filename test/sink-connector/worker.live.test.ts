import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import { shared } from '../support/servers.ts';
import { PostgresDatabase } from '../contract/bindings/postgres.ts';
import { auditFindings } from '../contract/suite/audit.ts';
import { createDatabase, type TestDatabase } from '../support/sink/database.ts';
import { EventLog, type TestEvent } from '../support/sink/event-log.ts';
import { createWorker, sinkConfig, type TestWorker } from '../support/sink/worker.ts';
import { uniqueName } from '../support/names.ts';
import { until, untilEqual } from '../support/until.ts';

const personRows = 'SELECT person_id, first, age FROM $schema.persons ORDER BY person_id';

function written(database: TestDatabase): Promise<Record<string, unknown>[]> {
  return database.rows('SELECT next_offset::int AS next FROM $schema.afterwrite_offsets ORDER BY partition');
}

/** Waits until every partition is written to its end. */
async function untilWritten(database: TestDatabase, log: EventLog): Promise<void> {
  const ends = (await log.ends()).map((next) => ({ next }));
  await untilEqual('offsets in the database', ends, () => written(database));
}

function personsOf(database: TestDatabase): Promise<unknown[]> {
  return database.rows(personRows).then((rows) => rows.map(({ person_id: id, first }) => [id, first]));
}

/** The lines that a worker logged with an error of this code. */
function linesWith({ lines }: TestWorker, code: string): Record<string, unknown>[] {
  return lines.filter(({ err }) => typeof err === 'object' && err !== null && 'code' in err && err.code === code);
}

function isReady({ worker }: TestWorker): boolean {
  return Object.values(worker.ready()).every(({ ok }) => ok);
}

function healthReasons({ worker }: TestWorker): string[] {
  return Object.values(worker.health()).flatMap(({ ok, reason }) => (ok ? [] : [reason ?? '']));
}

test('rows arrive, deletes and bare tombstones delete, and the lag reaches 0', async (t) => {
  const database = await createDatabase(t);
  const config = sinkConfig({ database });
  const log = await EventLog.create(t, config, 'person', 3);
  await log.commit(
    { key: 'a', values: ['Ann', '30'] },
    { key: 'b', values: ['Bob', null] },
    { key: 'c', values: ['Cleo', '5'] },
  );
  await log.commit({ key: 'b', values: null });
  const sink = createWorker(t, config);
  await sink.worker.start();
  await untilWritten(database, log);
  assert.deepEqual(await database.rows(personRows), [
    { person_id: 'a', first: 'Ann', age: 30 },
    { person_id: 'c', first: 'Cleo', age: 5 },
  ]);
  await log.commit({ key: 'c', values: null, bare: true }, { key: 'd', values: ['Dora', '-1'] });
  await untilWritten(database, log);
  assert.deepEqual(await personsOf(database), [
    ['a', 'Ann'],
    ['d', 'Dora'],
  ]);
  await until('ready', () => isReady(sink));
  const text = await sink.metrics.text();
  assert.match(text, /afterwrite_sink_rows_total\{sink="warehouse",mapping="person",op="upsert"\} [34]/);
  assert.match(text, /afterwrite_sink_lag_records\{.*partition="0"\} 0/);
});

test('a restart goes on exactly where the database says, and overlapping workers apply no version twice', async (t) => {
  const database = await createDatabase(t);
  const audited = new PostgresDatabase(t, database);
  await audited.audit();
  const config = sinkConfig({ database, sink: { versionColumn: 'v' } });
  const log = await EventLog.create(t, config, 'person', 4);
  const round = async (number: number): Promise<void> => {
    const events = Array.from({ length: 200 }, (_, index): TestEvent => {
      const key = `p${(index * 7 + number) % 40}`;
      return { key, values: index % 9 === number % 9 ? null : [`${number}.${index}`, String(index)] };
    });
    await log.commit(...events);
  };
  const first = createWorker(t, config);
  await round(0);
  await first.worker.start();
  await untilWritten(database, log);
  await first.worker.stop();
  const before = await database.rows('SELECT count(*)::int AS n FROM $schema.audit');
  const second = createWorker(t, config);
  await second.worker.start();
  await until('ready', () => isReady(second));
  assert.deepEqual(await database.rows('SELECT count(*)::int AS n FROM $schema.audit'), before);
  // A third joins while rows are written, so that partitions change hands under way.
  const third = createWorker(t, config);
  const rounds = (async () => {
    for (let number = 1; number <= 12; number++) await round(number);
  })();
  await third.worker.start();
  await until('two members share the partitions', () => Object.keys(third.worker.ready()).length === 3);
  await rounds;
  await second.worker.stop();
  await round(13);
  await untilWritten(database, log);
  assert.deepEqual(await auditFindings(audited), []);
  const [owners] = await database.rows('SELECT max(owner)::int AS most FROM $schema.afterwrite_offsets');
  assert.ok(Number(owners?.['most']) >= 3, 'partitions changed hands');
});

test('a partition that another worker claimed is left alone until the group confirms it, then taken back', async (t) => {
  const database = await createDatabase(t);
  const config = sinkConfig({ database });
  const log = await EventLog.create(t, config, 'person');
  const sink = createWorker(t, config);
  await sink.worker.start();
  await log.commit({ key: 'a', values: ['1', null] });
  await untilWritten(database, log);
  await database.rows('UPDATE $schema.afterwrite_offsets SET owner = owner + 1');
  await log.commit({ key: 'a', values: ['2', null] });
  await untilWritten(database, log);
  assert.deepEqual(await personsOf(database), [['a', '2']]);
  assert.deepEqual(await database.rows('SELECT owner::int FROM $schema.afterwrite_offsets'), [{ owner: 3 }]);
  assert.match(await sink.metrics.text(), /sink_fence_misses_total\{sink="warehouse"\} 1/);
});

test('an offset that a person moved back is gone on from, and under a guard the replay changes nothing', async (t) => {
  const database = await createDatabase(t);
  const audited = new PostgresDatabase(t, database);
  await audited.audit();
  const config = sinkConfig({ database, sink: { create: false, versionColumn: 'v' } });
  const log = await EventLog.create(t, config, 'person');
  const sink = createWorker(t, config);
  await sink.worker.start();
  await log.commit({ key: 'a', values: ['1', null] }, { key: 'b', values: ['1', null] }, { key: 'b', values: null });
  await log.commit({ key: 'a', values: ['2', null] });
  await untilWritten(database, log);
  const before = await database.rows('SELECT * FROM $schema.audit ORDER BY seq');
  await database.rows('UPDATE $schema.afterwrite_offsets SET next_offset = 0, epoch = epoch + 1');
  await log.commit({ key: 'c', values: ['3', null] });
  await untilWritten(database, log);
  const after = await database.rows('SELECT * FROM $schema.audit ORDER BY seq');
  assert.deepEqual(after.slice(0, before.length), before);
  assert.deepEqual(
    after.slice(before.length).map((row) => row['person_id']),
    ['c'],
  );
});

test('rule 16: nothing of an aborted transaction arrives, be it alone or interleaved with another', async (t) => {
  const database = await createDatabase(t);
  const config = sinkConfig({ database });
  const log = await EventLog.create(t, config, 'person');
  await log.commit({ key: 'kept', values: ['1', null] });
  await log.abort({ key: 'aborted', values: ['1', null] }, { key: 'kept', values: null });
  const kafka = new Kafka({ brokers: [shared('kafka')], logLevel: logLevel.NOTHING });
  const producers = [1, 2].map(() =>
    kafka.producer({ transactionalId: uniqueName('tx'), idempotent: true, maxInFlightRequests: 1 }),
  );
  t.after(() => Promise.all(producers.map((producer) => producer.disconnect())));
  const [one, two] = await Promise.all(
    producers.map(async (producer) => {
      await producer.connect();
      return await producer.transaction();
    }),
  );
  assert.ok(one !== undefined && two !== undefined);
  for (let round = 0; round < 3; round++) {
    await one.send({ topic: log.topic, messages: log.encode({ key: `one${round}`, values: ['x', null] }) });
    await two.send({ topic: log.topic, messages: log.encode({ key: `two${round}`, values: ['x', null] }) });
  }
  await two.abort();
  await one.abort();
  const sink = createWorker(t, config);
  await sink.worker.start();
  await untilWritten(database, log);
  assert.deepEqual(await personsOf(database), [['kept', '1']]);
  // What is aborted at the end of the log moves the offset too.
  await log.abort({ key: 'last', values: ['1', null] });
  await untilWritten(database, log);
  assert.deepEqual(await personsOf(database), [['kept', '1']]);
});

test('under the policy stop, a row that the database refuses stops its partition with the key, and the others go on', async (t) => {
  const database = await createDatabase(t);
  await database.rows('CREATE TABLE $schema.persons (person_id TEXT PRIMARY KEY, first VARCHAR(5), age INT)');
  const config = sinkConfig({ database, sink: { rejectedRows: { policy: 'stop' } } });
  const log = await EventLog.create(t, config, 'person', 2);
  const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
  const bad = keys.find((key) => log.partitionOf(key) === 0) ?? '';
  await log.commit(...keys.map((key) => ({ key, values: [key === bad ? 'too long' : 'ok', null] })));
  const sink = createWorker(t, config);
  await sink.worker.start();
  const good = keys.filter((key) => log.partitionOf(key) === 1).toSorted();
  await untilEqual(
    'the rows of partition 1',
    good.map((key) => [key, 'ok']),
    () => personsOf(database),
  );
  const [reason] = await until('an unhealthy partition', () => {
    const reasons = healthReasons(sink);
    return reasons.length > 0 && reasons;
  });
  assert.match(
    reason ?? '',
    new RegExp(`^ROW_REJECTED: .*too long.*table persons, topic ${log.topic}, partition 0,.* key ${bad}, offset 0`),
  );
  assert.equal((await written(database))[0]?.['next'], 0);
  // The person acts, and the sink goes on there.
  await database.rows('ALTER TABLE $schema.persons ALTER COLUMN first TYPE TEXT');
  await sink.worker.stop();
  await createWorker(t, config).worker.start();
  await untilWritten(database, log);
  assert.equal((await personsOf(database)).length, keys.length);
});

test('a record with an unknown schema stops its partition after what stands before it, and the others go on', async (t) => {
  const database = await createDatabase(t);
  const config = sinkConfig({ database });
  const log = await EventLog.create(t, config, 'person', 2);
  const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
  const [before, bad] = keys.filter((key) => log.partitionOf(key) === 0);
  assert.ok(before !== undefined && bad !== undefined);
  await log.commit({ key: before, values: ['before', null] });
  const [message] = log.encode({ key: bad, values: ['bad', null] });
  assert.ok(message !== undefined && Buffer.isBuffer(message.value));
  message.value.writeUInt32BE(999_999_999, 1);
  await log.commitMessages([message]);
  await log.commit(...keys.filter((key) => log.partitionOf(key) === 1).map((key) => ({ key, values: ['ok', null] })));
  const sink = createWorker(t, config);
  await sink.worker.start();
  await until('an unhealthy partition', () => healthReasons(sink).length > 0);
  assert.match(healthReasons(sink)[0] ?? '', /^SCHEMA_UNKNOWN: .*999999999/);
  const good = keys.filter((key) => log.partitionOf(key) === 1).map((key) => [key, 'ok']);
  await untilEqual('the other rows', [[before, 'before'], ...good].toSorted(), () => personsOf(database));
  assert.equal((await written(database))[0]?.['next'], 2, 'the offset stands at the bad record');
});

test('rule 15: an offset that the log has lost stops the partition with the remedy, and nothing is jumped over', async (t) => {
  const database = await createDatabase(t);
  const config = sinkConfig({ database });
  const log = await EventLog.create(t, config, 'person');
  for (let round = 0; round < 5; round++) await log.commit({ key: `k${round}`, values: ['x', null] });
  const first = createWorker(t, config);
  await first.worker.start();
  await untilWritten(database, log);
  await first.worker.stop();
  for (let round = 5; round < 9; round++) await log.commit({ key: `k${round}`, values: ['x', null] });
  const [end = 0] = await log.ends();
  await log.admin.deleteTopicRecords({ topic: log.topic, partitions: [{ partition: 0, offset: String(end - 1) }] });
  const second = createWorker(t, config);
  await second.worker.start();
  await until('an unhealthy partition', () => healthReasons(second).length > 0);
  assert.match(healthReasons(second)[0] ?? '', /^OFFSET_OUT_OF_RANGE: .*delete its rows of afterwrite_offsets/);
  assert.equal((await personsOf(database)).length, 5);
});

test('rule 15: a topic that was made anew, and an offset of another cluster, stop the partition', async (t) => {
  const database = await createDatabase(t);
  const config = sinkConfig({ database });
  const log = await EventLog.create(t, config, 'person');
  await database.rows(`CREATE TABLE $schema.persons (person_id TEXT PRIMARY KEY, first TEXT, age INT)`);
  const first = createWorker(t, config);
  await first.worker.start();
  await log.commit({ key: 'a', values: ['x', null] });
  await untilWritten(database, log);
  await first.worker.stop();
  await database.rows('UPDATE $schema.afterwrite_offsets SET next_offset = 1000');
  const second = createWorker(t, config);
  await second.worker.start();
  await until('an unhealthy partition', () => healthReasons(second).length > 0);
  assert.match(healthReasons(second)[0] ?? '', /^OFFSET_OUT_OF_RANGE: .*offset 1000/);
  await second.worker.stop();
  await database.rows(`UPDATE $schema.afterwrite_offsets SET next_offset = 2, cluster_id = 'elsewhere'`);
  const third = createWorker(t, config);
  await third.worker.start();
  await until('an unhealthy partition', () => healthReasons(third).length > 0);
  assert.match(healthReasons(third)[0] ?? '', /^OFFSET_OF_OTHER_CLUSTER: .*cluster elsewhere/);
});

test('a missing table is an error at start, with the SQL', async (t) => {
  const database = await createDatabase(t);
  const config = sinkConfig({ database, sink: { create: false } });
  const { worker } = createWorker(t, config);
  await assert.rejects(worker.start(), {
    code: 'TABLE_UNFIT',
    message: /"persons" \(mapping person\) is missing.*CREATE TABLE/,
  });
});

test('Kafka or a topic that is not there yet is waited for, and the wait can be stopped', async (t) => {
  const database = await createDatabase(t);
  const unreachable = createWorker(t, sinkConfig({ database, kafka: { brokers: ['127.0.0.1:1'] } }));
  const starting = unreachable.worker.start();
  await until('an attempt', () => linesWith(unreachable, 'KAFKA_DOWN').length > 0);
  await unreachable.worker.stop();
  await starting;

  const config = sinkConfig({ database });
  const early = createWorker(t, config);
  await early.worker.start();
  await until('an attempt', () => linesWith(early, 'TOPIC_MISSING').length > 0);
  const log = await EventLog.create(t, config, 'person');
  await log.commit({ key: 'a', values: ['x', null] });
  await untilWritten(database, log);
});
