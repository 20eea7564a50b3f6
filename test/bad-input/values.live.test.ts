import assert from 'node:assert/strict';
import { test } from 'node:test';
import { committedOf, openReader } from '../support/kafka.ts';
import type { Scope } from '../support/scope.ts';
import { until, untilEqual } from '../support/until.ts';
import { PATIENCE, Trial } from './trial.ts';

test('a field that is no number, a key that does not fit, a record over the limit: dead letters, and the rest goes on', async (t) => {
  const trial = await Trial.open(t, {
    settings: { kafka: { maxRecordBytes: '64KiB' }, mappings: { person: { keyTypes: { person_id: 'int' } } } },
  });
  const { redis, source, sink } = trial;
  source.start();
  sink.start();
  const good = await trial.writePersons(3);
  await trial.untilPersons(good);
  await redis.client.hset('person:4', { first_name: 'Ann', age: 'fourty' });
  await redis.client.hset('person:five', { first_name: 'Ben', age: 5 });
  await redis.client.hset('person:6', { first_name: 'x'.repeat(70_000), age: 6 });
  await redis.client.hset('person:1', { age: 'old' });
  const more = await trial.writePersons(1, 7);
  await trial.untilPersons([...good, ...more]);
  await Promise.all([source.ready(), sink.ready()]);
  const letters = await deadLettersOf(t, trial);
  assert.deepEqual(
    letters.map(({ key, reason, message, hash }) => [key, reason, message, hash]),
    [
      [
        'person:4',
        'bad-value',
        'the field age cannot be age: it is no integer of 32 bits',
        { first_name: 'Ann', age: 'fourty' },
      ],
      [
        'person:five',
        'key-does-not-fit',
        'the key does not fit the pattern person:{person_id}',
        { first_name: 'Ben', age: '5' },
      ],
      ['person:6', 'too-large', 'the record would have 70535 bytes, more than maxRecordBytes (65536)', undefined],
      [
        'person:1',
        'bad-value',
        'the field age cannot be age: it is no integer of 32 bits',
        { first_name: 'name 0', age: 'old' },
      ],
    ],
  );
  for (const key of ['person:4', 'person:five', 'person:6', 'person:1'])
    assert.ok(source.printed().includes(`"key":"${key}"`));

  // Mended hashes are rows.
  await redis.client.hset('person:4', { age: 40 });
  await redis.client.rename('person:five', 'person:5');
  await redis.client.hset('person:6', { first_name: 'Cem' });
  await redis.client.hset('person:1', { age: 1 });
  const mended = [
    ['1', 'name 0', 1],
    ['4', 'Ann', 40],
    ['5', 'Ben', 5],
    ['6', 'Cem', 6],
  ] as const;
  await trial.untilPersons([...mended, ...good.slice(1), ...more]);
  await Promise.all([source.stop('SIGINT'), sink.stop('SIGINT')]);
});

test('onBadValue: null gives a row without the value, stop ends the source with the hash named', async (t) => {
  const cars = { key: 'cars:{car_id}', fields: { wheels: { type: 'int' } }, onBadValue: 'stop' };
  const trial = await Trial.open(t, { settings: { mappings: { person: { onBadValue: 'null' }, cars } } });
  const { redis, source, sink, database } = trial;
  const { client } = redis;
  source.start();
  sink.start();
  await source.ready();
  await client.hset('person:1', { first_name: 'Ann', age: 'old' });
  await trial.untilPersons([['1', 'Ann', null]]);
  await client.hset('person:1', { age: 7 });
  await trial.untilPersons([['1', 'Ann', 7]]);

  await client.multi().hset('person:2', { first_name: 'Ben' }).hset('cars:1', { wheels: 'many' }).exec();
  await client.hset('person:3', { first_name: 'Cem' });
  const stopped = { code: 1, signal: null };
  assert.deepEqual(await source.ended(), stopped, source.tail());
  const told =
    /^BAD_VALUE: the field wheels cannot be wheels: it is no integer of 32 bits \(mapping cars, key cars:1\)\. Mend the hash .* --resync/m;
  assert.match(source.printed(), told);
  assert.match(await trial.refusal(source), told);

  // The stream still holds the bad value; a snapshot does not.
  await client.hset('cars:1', { wheels: 4 });
  const resyncing = trial.connector('source-resync', ['source', '--resync'], trial.ports.source);
  resyncing.start();
  await trial.untilPersons([
    ['1', 'Ann', 7],
    ['2', 'Ben', null],
    ['3', 'Cem', null],
  ]);
  const mended = [{ car_id: '1', wheels: 4 }];
  await untilEqual('the mended row', mended, () => database.rows('SELECT * FROM $schema.cars'), PATIENCE);
  await resyncing.stop('SIGINT');
  source.start();
  await client.hset('person:3', { age: 3 });
  await trial.untilPersons([
    ['1', 'Ann', 7],
    ['2', 'Ben', null],
    ['3', 'Cem', 3],
  ]);
  assert.match(source.printed(), /"answer":"continue"/);
  await Promise.all([source.stop('SIGINT'), sink.stop('SIGINT')]);
});

test('a text that PostgreSQL cannot hold becomes a dead letter of the sink, and all other rows are written', async (t) => {
  const trial = await Trial.open(t);
  const { redis, source, sink } = trial;
  source.start();
  sink.start();
  const good = await trial.writePersons(10);
  await trial.untilPersons(good);
  await redis.client.hset('person:bad', { first_name: 'a\0b', age: 1 });
  const more = await trial.writePersons(10, 11);
  await trial.untilPersons([...good, ...more]);
  const [letter, ...others] = await until('a dead letter', async () => {
    const letters = await deadLettersOf(t, trial);
    return letters.length > 0 && letters;
  });
  assert.deepEqual([letter?.key, letter?.reason, others], ['bad', 'rejected-row', []]);
  assert.match(String(letter?.message), /invalid byte sequence for encoding "UTF8": 0x00/);
  await redis.client.hset('person:bad', { first_name: 'ab' });
  await trial.untilPersons([...good, ...more, ['bad', 'ab', 1]]);
  await Promise.all([source.stop('SIGINT'), sink.stop('SIGINT')]);
});

interface DeadLetter {
  readonly key?: unknown;
  readonly reason?: unknown;
  readonly message?: unknown;
  readonly hash?: unknown;
}

async function deadLettersOf(scope: Scope, trial: Trial): Promise<DeadLetter[]> {
  const records = await committedOf(await openReader(scope), `${trial.pipeline}.dead-letters`);
  return [...records.values()].flat().map(({ value }) => {
    const letter: unknown = JSON.parse(String(value));
    assert.ok(typeof letter === 'object' && letter !== null);
    return { ...letter };
  });
}
