import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../../config/index.ts';
import { removeOrphans } from '../../../sink-connector/orphans/removal.ts';
import type { Scope } from '../../support/scope.ts';
import { EventLog, type TestEvent } from '../../support/sink/event-log.ts';
import { publishPosition } from '../../support/sink/position.ts';
import { createWorker, sinkConfig, type TestWorker } from '../../support/sink/worker.ts';
import { until, untilEqual } from '../../support/until.ts';
import type { ContractBinding, ContractDatabase } from '../binding.ts';
import { inOrder } from '../canonical.ts';
import { deleted, Log, partition, persons, Stage, written } from './stage.ts';

const patience = { timeoutMs: 60_000 };
const compacted = { 'cleanup.policy': 'compact' };
/** Whatever the share of the rows, in tables of a few. */
const orphans = { breaker: { percent: 100 } };

/** A table ends with the rows that its topic tells of, whatever stood there before. */
export function orphanTests(binding: ContractBinding): void {
  test('rule 17: a first fill over a table with rows ends without those that the topic lacks, before it is ready', async (t) => {
    const { stage, config } = await filledTable(t, binding, 80);
    const log = await EventLog.create(t, config, 'person', 4, compacted);
    // Of the 80 rows that stand there, 60 are published, with other values, and 5 of these deleted again.
    await log.commit(...numbers(60).map((number) => event(number, 'published')));
    await log.commit(...numbers(5).map((number) => ({ key: `k${number}`, values: null })));
    const workers = [createWorker(t, config), createWorker(t, config)];
    for (const { worker } of workers) await worker.start();
    await untilReady(workers, 4);
    const expected = numbers(60).slice(5);
    assert.deepEqual(await stage.rows(persons), rowsOf(expected, 'published'));
    const figures = workers.flatMap(comparisons);
    // A partition that changes hands before its comparison is noted is compared again, by its next owner.
    const first = new Map(
      figures
        .sort(byTime)
        .reverse()
        .map((line) => [line['partition'], line]),
    );
    assert.equal(first.size, 4, 'each partition was compared');
    assert.equal(sum([...first.values()], 'rows'), 75);
    assert.deepEqual([sum(figures, 'orphans'), sum(figures, 'removed')], [20, 20]);
    const texts = await Promise.all(workers.map(({ metrics }) => metrics.text()));
    const counted = texts.flatMap((text) => [...text.matchAll(/sink_orphans_removed_total\{.*\} (\d+)/g)]);
    assert.equal(
      counted.reduce((total, [, count]) => total + Number(count), 0),
      20,
    );
  });

  test('rule 17: keys of several columns and of numbers are told by the bytes of their records', async (t) => {
    const database = await binding.open(t);
    const mapping = {
      key: 'person:{region}:{number}',
      keyTypes: { number: 'int' },
      fields: { first: 'first' },
    };
    const config = sinkConfig({ database, mapping, sink: { create: false, orphans } });
    const keyColumns = [
      { name: 'region', type: 'string' },
      { name: 'number', type: 'int' },
    ] as const;
    const valueColumns = [{ name: 'first', type: 'string' }] as const;
    await database.createTable('persons', keyColumns, valueColumns);
    for (const region of ['eu', 'é😀']) {
      for (const number of [-2147483648, -1, 0, 7]) {
        await database.run(`INSERT INTO persons (region, number, first) VALUES ('${region}', ${number}, 'before')`);
      }
    }
    const log = await EventLog.create(t, config, 'person', 1, compacted);
    const stage = await Stage.open(t, binding, database);
    const live: [string, string][] = [
      ['eu', '-2147483648'],
      ['eu', '7'],
      ['é😀', '0'],
      ['é😀', '-1'],
      ['new', '2147483647'],
    ];
    await log.commit(...live.map((parts) => ({ key: parts, values: ['now'] })));
    const sink = createWorker(t, config);
    await sink.worker.start();
    await untilReady([sink], 1);
    const table = { ...persons, keyColumns, valueColumns };
    assert.deepEqual(await stage.rows(table), inOrder(live.map((parts) => [...parts, 'now'])));
    assert.equal(sum(comparisons(sink), 'removed'), 4);
  });

  test('rule 17: a row of nothing but its key and nulls goes, too', async (t) => {
    const { stage, config } = await filledTable(t, binding, 1);
    await stage.database.run("INSERT INTO persons (person_id, first, age) VALUES ('empty', NULL, NULL)");
    const log = await EventLog.create(t, config, 'person', 1, compacted);
    await log.commit(event(0, 'published'));
    await publishPosition(t, config, log, { snapshot: false });
    const sink = createWorker(t, config);
    await sink.worker.start();
    await untilReady([sink], 1);
    assert.deepEqual(await stage.rows(persons), rowsOf([0], 'published'));
  });

  test('rule 17: a fill of an empty table costs no comparison, not even when its partitions change hands under way', async (t) => {
    const stage = await Stage.open(t, binding);
    const config = sinkConfig({ database: stage.database, sink: { batch: { rows: 10, linger: '0ms' } } });
    const log = await EventLog.create(t, config, 'person', 4, compacted);
    await log.commit(...numbers(400).map((number) => event(number, 'x')));
    const first = createWorker(t, config);
    await first.worker.start();
    await until('some rows', async () => (await stage.rows(persons)).length > 0);
    const second = createWorker(t, config);
    await second.worker.start();
    await untilReady([first, second], 4);
    assert.equal((await stage.rows(persons)).length, 400);
    assert.deepEqual([first, second].flatMap(comparisons), []);
  });

  test('rule 17: a sink that was away for longer than tombstones last ends without the rows whose deletes it missed', async (t) => {
    const stage = await Stage.open(t, binding);
    const config = sinkConfig({ database: stage.database, sink: { orphans } });
    const log = await EventLog.create(t, config, 'person', 2, { ...compacted, 'delete.retention.ms': '100' });
    await log.commit(...numbers(40).map((number) => event(number, 'x')));
    const before = createWorker(t, config);
    await before.worker.start();
    await untilReady([before], 2);
    await before.worker.stop();
    const stoppedAt = Date.now();
    await insert(stage.database, 'missed', 5);
    await log.commit(event(0, 'later'));
    await until('an absence', () => Date.now() - stoppedAt > 4000);
    const after = createWorker(t, config);
    await after.worker.start();
    await untilReady([after], 2);
    const expected = [
      ['k0', 'later', null],
      ...numbers(40)
        .slice(1)
        .map((number) => [`k${number}`, 'x', null]),
    ];
    assert.deepEqual(await stage.rows(persons), inOrder(expected));
    assert.equal(sum(comparisons(after), 'removed'), 5);
  });

  test('rule 17: a partition without records removes nothing until a person has confirmed', async (t) => {
    const { stage, config } = await filledTable(t, binding, 30);
    const log = await EventLog.create(t, config, 'person', 2, compacted);
    // A key that was published and deleted again, and nothing in the other partition.
    const only = numbers(30).find((number) => log.partitionOf(`k${number}`) === 0) ?? 0;
    await log.commit(event(only, 'x'));
    const sink = createWorker(t, config);
    await sink.worker.start();
    const message = await until('a stop', () => failureOf(sink));
    assert.match(message, /^ORPHANS_BREAKER: the partition holds no record at all, but (\d+) rows/);
    assert.match(message, /table persons, topic .*, partition 1.*--confirm-orphans (\d+)/s);
    assert.doesNotMatch(await sink.metrics.text(), /sink_comparing\{.*partition="1"/);
    const [, count = ''] = /--confirm-orphans (\d+)/.exec(message) ?? [];
    await untilEqual('the other partition', true, () => sink.worker.ready()[`sink warehouse ${log.topic} 0`]?.ok);
    assert.equal((await stage.rows(persons)).length, Number(count) + 1);
    await sink.worker.stop();

    const tooFew = createWorker(t, config, { confirmedOrphans: Number(count) - 1 });
    await tooFew.worker.start();
    await until('a stop', () => failureOf(tooFew));
    assert.equal((await stage.rows(persons)).length, Number(count) + 1);
    await tooFew.worker.stop();

    const confirmed = createWorker(t, config, { confirmedOrphans: Number(count) });
    await confirmed.worker.start();
    await untilReady([confirmed], 2);
    assert.deepEqual(await stage.rows(persons), rowsOf([only], 'x'));
  });

  test('rule 17: rows that nobody publishes stay where the sink is told to keep them', async (t) => {
    const { stage, config } = await filledTable(t, binding, 5, { policy: 'keep' });
    const log = await EventLog.create(t, config, 'person', 1, compacted);
    await log.commit(event(0, 'x'));
    const sink = createWorker(t, config);
    await sink.worker.start();
    await untilReady([sink], 1);
    assert.equal((await stage.rows(persons)).length, 5);
    assert.deepEqual(comparisons(sink), []);
  });

  test('rule 17: a batch that had to be written twice notes no end: that was one before the outage', async (t) => {
    const stage = await Stage.open(t, binding);
    const { lockRow } = stage.database;
    if (lockRow === undefined) {
      t.skip('nobody can hold up a batch');
      return;
    }
    const log = await stage.own(persons);
    const first = log.batch(written('1', 'x', 1));
    await stage.writer.write({ ...first, move: { ...first.move, caughtUp: false } }, stage.retry);
    log.next = first.move.to;
    const lock = await lockRow('persons', 'person_id', '1');
    const writing = log.write(written('1', 'y', 2));
    await lock.waitedFor();
    await lock.endWaiting();
    await until('an attempt that ended', () => stage.waits.length > 0);
    await lock.release();
    await writing;
    assert.deepEqual(await stage.rows(persons), [['1', 'y', '2']]);
    assert.equal((await stage.claim()).caughtUpAt, null);
    const next = new Log(stage, persons, await stage.claim());
    await next.write(written('1', 'z', 3));
    assert.ok((await stage.claim()).caughtUpAt instanceof Date);
  });

  test('rule 17: an owner that was overtaken removes nothing', async (t) => {
    const zombie = await Stage.open(t, binding);
    const before = await zombie.own(zombie.guarded(persons));
    await before.write(written('1', 'one', 1), written('2', 'two', 2));
    const table = zombie.guarded(persons);
    const here = { ...before.batch().move, from: before.next, to: before.next, caughtUp: false };
    const orphan = { key: Buffer.from('1'), keyValues: ['1'], version: 2n ** 62n };
    const heir = await Stage.open(t, binding, zombie.database);
    await heir.prepare([table]);
    const after = new Log(heir, table, await heir.claim());
    const early = await removeOrphans(zombie.writer, table, here, [orphan], zombie.retry);
    assert.equal(early.removed, 0);
    assert.deepEqual(early.ended?.kind === 'missed' && early.ended.stored?.owner, after.owned.owner);
    assert.deepEqual(await heir.rows(persons), [
      ['1', 'one', '1'],
      ['2', 'two', '2'],
    ]);
    // The same, but at the owner's place: nobody else may remove it either.
    const own = { ...here, owner: after.owned.owner, epoch: after.owned.epoch };
    const elsewhere = { ...own, from: own.from - 1n, to: own.to - 1n };
    assert.equal((await removeOrphans(heir.writer, table, elsewhere, [orphan], heir.retry)).removed, 0);
    assert.deepEqual(await removeOrphans(heir.writer, table, own, [orphan], heir.retry), {
      removed: 1,
      ended: undefined,
    });
    assert.deepEqual(await heir.rows(persons), [['2', 'two', '2']]);
    assert.equal((await heir.writer.claim(partition, { clusterId: '', nextOffset: 0n }, heir.retry)).nextOffset, 2n);
  });

  test('rule 17: a row that was written anew since it was looked at stays', async (t) => {
    const stage = await Stage.open(t, binding);
    const table = stage.guarded(persons);
    const log = await stage.own(table);
    const [old, untouched] = [written('1', 'old', 1), written('2', 'untouched', 2)];
    await log.write(old, untouched);
    await log.write(written('1', 'anew', 3));
    const here = { ...log.batch().move, from: log.next, to: log.next, caughtUp: false };
    const found = [old, untouched].map(({ key, keyValues, version }) => ({ key, keyValues, version }));
    await removeOrphans(stage.writer, table, here, found, stage.retry);
    assert.deepEqual(await stage.rows(persons), [['1', 'anew', '3']]);
    // What was removed at its version comes back with the next event of its key.
    await log.write(written('2', 'back', 4), deleted('1'));
    assert.deepEqual(await stage.rows(persons), [['2', 'back', '4']]);
  });
}

/** A table with the rows k0, k1, …, which no sink has written, and a sink that is to write there. */
async function filledTable(
  scope: Scope,
  binding: ContractBinding,
  rows: number,
  options: Readonly<Record<string, unknown>> = orphans,
): Promise<{ stage: Stage; config: Config }> {
  const stage = await Stage.open(scope, binding);
  await stage.prepare([persons]);
  await insert(stage.database, 'k', rows);
  return { stage, config: sinkConfig({ database: stage.database, sink: { orphans: options } }) };
}

async function insert(database: ContractDatabase, prefix: string, rows: number): Promise<void> {
  for (const number of numbers(rows)) {
    await database.run(`INSERT INTO persons (person_id, first, age) VALUES ('${prefix}${number}', 'before', 1)`);
  }
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number);
}

