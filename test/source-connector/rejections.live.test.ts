import assert from 'node:assert/strict';
import { test } from 'node:test';
import { person, TestPipeline } from '../support/source/pipeline.ts';

const typed = { key: 'person:{region}:{id}', keyTypes: { id: 'int' }, fields: person.fields };

test('rule 9: a key that does not fit is a dead letter, told once, and no row', async (t) => {
  const pipeline = await TestPipeline.open(t, { mappings: { person: typed } });
  const { client } = pipeline.redis;
  await client.hset('person:eu:x', 'name', 'in the snapshot');
  const source = pipeline.start();
  await source.caughtUp();
  await client.hset('person:eu:007', 'name', 'Ann');
  await client.hset('person:eu:007', 'name', 'Bob');
  await client.hset(Buffer.from([...Buffer.from('person:'), 0xff, ...Buffer.from(':1')]), 'name', 'no UTF-8');
  await client.hset('person:eu:7', 'name', 'fits');
  await source.caughtUp();
  assert.deepEqual(await pipeline.told(), ['c eu,7 fits,null HSET']);
  const { pipeline: name, mappings } = pipeline.config();
  const letters = await pipeline.deadLetters();
  assert.deepEqual(
    letters.map(({ reason, mapping, topic, db, key, hash }) => ({ reason, mapping, topic, db, key, hash })),
    [
      ['person:eu:x', 'in the snapshot'],
      ['person:eu:007', 'Ann'],
      ['b64:cGVyc29uOv86MQ==', 'no UTF-8'],
    ].map(([key, text]) => {
      const { topic } = mappings['person'] ?? {};
      return { reason: 'key-does-not-fit', mapping: 'person', topic, db: 0, key, hash: { name: text } };
    }),
  );
  const { source: place } = letters[1] ?? {};
  assert.ok(typeof place === 'object' && place !== null && 'pipeline' in place && 'command' in place);
  assert.deepEqual([place.pipeline, place.command], [name, 'HSET']);
});

test('a value that is no number is a dead letter; the row stays as it was, and a mended hash is told', async (t) => {
  const pipeline = await TestPipeline.open(t);
  const { client } = pipeline.redis;
  const source = pipeline.start();
  await source.caughtUp();
  await client.hset('person:1', 'name', 'Ann', 'age', 30);
  await client.hset('person:2', 'name', 'Bob', 'age', 'no number');
  await client.hset('person:1', 'age', 'old');
  await client.hset('person:1', 'unmapped', 'x');
  await client.hset('person:1', 'name', 'Ann B.');
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), { 1: 'Ann,30' });
  const reasons = (await pipeline.deadLetters()).map(({ key, reason, field, column, hash }) => {
    return [key, reason, field, column, hash];
  });
  assert.deepEqual(reasons, [
    ['person:2', 'bad-value', 'age', 'age', { name: 'Bob', age: 'no number' }],
    ['person:1', 'bad-value', 'age', 'age', { name: 'Ann', age: 'old' }],
    ['person:1', 'bad-value', 'age', 'age', { name: 'Ann B.', age: 'old', unmapped: 'x' }],
  ]);
  assert.deepEqual(Object.keys(await pipeline.marks()).sort(), ['0:person:1', '0:person:2']);
  await client.hset('person:1', 'age', 31);
  await client.hset('person:2', 'age', 32);
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), { 1: 'Ann B.,31', 2: 'Bob,32' });
  assert.deepEqual(await pipeline.marks(), {});
});

test('a rejected hash that is deleted takes its row with it', async (t) => {
  const pipeline = await TestPipeline.open(t);
  const { client } = pipeline.redis;
  const source = pipeline.start();
  await source.caughtUp();
  await client.hset('person:1', 'name', 'Ann', 'age', 30);
  await source.caughtUp();
  await client.hset('person:1', 'age', 'old');
  await client.del('person:1');
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), {});
  assert.deepEqual(await pipeline.marks(), {});
  assert.equal((await pipeline.deadLetters()).length, 1);
});

