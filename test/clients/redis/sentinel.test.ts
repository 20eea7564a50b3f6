import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mostNamed, type SentinelWord } from '../../../clients/redis/sentinel.ts';

const at = (port: number) => ({ host: '127.0.0.1', port });
const word = (master: number, epoch: number, ...replicas: readonly number[]): SentinelWord => ({
  master: at(master),
  replicas: replicas.map(at),
  epoch,
});

test('the master counts that most Sentinels name; among equals the later one', () => {
  assert.equal(mostNamed([])?.master, undefined);
  assert.deepEqual(mostNamed([word(1, 7), word(2, 3), word(2, 3)])?.master, at(2));
  assert.deepEqual(mostNamed([word(1, 2), word(2, 3)])?.master, at(2));
  assert.deepEqual(mostNamed([word(2, 3), word(1, 2)])?.master, at(2));
});

test('replicas are those of the Sentinels that name that master, each once', () => {
  const roster = mostNamed([word(1, 1, 2, 3), word(1, 1, 3, 4), word(9, 0, 5)]);
  assert.deepEqual(roster, { master: at(1), replicas: [at(2), at(3), at(4)] });
});
