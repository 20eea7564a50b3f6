import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import type { Change } from '../../../sink-connector/decode/change.ts';
import type { RejectedChange } from '../../../sink-connector/write/event-order.ts';
import { DatabaseWriter } from '../../../sink-connector/write/writer.ts';
import type { ContractBinding } from '../binding.ts';
import { deleted, persons, Stage, written, type Log } from './stage.ts';

/** A partition whose writer passes over rejected rows. */
interface Ward {
  readonly stage: Stage;
  readonly log: Log;
  readonly writer: DatabaseWriter;
  /** What was told of rejected rows, call by call. */
  readonly told: (readonly RejectedChange[])[];
  /** An event that the database does not take, and one of the same key that it takes. */
  readonly bad: (key: string) => Change;
  readonly good: (key: string, age: number) => Change;
}

async function openWard(
  t: TestContext,
  binding: ContractBinding,
  { limit = 100, send = () => Promise.resolve() }: { limit?: number; send?: () => Promise<void> } = {},
): Promise<Ward> {
  const stage = await Stage.open(t, binding);
  const refused = await stage.database.createChecked();
  const told: (readonly RejectedChange[])[] = [];
  const writer = new DatabaseWriter(stage.dialect, 'warehouse', {
    limit,
    send: async (_, rejected) => {
      told.push(rejected);
      await send();
    },
  });
  t.after(() => writer.close());
  const log = await stage.own(persons, { create: false, evolve: false });
  return {
    stage,
    log,
    writer,
    told,
    bad: (key) => written(key, refused, 1),
    good: (key, age) => written(key, '7', age),
  };
}

/** Rows that a database does not take (rule 19). */
export function poisonTests(binding: ContractBinding): void {
  test('two bad rows of 5,000 are found and told with their reasons, and the other 4,998 are written', async (t) => {
    const ward = await openWard(t, binding);
    const { stage, log, writer, told } = ward;
    const badAt = [17, 4711];
    const changes = Array.from({ length: 5000 }, (_, offset) => ({
      ...(badAt.includes(offset) ? ward.bad(`k${offset}`) : ward.good(`k${offset}`, offset)),
      offset,
    }));
    const outcome = await writer.write(log.batch(...changes), stage.retry);
    assert.equal(outcome.kind, 'written');
    assert.deepEqual(
      outcome.rejected.map(({ change }) => change.offset),
      badAt,
    );
    assert.deepEqual(told, [outcome.rejected]);
    for (const { cause } of outcome.rejected) assert.equal(stage.dialect.classify(cause), 'data');
    const rows = await stage.rows({ ...persons, valueColumns: [] });
    const keys = new Set(rows.map(([key]) => key));
    assert.equal(keys.size, 4998);
    assert.ok(!keys.has('k17') && !keys.has('k4711'));
    assert.equal((await stage.offsets())[0]?.[4], '5000');
  });

  test('a bad event leaves its row at what the events before made of it, and those after it count', async (t) => {
    const { stage, log, writer, bad, good } = await openWard(t, binding);
    const changes = [good('a', 1), bad('a'), bad('b'), good('b', 2), good('c', 3), bad('c'), deleted('c'), bad('d')];
    const { rejected } = await writer.write(log.batch(...changes), stage.retry);
    assert.deepEqual(
      rejected.map(({ change }) => change.keyValues[0]),
      ['a', 'b', 'c', 'd'],
    );
    assert.deepEqual(await stage.rows(persons), [
      ['a', '7', '1'],
      ['b', '7', '2'],
    ]);
  });

  test('more than the limit in a batch, or in a row, stop: nobody is told of them, and the offset stays', async (t) => {
    const ward = await openWard(t, binding, { limit: 2 });
    const { stage, log, writer, told, bad, good } = ward;
    const refused = { code: 'ROW_REJECTED', message: /3 rows or more/ };
    const three = log.batch(good('a', 1), bad('b'), bad('c'), bad('d'));
    await assert.rejects(writer.write(three, stage.retry), refused);
    assert.deepEqual(told, []);
    if (stage.transactional) assert.deepEqual(await stage.rows(persons), []);
    const two = log.batch(bad('b'), bad('c'));
    assert.equal((await writer.write(two, stage.retry)).kind, 'written');
    log.next = two.move.to;
    await assert.rejects(writer.write(log.batch(bad('d')), stage.retry), refused);
    assert.equal((await stage.offsets())[0]?.[4], '2');
    // One that is taken shows that the table is not wrong as a whole.
    const mixed = log.batch(good('e', 5));
    await writer.write(mixed, stage.retry);
    log.next = mixed.move.to;
    assert.equal((await writer.write(log.batch(bad('f'), bad('g')), stage.retry)).kind, 'written');
  });

  test('while the dead letters cannot be written, nothing is committed without them', async (t) => {
    let down = 3;
    const seen: unknown[] = [];
    const ward = await openWard(t, binding, {
      send: async () => {
        if (down === 0) return;
        down--;
        seen.push((await ward.stage.offsets())[0]?.[4]);
        throw new AfterwriteError('KAFKA_DOWN', 'Kafka is down');
      },
    });
    const { stage, log, writer, told, bad, good } = ward;
    const outcome = await writer.write(log.batch(good('a', 1), bad('b')), {
      ...stage.retry,
      onWait: ({ error }) => void stage.waits.push(error),
    });
    assert.deepEqual([outcome.kind, told.length, seen], ['written', 4, ['0', '0', '0']]);
    assert.deepEqual(
      stage.waits.map(({ code }) => code),
      ['KAFKA_DOWN', 'KAFKA_DOWN', 'KAFKA_DOWN'],
    );
    assert.deepEqual(await stage.rows(persons), [['a', '7', '1']]);
  });

  test('a writer that was overtaken passes over nothing', async (t) => {
    const { stage, log, writer, bad, good } = await openWard(t, binding);
    const late = log.batch(good('a', 1), bad('b'));
    await stage.claim();
    const outcome = await writer.write(late, stage.retry);
    assert.equal(outcome.kind, 'missed');
    if (stage.transactional) assert.deepEqual(await stage.rows(persons), []);
    assert.equal((await stage.offsets())[0]?.[4], '0');
  });
}
