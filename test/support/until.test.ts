import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, untilEqual } from './until.ts';

test('until gives the first value that is there, and a look that throws is only early', async () => {
  const looks = [null, undefined, false, new Error('early'), 0];
  const value = await until('a number', () => {
    const next = looks.shift();
    if (next instanceof Error) throw next;
    return next;
  });
  assert.equal(value, 0);
});

test('until names what it waited for and what it saw last', async () => {
  const patience = { timeoutMs: 30, everyMs: 1 };
  await assert.rejects(
    until('the moon', () => false, patience),
    /waited 0.03 s for: the moon; last seen: false/,
  );
  const broken = until('the moon', () => Promise.reject(new Error('clouds')), patience);
  await assert.rejects(broken, /the moon; last seen: Error: clouds/);
  await assert.rejects(
    untilEqual('rows', [{ id: 1 }], () => [{ id: 2 }], patience),
    /rows = \[ \{ id: 1 \} \]; last seen: .*id: 2/s,
  );
});

test('untilEqual compares by value, and takes null and false as values', async () => {
  let count = 0;
  await untilEqual('the count', { count: 3 }, () => ({ count: (count += 1) }));
  await untilEqual('nothing', null, () => null);
});
