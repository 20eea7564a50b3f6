import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { replay } from '../../../sink-connector/replay.ts';
import type { OutboxRow } from '../../../sink-connector/write/port.ts';
import { kafkaAt } from '../../support/kafka.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { EventLog } from '../../support/sink/event-log.ts';
import { createWorker, parsed, sinkYaml, type TestWorker } from '../../support/sink/worker.ts';
import { until, untilEqual } from '../../support/until.ts';
import type { ContractBinding, ContractDatabase } from '../binding.ts';
import { offsetsOf, untilWritten } from './sink.ts';
import { partition, persons, Stage, written } from './stage.ts';

/** For what a worker does on busy servers. */
const patience = { timeoutMs: 120_000 };

const program = fileURLToPath(new URL('../../support/sink/run-sink.js', import.meta.url));

/** A pipeline whose sink acknowledges. @param topic of another one; then its group is another one, too */
function acknowledging(database: ContractDatabase, redis: TestRedis, create: boolean, topic?: string): string {
  const mapping = { operations: true, acknowledge: ['warehouse'], ...(topic !== undefined && { topic }) };
  return sinkYaml({ database, source: redis.url, sink: { create }, mapping });
}

/** Whoever gives a command an id is told once when its row is committed, or refused (rule 22). */
export function acknowledgementTests(binding: ContractBinding): void {
  test('the outbox keeps what a batch says, until it is dropped', async (t) => {
    const stage = await Stage.open(t, binding);
    const other = await Stage.open(t, binding, stage.database, {}, 'other');
    const table = { ...persons, acknowledges: true };
    const log = await stage.own(table);
    const rows = [0n, 1n, 2n].map((offset): OutboxRow => ({ offset, version: 7n + offset, entry: `it's "${offset}"` }));
    const batch = { ...log.batch(written('a', 'x', 1)), outbox: () => rows };
    assert.equal((await stage.writer.write(batch, stage.retry)).kind, 'written');
    log.next = batch.move.to;
    await other.prepare([table]);
    const owned = await other.claim();
    const elsewhere = { ...batch.move, owner: owned.owner, epoch: 0n, from: 0n, to: 1n };
    await other.writer.write({ ...batch, move: elsewhere, outbox: () => rows.slice(0, 1) }, stage.retry);
    assert.deepEqual(await stage.writer.readOutbox(partition, 2, stage.retry), rows.slice(0, 2));

    // Above what is in one statement, with a mark that comes first, and one that is replaced.
    const mark = { offset: -1n, version: 9n, entry: '2' };
    const long = { offset: 3n, version: 10n, entry: '\\u00e4'.repeat(20_000) };
    const second = { ...log.batch(written('b', 'x', 1)), outbox: () => [long, mark] };
    assert.equal((await stage.writer.write(second, stage.retry)).kind, 'written');
    assert.deepEqual(await stage.writer.readOutbox(partition, 10, stage.retry), [mark, ...rows, long]);
    log.next = second.move.to;
    const later = { ...mark, version: 11n, entry: '3' };
    await stage.writer.write({ ...log.batch(written('b', 'y', 1)), outbox: () => [later] }, stage.retry);
    await stage.writer.dropFromOutbox(partition, [...rows.slice(1), long], stage.retry);
    assert.deepEqual(await stage.writer.readOutbox(partition, 10, stage.retry), [later, ...rows.slice(0, 1)]);
    assert.deepEqual(await other.writer.readOutbox(partition, 10, stage.retry), rows.slice(0, 1));

    // A writer that was overtaken keeps nothing.
    await stage.claim();
    const late = { ...log.batch(written('c', 'x', 1)), outbox: () => [{ ...long, offset: 9n }] };
    assert.equal((await stage.writer.write(late, stage.retry)).kind, 'missed');
    if (stage.transactional) assert.equal((await stage.writer.readOutbox(partition, 10, stage.retry)).length, 2);
  });

  test('each id of a batch is told of once, a refused row with its reason, and a replay tells nobody', async (t) => {
    const [stage, redis] = await Promise.all([Stage.open(t, binding), startRedis(t)]);
    if (stage.appends) {
      t.skip('it takes everything');
      return;
    }
    const refused = await stage.database.createChecked();
    const config = parsed(acknowledging(stage.database, redis, false));
    const log = await EventLog.create(t, config, 'person');
    const version = Date.now() * 1000;
    await log.commit(
      { key: 'a', values: ['1', null], id: 'one', version },
      { key: 'a', values: ['2', null], id: 'two', version: version + 1 },
      { key: 'b', values: [refused, null], id: 'thrée', version: version + 2 },
      { key: 'c', values: ['3', null], version: version + 3 },
      { key: 'a', values: null, id: 'four', version: version + 4 },
    );
    const sink = createWorker(t, config);
    await sink.worker.start();
    await untilEqual(
      'acknowledgements',
      ['{person:a}four', '{person:a}one', '{person:a}two', '{person:b}thrée'],
      () => streams(redis),
      patience,
    );
    const done = ['status', 'done', 'sink', 'warehouse'];
    assert.deepEqual(await entries(redis, '{person:a}one'), [[`${version}-2`, done]]);
    assert.deepEqual(await entries(redis, '{person:a}two'), [[`${version + 1}-2`, done]]);
    assert.deepEqual(await entries(redis, '{person:a}four'), [[`${version + 4}-2`, done]]);
    const [[id, said] = []] = await entries(redis, '{person:b}thrée');
    assert.deepEqual([id, said?.slice(0, 5)], [`${version + 2}-2`, ['status', 'failed', ...done.slice(2), 'error']]);
    assert.ok((said?.[5] ?? '').length > 5, 'the reason of the database');
    assert.ok((await redis.client.ttl('{person:a}one')) > 3500);
    await untilEqual('what the outbox holds beside its mark', 0, () => pending(stage, log), patience);

    await redis.client.flushall();
    await replay({
      ...{ config, client: kafkaAt(), sink: 'warehouse', mappings: [], start: { kind: 'earliest' } },
      ...{ withoutGuard: true, dryRun: false },
    });
    await until('the replay', () => detailsOf(sink).some((details) => details?.['epoch'] === '1'), patience);
    await untilWritten(stage.database, log, patience);
    // Its acknowledgement would be behind those of the replay.
    await log.commit({ key: 'd', values: ['4', null], id: 'five', version: version + 5 });
    await untilEqual('the only acknowledgement', ['{person:d}five'], () => streams(redis), patience);
    const counted = /sink_acknowledgements_total\{sink="warehouse",mapping="person",status="(\w+)"\} (\d+)/g;
    const count = async (): Promise<string[][]> =>
      [...(await sink.metrics.text()).matchAll(counted)].map(([, status = '', times = '']) => [status, times]).sort();
    await untilEqual(
      'what was counted',
      [
        ['done', '4'],
        ['failed', '1'],
      ],
      count,
      patience,
    );
  });

  test('kill -9 around the commit and around the sending: all is told, exactly once', async (t) => {
    const [stage, redis] = await Promise.all([Stage.open(t, binding), startRedis(t)]);
    const folder = await mkdtemp(join(tmpdir(), 'afterwrite-crash-'));
    t.after(() => rm(folder, { recursive: true }));
    const log = await EventLog.create(t, parsed(acknowledging(stage.database, redis, true)), 'person');
    // In a group of its own, nobody waits for the session of a worker that was killed.
    const nextLife = (): string => acknowledging(stage.database, redis, true, log.topic);
    const version = Date.now() * 1000;
    await log.commit(
      { key: 'a', values: ['1', null], id: 'one', version },
      { key: 'b', values: ['2', null], id: 'two', version: version + 1 },
    );
    const die = async (step: string): Promise<void> => {
      const file = join(folder, 'afterwrite.yaml');
      await writeFile(file, nextLife());
      const env = { ...process.env, AFTERWRITE_FAULT: step, LOG_LEVEL: 'silent' };
      const child = spawn(process.execPath, [program, file], { env, stdio: ['ignore', 'inherit', 'inherit'] });
      t.after(() => {
        child.kill('SIGKILL');
      });
      assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL'], step);
    };
    await die('sink.committed');
    const told = ['{person:a}one', '{person:b}two'];
    assert.deepEqual([await streams(redis), await pending(stage, log)], [[], 2]);
    await die('sink.acknowledgements-sent');
    assert.deepEqual([await streams(redis), await pending(stage, log)], [told, 2]);
    const next = (await offsetsOf(stage.database))[0]?.[2];
    await log.commit({ key: 'b', values: ['3', null], id: 'three', version: version + 2 });
    await die('sink.outbox-written');
    assert.deepEqual([await streams(redis), (await offsetsOf(stage.database))[0]?.[2]], [told, next]);
    const { worker } = createWorker(t, parsed(nextLife()));
    await worker.start();
    await untilWritten(stage.database, log, patience);
    await untilEqual('what the outbox holds beside its mark', 0, () => pending(stage, log), patience);
    assert.deepEqual(await streams(redis), [...told, '{person:b}three'].sort());
    const done = ['status', 'done', 'sink', 'warehouse'];
    for (const [index, key] of ['{person:a}one', '{person:b}two', '{person:b}three'].entries()) {
      assert.deepEqual(await entries(redis, key), [[`${version + index}-2`, done]]);
    }
  });
}

async function streams({ client }: TestRedis): Promise<string[]> {
  return (await client.keys('*')).sort();
}

async function entries({ client }: TestRedis, stream: string): Promise<[id: string, fields: string[]][]> {
  return await client.xrange(stream, '-', '+');
}

/** How many acknowledgements the outbox holds. */
async function pending(stage: Stage, { topic }: EventLog): Promise<number> {
  const rows = await stage.writer.readOutbox({ topic, partition: 0 }, 100, stage.retry);
  return rows.filter(({ offset }) => offset >= 0n).length;
}

function detailsOf({ worker }: TestWorker) {
  return Object.values(worker.health()).map(({ details }) => details);
}
