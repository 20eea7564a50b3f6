import assert from 'node:assert/strict';
import { test } from 'node:test';
import { uniqueName } from '../../support/names.ts';
import { EventLog } from '../../support/sink/event-log.ts';
import { createWorker, sinkConfig } from '../../support/sink/worker.ts';
import type { ContractBinding, ContractDatabase } from '../binding.ts';
import { tableRows } from '../canonical.ts';
import { untilWritten } from './sink.ts';

const columns = [
  { name: 'person_id', type: 'string' },
  { name: 'first', type: 'string' },
  { name: 'age', type: 'long' },
  { name: 'city', type: 'string' },
] as const;

/** A mapping that changes while its topic is kept. */
export function evolutionTests(binding: ContractBinding): void {
  test('rule 8: events of an old and a new schema in one topic fill one table', async (t) => {
    const pipeline = uniqueName('pipe');
    const configOf = (database: ContractDatabase, fields: Readonly<Record<string, unknown>>) =>
      sinkConfig({ database, pipeline, sink: { evolve: true }, mapping: { fields } });
    const narrow = { first: 'first', age: { type: 'int' } };
    const wide = { first: 'first', age: { type: 'int' }, city: 'city' };
    const database = await binding.open(t);
    const before = await EventLog.create(t, configOf(database, narrow), 'person');
    await before.commit({ key: 'a', values: ['Ann', '1'] }, { key: 'b', values: ['Bob', '2'] });
    const first = createWorker(t, configOf(database, narrow));
    await first.worker.start();
    await untilWritten(database, before);

    // The sink of before reads what the mapping of then says, and goes on when it is started with the new one.
    const after = await EventLog.create(t, configOf(database, wide), 'person');
    await after.commit({ key: 'b', values: ['Bob', '3', 'Bonn'] }, { key: 'c', values: ['Cleo', null, 'Kiel'] });
    await untilWritten(database, after);
    await first.worker.stop();
    const second = createWorker(t, configOf(database, wide));
    await second.worker.start();
    await after.commit({ key: 'c', values: ['Cleo', '5', 'Köln'] }, { key: 'd', values: ['Dora', '6', null] });
    await untilWritten(database, after);
    assert.deepEqual(await tableRows(database, 'persons', columns), [
      ['a', 'Ann', '1', null],
      ['b', 'Bob', '3', null],
      ['c', 'Cleo', '5', 'Köln'],
      ['d', 'Dora', '6', null],
    ]);

    // Both are of one consumer group, and whoever is in it may keep the partition.
    await second.worker.stop();
    const fresh = await binding.open(t);
    await createWorker(t, configOf(fresh, wide)).worker.start();
    await untilWritten(fresh, after);
    assert.deepEqual(await tableRows(fresh, 'persons', columns), [
      ['a', 'Ann', '1', null],
      ['b', 'Bob', '3', 'Bonn'],
      ['c', 'Cleo', '5', 'Köln'],
      ['d', 'Dora', '6', null],
    ]);
  });
}
