import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from '../../../sink-connector/orphans/turns.ts';

/** Work that ends when it is told to. */
function held(): { readonly promise: Promise<string>; readonly end: (result: string) => void } {
  let end: (result: string) => void = () => undefined;
  const promise = new Promise<string>((resolve) => {
    end = resolve;
  });
  return { promise, end };
}

const never = new AbortController().signal;

test('work is done one after the other, in its order, whatever came of the one before', async () => {
  const turns = new Turns();
  const told: string[] = [];
  const first = held();
  const one = turns.take(async () => {
    told.push('one');
    await first.promise;
    throw new Error('one failed');
  }, never);
  const two = turns.take(() => Promise.resolve(told.push('two')), never);
  const three = turns.take(() => Promise.resolve(told.push('three')), never);
  first.end('');
  await assert.rejects(one, /one failed/);
  assert.deepEqual([await two, await three], [2, 3]);
  assert.deepEqual(told, ['one', 'two', 'three']);
});

test('who is told to stop leaves the queue at once, and those behind wait for their turn all the same', async () => {
  const turns = new Turns();
  const first = held();
  const one = turns.take(() => first.promise, never);
  const stopping = new AbortController();
  const two = turns.take(() => Promise.reject(new Error('it was its turn')), stopping.signal);
  let isThird = false;
  const three = turns.take(() => {
    isThird = true;
    return Promise.resolve('three');
  }, never);
  stopping.abort(new Error('stopped'));
  await assert.rejects(two, /stopped/);
  assert.equal(isThird, false);
  first.end('one');
  assert.deepEqual([await one, await three], ['one', 'three']);
});
