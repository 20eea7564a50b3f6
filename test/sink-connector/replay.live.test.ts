import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectFolder } from '../../services/folders.ts';
import { run } from '../../services/programs.ts';
import { createDatabase, type TestDatabase } from '../support/sink/database.ts';
import { EventLog } from '../support/sink/event-log.ts';
import { createWorker, parsed, sinkYaml } from '../support/sink/worker.ts';
import { until, untilEqual } from '../support/until.ts';

function offsets(database: TestDatabase): Promise<Record<string, unknown>[]> {
  return database.rows(
    'SELECT next_offset::int AS next, epoch::int FROM $schema.afterwrite_offsets ORDER BY partition',
  );
}

test('the command moves what is after a time or an offset, says it in a table, and a dry run moves nothing', async (t) => {
  const database = await createDatabase(t);
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-replay-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'afterwrite.yaml');
  const yaml = sinkYaml({ database, sink: { versionColumn: 'v' } });
  await writeFile(file, yaml);
  const config = parsed(yaml);
  const replay = (...args: readonly string[]) =>
    run(process.execPath, [join(projectFolder, 'cli', 'bin.mjs'), 'replay', 'warehouse', '-c', file, ...args]);
  const log = await EventLog.create(t, config, 'person', 2);
  const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
  const [first, second] = [0, 1].map((partition) => keys.find((key) => log.partitionOf(key) === partition));
  assert.ok(first !== undefined && second !== undefined);
  await log.commit({ key: first, values: ['1', null] }, { key: second, values: ['1', null] });
  const time = new Date(Date.now() + 1);
  await until('another moment', () => Date.now() > time.getTime());
  await log.commit({ key: first, values: ['2', null] });
  const never = await replay('--from', 'earliest');
  assert.deepEqual([never.code, never.stdout], [1, '']);
  assert.match(never.stderr, /^WRITE_REFUSED: .*afterwrite_offsets/, 'the sink has never run');

  const sink = createWorker(t, config);
  await sink.worker.start();
  const there = [
    { next: 4, epoch: 0 },
    { next: 2, epoch: 0 },
  ];
  await untilEqual('the offsets', there, () => offsets(database));
  await sink.worker.stop();
  const dry = await replay('--from', time.toISOString(), '--dry-run');
  const { topic } = log;
  const lines = [
    `${'topic'.padEnd(topic.length)}  partition  from  to  records`,
    `${topic}  0          4     2   2`,
    `${topic}  1          2     -   0        nothing to replay`,
    'Nothing was changed (--dry-run).',
    '',
  ];
  assert.deepEqual(dry, { code: 0, stdout: lines.join('\n'), stderr: '' });
  assert.deepEqual(await offsets(database), there);

  const future = await replay('--from', new Date(Date.now() + 3_600_000).toISOString());
  assert.match(future.stdout, /\nNothing to replay\.\n$/);
  const ahead = await replay('--from', '3');
  assert.equal(ahead.code, 1);
  assert.match(ahead.stderr, /^REPLAY_OUT_OF_RANGE: Offset 3 of partition 1 .*records would be skipped/);
  assert.deepEqual(await offsets(database), there, 'what one partition cannot do moves none');
  const stranger = await replay('--from', 'earliest', '--mapping', 'persons');
  assert.match(stranger.stderr, /^CONFIG_INVALID: The sink warehouse writes no mapping persons; it writes: person/);

  assert.equal((await replay('--from', '1', '--mapping', 'person')).code, 0);
  assert.deepEqual(await offsets(database), [
    { next: 1, epoch: 1 },
    { next: 1, epoch: 1 },
  ]);
  await database.rows('DELETE FROM $schema.afterwrite_offsets WHERE partition = 1');
  assert.match((await replay('--from', 'earliest')).stdout, /1 +- +- +0 +the sink has never worked on it\n$/);
});

test('a replay under way tells how far it is, and is not ready', async (t) => {
  const database = await createDatabase(t);
  const yaml = sinkYaml({ database, sink: { versionColumn: 'v', batch: { rows: 10, linger: '0ms' } } });
  const config = parsed(yaml);
  const log = await EventLog.create(t, config, 'person');
  for (let round = 0; round < 4; round++) {
    await log.commit(...Array.from({ length: 50 }, (_, index) => ({ key: `k${index}`, values: [`${round}`, null] })));
  }
  const sink = createWorker(t, config);
  await sink.worker.start();
  await until('ready', () => Object.values(sink.worker.ready()).every(({ ok }) => ok));
  // A lock on a row holds the replay up where it can be looked at.
  await database.client.query(`BEGIN; SELECT FROM ${database.schema}.persons WHERE person_id = 'k1' FOR UPDATE`);
  await database.rows('UPDATE $schema.afterwrite_offsets SET next_offset = 0, epoch = epoch + 1');
  const details = await until('a replay under way', () => {
    const status = Object.values(sink.worker.ready()).find((part) => part.details?.['epoch'] === '1');
    return status?.ok === false && (status.details?.['total'] ?? null) !== null && status.details;
  });
  const [end] = await log.ends();
  assert.equal(details['total'], end);
  assert.match(await sink.metrics.text(), new RegExp(`afterwrite_sink_catch_up_records\\{.*partition="0"\\} ${end}`));
  await database.client.query('COMMIT');
  await until('ready again', () => Object.values(sink.worker.ready()).every(({ ok }) => ok));
  assert.doesNotMatch(await sink.metrics.text(), /afterwrite_sink_catch_up_records\{/);
  assert.ok(sink.lines.some(({ msg, epoch }) => msg === 'a replay begins' && epoch === '1'));
});
