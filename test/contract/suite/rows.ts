import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TargetTable } from '../../../sink-connector/write/port.ts';
import type { ContractBinding } from '../binding.ts';
import { inOrder } from '../canonical.ts';
import { deleted, persons, Stage, written } from './stage.ts';

const visits: TargetTable = {
  ...persons,
  name: 'visits',
  keyColumns: [
    { name: 'region', type: 'string' },
    { name: 'id', type: 'long' },
    { name: 'part', type: 'int' },
  ],
  valueColumns: [{ name: 'note', type: 'string' }],
};
const marks: TargetTable = { ...persons, name: 'marks', valueColumns: [] };

/** Rows by their keys: what is written, overwritten and deleted, in one batch and over several. */
export function rowTests(binding: ContractBinding): void {
  test('rows and offset move together, and deletes and inserts of a batch end as the log says', async (t) => {
    const stage = await Stage.open(t, binding);
    const log = await stage.own(persons);
    await log.write(written('1', 'Ann', 30), written('2', 'Bob', null), written('3', 'C"\\,{}\'%_;--', 1));
    await log.write(
      written('1', 'Anna', 31),
      deleted('2'),
      deleted('4'),
      written('4', 'Dora', 4),
      deleted('4'),
      deleted('never there'),
    );
    assert.deepEqual(await stage.rows(persons), [
      ['1', 'Anna', '31'],
      ['3', 'C"\\,{}\'%_;--', '1'],
    ]);
    assert.deepEqual(await stage.offsets(), [['warehouse', 'shop.person', '0', 'c1', '9', '0', '1']]);
  });

  test('insert, delete, insert of one key ends with its row, in one batch and across batches', async (t) => {
    const stage = await Stage.open(t, binding);
    const log = await stage.own(persons);
    await log.write(written('a', 'first', 1), deleted('a'), written('a', 'second', 2));
    assert.deepEqual(await stage.rows(persons), [['a', 'second', '2']]);
    await log.write(deleted('a'));
    assert.deepEqual(await stage.rows(persons), []);
    await log.write(written('a', 'third', null));
    assert.deepEqual(await stage.rows(persons), [['a', 'third', null]]);
    await log.write(deleted('a'), written('a', null, 4), deleted('a'));
    assert.deepEqual(await stage.rows(persons), []);
  });

  test('one key a thousand times in a batch is its last event', async (t) => {
    const stage = await Stage.open(t, binding);
    const log = await stage.own(persons);
    await log.write(...Array.from({ length: 1000 }, (_, index) => written('hot', `v${index}`, index)));
    assert.deepEqual(await stage.rows(persons), [['hot', 'v999', '999']]);
    await log.write(...Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? written('hot', 'x', i) : deleted('hot'))));
    assert.deepEqual(await stage.rows(persons), []);
  });

  test('every part of a composite key counts', async (t) => {
    const stage = await Stage.open(t, binding);
    const log = await stage.own(visits);
    await log.write(
      written(['eu', 1, 2], 'a'),
      written(['eu', 2, 1], 'b'),
      written(['us', 1, 2], 'c'),
      written(['eu', 9223372036854775807n, -2147483648], 'd'),
      written(['eu', -9007199254740993n, 0], 'e'),
    );
    await log.write(deleted(['eu', 1, 2]), deleted(['us', 2, 1]), written(['us', 1, 2], 'changed'));
    assert.deepEqual(await stage.rows(visits), [
      ['eu', '-9007199254740993', '0', 'e'],
      ['eu', '2', '1', 'b'],
      ['eu', '9223372036854775807', '-2147483648', 'd'],
      ['us', '1', '2', 'changed'],
    ]);
  });

  test('a table of nothing but keys has its rows', async (t) => {
    const stage = await Stage.open(t, binding);
    const log = await stage.own(marks);
    await log.write(written('a'), written('b'));
    await log.write(written('a'), deleted('b'), written('c'));
    assert.deepEqual(await stage.rows(marks), [['a'], ['c']]);
  });

  test('rule 9: keys that a collation would hold for equal are rows of their own', async (t) => {
    const stage = await Stage.open(t, binding);
    const log = await stage.own(persons);
    const keys = ['a', 'A', 'a ', ' a', 'á', 'a\u0301', 'ss', 'ß', '7', '07', '🙂', '🙃', 'ı', 'i', "it's", 'a\tb'];
    const table = keys.map((key, index) => written(key, `v${index}`, index));
    await log.write(...table);
    assert.deepEqual(await stage.rows(persons), inOrder(keys.map((key, index) => [key, `v${index}`, String(index)])));
    await log.write(deleted('A'), deleted('a '), deleted('ß'), written('á', 'changed', 1));
    const left = keys.flatMap((key, index) =>
      ['A', 'a ', 'ß'].includes(key) ? [] : [key === 'á' ? [key, 'changed', '1'] : [key, `v${index}`, String(index)]],
    );
    assert.deepEqual(await stage.rows(persons), inOrder(left));
  });

  test('a batch of 5,000 rows is written, overwritten and deleted', async (t) => {
    const stage = await Stage.open(t, binding);
    const log = await stage.own(persons);
    const numbers = Array.from({ length: 5000 }, (_, index) => index);
    await log.write(...numbers.map((number) => written(`k${number}`, `v${number}`, number)));
    await log.write(...numbers.map((n) => (n % 2 === 0 ? deleted(`k${n}`) : written(`k${n}`, 'again', n))));
    const odd = numbers.filter((number) => number % 2 === 1);
    assert.deepEqual(await stage.rows(persons), inOrder(odd.map((n) => [`k${n}`, 'again', String(n)])));
  });

  test('all keys that stand in a table are read page by page, as events carry them', async (t) => {
    const stage = await Stage.open(t, binding);
    if (stage.appends) {
      t.skip('it has no rows');
      return;
    }
    const log = await stage.own(visits);
    const keys = Array.from({ length: 21_000 }, (_, n) => [`r${n % 3}`, 9_007_199_254_730_990n + BigInt(n), n % 7]);
    for (let at = 0; at < keys.length; at += 5000) {
      await log.write(...keys.slice(at, at + 5000).map((key) => written(key, 'x')));
    }
    const session = await stage.dialect.connect();
    t.after(() => session.close());
    const found = new Set<string>();
    let pages = 0;
    for await (const page of session.keys(visits)) {
      pages += 1;
      for (const { keyValues } of page) found.add(keyValues.join());
    }
    assert.ok(pages > 1, 'no page holds them all');
    assert.deepEqual(found, new Set(keys.map((key) => key.join())));
  });
}
