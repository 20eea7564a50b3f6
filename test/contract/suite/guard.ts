import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastEvents } from '../../../sink-connector/merge/last-event.ts';
import { removal, upsert } from '../../support/sink/changes.ts';
import { EventLog } from '../../support/sink/event-log.ts';
import { createWorker, sinkConfig } from '../../support/sink/worker.ts';
import type { ContractBinding } from '../binding.ts';
import { canonical, inOrder } from '../canonical.ts';
import { auditFindings, versionsOf } from './audit.ts';
import { untilWritten } from './sink.ts';
import { persons, Stage } from './stage.ts';

/** An older event never wins: by the guard column, or by the time stamps that the rows carry. */
export function guardTests(binding: ContractBinding): void {
  test('an old version never overwrites, and never brings a deleted row back', async (t) => {
    const stage = await Stage.open(t, binding);
    const table = stage.guarded(persons);
    const log = await stage.own(table);
    await log.write(upsert('1', ['ten', 1], 10n), upsert('2', ['ten', 1], 10n));
    await log.write(upsert('1', ['nine', 1], 9n), removal('2', 9n));
    assert.deepEqual(await stage.rows(table), [
      ['1', 'ten', '1'],
      ['2', 'ten', '1'],
    ]);
    await log.write(removal('2', 12n));
    await log.write(upsert('2', ['eleven', 1], 11n));
    await log.write(upsert('2', ['twelve', 1], 12n));
    assert.deepEqual(await stage.rows(table), [['1', 'ten', '1']]);
    await log.write(upsert('2', ['thirteen', 1], 13n), upsert('3', ['new', 3], 1n));
    assert.deepEqual(await stage.rows(table), [
      ['1', 'ten', '1'],
      ['2', 'thirteen', '1'],
      ['3', 'new', '3'],
    ]);
    // The row goes with a delete of its own version.
    await log.write(removal('2', 13n), removal('1', 9n));
    assert.deepEqual(await stage.rows(table), [
      ['1', 'ten', '1'],
      ['3', 'new', '3'],
    ]);
  });

  test('what was deleted on a backlog and inserted again stays', async (t) => {
    const stage = await Stage.open(t, binding);
    const table = stage.guarded(persons);
    const log = await stage.own(table);
    await log.write(upsert('1', ['first', 1], 1_000n), removal('2', 1_001n));
    await log.write(removal('1', 1_002n));
    await log.write(upsert('1', ['again', 2], 1_003n), upsert('2', ['late', null], 1_004n));
    assert.deepEqual(await stage.rows(table), [
      ['1', 'again', '2'],
      ['2', 'late', null],
    ]);
  });

  test('events of one batch that are not in the order of their versions end as the newest says', async (t) => {
    const stage = await Stage.open(t, binding);
    const { versionColumn } = stage.guarded(persons);
    const config = sinkConfig({ database: stage.database, sink: { versionColumn } });
    const log = await EventLog.create(t, config, 'person');
    const version = Date.now() * 1000;
    await log.commit(
      { key: 'a', values: ['newest', '3'], version: version + 3 },
      { key: 'b', values: null, version: version + 3 },
      { key: 'c', values: ['old', '1'], version: version + 1 },
      { key: 'a', values: ['old', '2'], version: version + 2 },
      { key: 'b', values: ['old', '2'], version: version + 2 },
      { key: 'c', values: ['newest', '2'], version: version + 2 },
      { key: 'a', values: null, version: version + 1 },
    );
    await createWorker(t, config).worker.start();
    await untilWritten(stage.database, log);
    assert.deepEqual(await stage.rows(persons), [
      ['a', 'newest', '3'],
      ['c', 'newest', '2'],
    ]);
  });

  test('the version of a row is read back with its key', async (t) => {
    const stage = await Stage.open(t, binding);
    const table = stage.guarded(persons);
    const log = await stage.own(table);
    await log.write(upsert('1', ['x', 1], 9_007_199_254_740_995n), upsert('2', ['y', null], 5n));
    const session = await stage.dialect.connect();
    t.after(() => session.close());
    const found = [];
    for await (const page of session.keys(table)) found.push(...page);
    assert.deepEqual(
      found.toSorted((a, b) => (String(a.keyValues) < String(b.keyValues) ? -1 : 1)),
      [
        { keyValues: ['1'], version: 9_007_199_254_740_995n },
        { keyValues: ['2'], version: 5n },
      ],
    );
  });

  test('a row without a version is older than every event', async (t) => {
    const stage = await Stage.open(t, binding);
    if (!stage.transactional) {
      t.skip('its rows always have one');
      return;
    }
    const table = stage.guarded(persons);
    const log = await stage.own(table);
    await stage.database.run(`INSERT INTO persons (person_id, first, age) VALUES ('1', 'old', 1), ('2', 'old', 1)`);
    await log.write(upsert('1', ['new', 1], 1n), removal('2', 1n));
    assert.deepEqual(await stage.rows(table), [['1', 'new', '1']]);
  });

  test('a replay of any part of the log ends as the log does, and applies no version twice', async (t) => {
    const stage = await Stage.open(t, binding);
    const table = stage.guarded(persons);
    const { audit } = stage.database;
    await audit?.();
    const events = Array.from({ length: 60 }, (_, index) => {
      const key = String(index % 5);
      const version = BigInt(index + 1);
      return index % 7 === 3 ? removal(key, version) : upsert(key, [`v${index + 1}`, index], version);
    });
    const log = await stage.own(table);
    for (const [begin, end] of [
      [0, 20],
      [5, 30],
      [0, 30],
      [25, 60],
      [0, 60],
    ] as const) {
      await log.write(...events.slice(begin, end));
    }
    const last = Array.from(lastEvents(events, true).upserts, ({ keyValues, values }) => [
      canonical('string', keyValues[0] ?? null),
      canonical('string', values?.[0] ?? null),
      canonical('int', values?.[1] ?? null),
    ]);
    assert.deepEqual(await stage.rows(table), inOrder(last));
    if (audit === undefined) return;
    assert.ok((await versionsOf(stage.database)).length >= 5);
    assert.deepEqual(await auditFindings(stage.database), []);
  });
}