function event(number: number, value: string): TestEvent {
  return { key: `k${number}`, values: [value, null] };
}

function rowsOf(keys: readonly number[], value: string) {
  return inOrder(keys.map((number) => [`k${number}`, value, null]));
}

/** Waits until the workers together have so many partitions, and each is ready. */
async function untilReady(workers: readonly TestWorker[], partitions: number): Promise<void> {
  const ready = (): boolean => {
    const parts = workers.flatMap(({ worker }) => Object.entries(worker.ready()));
    const own = parts.filter(([name]) => name.split(' ').length === 4);
    if (own.length === partitions && parts.every(([, { ok }]) => ok)) return true;
    throw new Error(JSON.stringify(parts));
  };
  await until('ready', ready, patience);
}

function comparisons({ lines }: TestWorker): Record<string, unknown>[] {
  return lines.filter(({ msg }) => msg === 'the table was compared with the topic');
}

function byTime(a: Record<string, unknown>, b: Record<string, unknown>): number {
  return Number(a['time']) - Number(b['time']);
}

function sum(lines: readonly Record<string, unknown>[], name: string): number {
  return lines.reduce((total, line) => total + Number(line[name]), 0);
}

function failureOf({ worker }: TestWorker): string | undefined {
  return Object.values(worker.health()).find(({ ok }) => !ok)?.reason;
}