test('rule 13: a row over maxRecordBytes is a dead letter with a digest, told once; the old row stays', async (t) => {
  const kafka = { maxRecordBytes: 20_000 };
  const pipeline = await TestPipeline.open(t, { kafka });
  const { client } = pipeline.redis;
  const source = pipeline.start();
  await client.hset('person:1', 'name', 'Ann');
  await source.caughtUp();
  const long = 'x'.repeat(20_000);
  await client.hset('person:1', 'name', long, 'note', 'y');
  await client.hset('person:2', 'name', 'small', 'note', long);
  await source.caughtUp();
  assert.deepEqual(await pipeline.rows(), { 1: 'Ann,null', 2: 'small,null' });
  const [letter, ...others] = await pipeline.deadLetters();
  assert.equal(others.length, 0);
  assert.deepEqual([letter?.['key'], letter?.['reason'], letter?.['hash']], ['person:1', 'too-large', undefined]);
  const { digest } = letter ?? {};
  assert.ok(typeof digest === 'object' && digest !== null && 'fields' in digest);
  assert.equal(digest.fields, 2);
  // A full resync sees the fields in the order of the server's own table.
  await source.stop();
  await client.call('DEBUG', 'CHANGE-REPL-ID');
  const next = pipeline.start();
  await next.caughtUp();
  assert.deepEqual(await next.links(), { continued: 0, full: 1 });
  assert.equal((await pipeline.deadLetters()).length, 1);
  await client.hset('person:1', 'name', 'mended');
  await next.caughtUp();
  assert.deepEqual(await pipeline.rows(), { 1: 'mended,null', 2: 'small,null' });
});

test('rows and letters of every size around maxRecordBytes go through', async (t) => {
  const limit = 5000;
  const pipeline = await TestPipeline.open(t, {
    kafka: { maxRecordBytes: limit },
    mappings: { person: { ...person, before: true } },
  });
  const { client } = pipeline.redis;
  const source = pipeline.start();
  await source.caughtUp();
  for (let length = 1500; length < 5500; length += 97) {
    await client.hset('person:1', 'name', 'n'.repeat(length));
    await client.hset(`person:bad${length}`, 'age', '\x01'.repeat(Math.floor(length / 5)));
  }
  await client.hset(`person:${'k'.repeat(limit)}`, 'age', 'no number');
  await client.hset('person:last', 'name', 'last');
  await source.caughtUp();
  assert.equal((await pipeline.rows())['last'], 'last,null');
  assert.deepEqual(source.codes(), []);
});

test('`null` tells such a value as null, and `stop` stops before it with everything before it committed', async (t) => {
  const pipeline = await TestPipeline.open(t, {
    mappings: {
      person: { ...person, onBadValue: 'stop' },
      guest: { ...person, key: 'guest:{id}', onBadValue: 'null' },
    },
  });
  const { client } = pipeline.redis;
  const source = pipeline.start();
  await source.caughtUp();
  await client.hset('guest:1', 'name', 'Ann', 'age', 'old');
  await client.hset('person:1', 'name', 'Ann', 'age', 1);
  await source.caughtUp();
  await client.hset('person:1', 'age', 'my secret');
  const { code, message } = await source.failed();
  assert.equal(code, 'BAD_VALUE');
  assert.match(message, /age/);
  assert.doesNotMatch(message, /secret/, 'values are data, and stand in no log');
  assert.deepEqual(await pipeline.rows('guest'), { 1: 'Ann,null' });
  assert.deepEqual(await pipeline.rows(), { 1: 'Ann,1' });
  // The stream still holds the value after the hash was mended.
  await client.hset('person:1', 'age', 2);
  assert.equal((await pipeline.start().failed()).code, 'BAD_VALUE');
  const next = pipeline.start({}, { resync: true });
  await next.caughtUp();
  assert.deepEqual(await next.links(), { continued: 0, full: 1 });
  assert.deepEqual(await pipeline.rows(), { 1: 'Ann,2' });
});
