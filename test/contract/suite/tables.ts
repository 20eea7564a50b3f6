import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import type { TargetTable } from '../../../sink-connector/write/port.ts';
import type { ContractBinding } from '../binding.ts';
import { persons, Stage, written } from './stage.ts';

const strict = { create: false, evolve: false };
const evolving = { create: false, evolve: true };

/** Tables that are made, and tables that do not fit. */
export function tableTests(binding: ContractBinding): void {
  test('workers that start together make the tables once', async (t) => {
    const database = await binding.open(t);
    const stages = await Promise.all(Array.from({ length: 4 }, () => Stage.open(t, binding, database)));
    await Promise.all(stages.map((stage) => stage.prepare([stage.guarded(persons), { ...persons, name: 'others' }])));
    const [stage] = stages;
    assert.deepEqual(await stage?.rows(persons), []);
    assert.deepEqual(await stage?.offsets(), []);
    // All tables are there now: nothing is missing for one who may make none.
    await stage?.prepare([stage.guarded(persons)], strict);
  });

  test('names keep their case, and may be words of the language', async (t) => {
    const stage = await Stage.open(t, binding);
    const table: TargetTable = {
      ...persons,
      name: 'Order',
      keyColumns: [
        { name: 'Select', type: 'string' },
        { name: 'primary', type: 'int' },
      ],
      valueColumns: ['Group', 'from', 'WHERE', 'Mixed_Case', 'token', 'user', 'key', 'values', '_x1'].map((name) => ({
        name,
        type: 'string',
      })),
    };
    const log = await stage.own(table);
    const values = table.valueColumns.map(({ name }) => `of ${name}`);
    await log.write(written(['a', 1], ...values), written(['b', 2], ...values.map(() => null)));
    await log.write(written(['b', 2], ...values.toReversed()));
    assert.deepEqual(await stage.rows(table), [
      ['a', '1', ...values],
      ['b', '2', ...values.toReversed()],
    ]);
    await stage.prepare([table], strict);
  });

  test('a missing table is told with what to do, and so are the missing tables beside it', async (t) => {
    const stage = await Stage.open(t, binding);
    const refused = await refusal(stage.prepare([persons, { ...persons, name: 'others' }], strict));
    assert.equal(refused.code, 'TABLE_UNFIT');
    assert.match(refused.what, /persons.* \(mapping person\) is missing: set create: true, or run CREATE TABLE/i);
    assert.match(refused.what, /others.* \(mapping person\) is missing/i);
  });

  test('a missing column is told with what to do, with create: true, too', async (t) => {
    const stage = await Stage.open(t, binding);
    await stage.database.createTable('persons', persons.keyColumns, [{ name: 'first', type: 'string' }]);
    for (const create of [false, true]) {
      const refused = await refusal(stage.prepare([persons], { create, evolve: false }));
      assert.equal(refused.code, 'TABLE_UNFIT');
      assert.match(refused.what, /persons.* \(mapping person\) has no column .?age.?: .*ALTER TABLE .*ADD .*age/i);
    }
  });

  test('with evolve: true, workers that race add the columns that are missing, nullable, and touch nothing else', async (t) => {
    const database = await binding.open(t);
    await database.createTable('persons', persons.keyColumns, [
      { name: 'first', type: 'string' },
      { name: 'extra', type: 'string' },
    ]);
    await database.run(`INSERT INTO persons (person_id, first, extra) VALUES ('old', 'Ann', 'kept')`);
    const stages = await Promise.all(Array.from({ length: 3 }, () => Stage.open(t, binding, database)));
    await Promise.all(stages.map((stage) => stage.prepare([stage.guarded(persons)], evolving)));
    const [stage] = stages;
    assert.ok(stage !== undefined);
    const log = await stage.own(stage.guarded(persons), evolving);
    await log.write(written('new', 'Bob', 7), written('none', null, null));
    const wide: TargetTable = {
      ...persons,
      valueColumns: [...persons.valueColumns, { name: 'extra', type: 'string' }],
    };
    assert.deepEqual(await stage.rows(wide), [
      ['new', 'Bob', '7', null],
      ['none', null, null, null],
      ['old', 'Ann', null, 'kept'],
    ]);
  });

  test('with evolve: true, a mapping that lost a column leaves it, and one whose type shrank narrows nothing', async (t) => {
    const stage = await Stage.open(t, binding);
    const wide: TargetTable = { ...persons, valueColumns: [...persons.valueColumns, { name: 'big', type: 'long' }] };
    const log = await stage.own(wide);
    await log.write(written('1', 'x', 1, 9_007_199_254_740_993n));
    const shrunk: TargetTable = { ...persons, valueColumns: [{ name: 'big', type: 'int' }] };
    const next = await stage.own(shrunk, evolving);
    await next.write(written('2', 5));
    assert.deepEqual(await stage.rows(wide), [
      ['1', 'x', '1', '9007199254740993'],
      ['2', null, null, '5'],
    ]);
  });

  test('with evolve: true, a column that goes while rows are written is added again', async (t) => {
    const stage = await Stage.open(t, binding);
    const log = await stage.own(persons, { create: true, evolve: true });
    await log.write(written('1', 'x', 1));
    await stage.database.run('ALTER TABLE persons DROP first');
    await log.write(written('2', 'y', 7));
    assert.deepEqual(await stage.rows(persons), [
      ['1', null, '1'],
      ['2', 'y', '7'],
    ]);
  });

  test('a table whose key is another one is refused', async (t) => {
    const stage = await Stage.open(t, binding);
    await stage.database.createTable(
      'persons',
      [{ name: 'other', type: 'string' }],
      [{ name: 'person_id', type: 'string' }, ...persons.valueColumns],
    );
    const refused = await refusal(stage.prepare([persons], { create: true, evolve: true }));
    assert.equal(refused.code, 'TABLE_UNFIT');
    assert.match(refused.what, /persons.*person_id/i);
  });

  test('a column of another type takes what it can hold, or is told, with its table and the row', async (t) => {
    const stage = await Stage.open(t, binding);
    await stage.database.createTable('persons', persons.keyColumns, [
      { name: 'first', type: 'int' },
      { name: 'age', type: 'int' },
    ]);
    const refused = await refusal(
      (async () => {
        const log = await stage.own(persons, strict);
        await stage.writer.write(log.batch(written('1', 'no number', 1)), stage.retry);
      })(),
    );
    if (refused.code === 'TABLE_UNFIT') assert.match(refused.what, /first.*persons|persons.*first/i);
    else {
      assert.equal(refused.code, 'ROW_REJECTED');
      assert.match(refused.message, /table persons, topic shop.person, partition 0, .*key 1, offset/);
    }
    assert.deepEqual(
      (await stage.database.rows('persons', [{ name: 'person_id', type: 'string' }])).length,
      0,
      'nothing was written',
    );
  });

  test('a column that goes while rows are written is told', async (t) => {
    const stage = await Stage.open(t, binding);
    const log = await stage.own(persons);
    await log.write(written('1', 'x', 1));
    await stage.database.run('ALTER TABLE persons DROP age');
    const refused = await refusal(stage.writer.write(log.batch(written('1', 'x', 7)), stage.retry));
    assert.equal(refused.code, 'TABLE_UNFIT');
    assert.match(refused.what, /has no column .?age/i);
  });
}

async function refusal(action: Promise<unknown>): Promise<AfterwriteError> {
  const error = await action.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof AfterwriteError, `a refusal, not ${String(error)}`);
  return error;
}
