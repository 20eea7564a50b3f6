import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startPrivate } from '../support/servers.ts';
import { createDatabase, type TestDatabase } from '../support/sink/database.ts';
import { createMariaDatabase } from '../support/sink/maria-database.ts';
import { createWorker } from '../support/sink/worker.ts';
import { person, TestPipeline } from '../support/source/pipeline.ts';
import { PATIENCE } from '../support/source/source.ts';
import { until, untilEqual } from '../support/until.ts';

// The scenarios of the acceptance tests that rgsync has for its databases, as its clients see them.

const batch = { linger: '1ms' };
const rowsOf = async (database: TestDatabase): Promise<string[]> =>
  (await database.rows('SELECT id, name, age FROM $schema.persons ORDER BY id')).map((row) =>
    [row['id'], row['name'], row['age']].map(String).join(' '),
  );

/** What a client finds in the stream that is named for its id, once that has so many entries. */
async function told({ redis: { client } }: TestPipeline, key: string, id: string, count: number): Promise<string[]> {
  const entries = async (): Promise<string[] | undefined> => {
    const found = await client.xrange(`{${key}}${id}`, '-', '+');
    return found.length < count ? undefined : found.map(([, [, status = '', , sink = '']]) => `${sink} ${status}`);
  };
  return (await until(`${count} entries for ${id}`, entries, PATIENCE)).sort();
}

test('rows, deletes and operations of rgsync’s clients reach PostgreSQL and MariaDB, and are acknowledged (rule 22)', async (t) => {
  const postgres = await createDatabase(t);
  const maria = await createMariaDatabase(t);
  const pipeline = await TestPipeline.open(t, {
    mappings: { person: { ...person, table: 'persons', operations: true, acknowledge: ['pg', 'maria'] } },
    sinks: {
      pg: { ...postgres.sinkOptions, create: true, batch },
      maria: { ...maria.sinkOptions, create: true, batch },
    },
  });
  for (const sink of ['pg', 'maria']) await createWorker(t, pipeline.config(), { sink }).worker.start();
  const source = pipeline.start();
  await source.caughtUp();
  const { client } = pipeline.redis;
  const rows = async (): Promise<string[][]> => [
    await rowsOf(postgres),
    await maria.rows('SELECT id, name, age FROM persons ORDER BY id'),
  ];
  const both = (...expected: string[]): string[][] => [expected, expected];
  const untilRows = (...expected: string[]): Promise<unknown> => untilEqual('rows', both(...expected), rows, PATIENCE);
  const isDone = ['maria done', 'pg done'];
  const key = 'person:1';

  await client.hset(key, 'name', 'Ann', 'age', '20');
  await untilRows('1 Ann 20');
  await client.del(key);
  await untilRows();

  await client.hset(key, '#', '=one', 'name', 'Ann', 'age', '21');
  assert.deepEqual(await told(pipeline, key, 'one', 2), isDone);
  assert.deepEqual(await rows(), both('1 Ann 21'), 'the rows are there when the client is told');
  await until('# is taken off', async () => (await client.hexists(key, '#')) === 0, PATIENCE);
  assert.ok((await client.ttl(`{${key}}one`)) > 3000, 'the stream expires after an hour');
  await client.hset(key, '#', '~two');
  assert.deepEqual(await told(pipeline, key, 'two', 2), isDone);
  assert.deepEqual(await rows(), both(), 'the rows are gone when the client is told');
  await until('the hash is gone', async () => (await client.exists(key)) === 0, PATIENCE);

  // The chain: Redis only, both, Redis only, Redis only, both.
  await client.hset(key, '#', '+a', 'name', 'Bea', 'age', '30');
  assert.deepEqual(await told(pipeline, key, 'a', 1), ['source done']);
  await until('# is taken off', async () => (await client.hexists(key, '#')) === 0, PATIENCE);
  await source.caughtUp();
  assert.deepEqual(await rows(), both(), '+ leaves the databases alone');
  await client.hset(key, '#', '=b');
  assert.deepEqual(await told(pipeline, key, 'b', 2), isDone);
  assert.deepEqual(await rows(), both('1 Bea 30'));
  await client.hset(key, '#', '-c');
  assert.deepEqual(await told(pipeline, key, 'c', 1), ['source done']);
  await until('the hash is gone', async () => (await client.exists(key)) === 0, PATIENCE);
  await client.hset(key, '#', '+', 'name', 'Cid');
  await until('# is taken off', async () => (await client.hexists(key, '#')) === 0, PATIENCE);
  await source.caughtUp();
  assert.deepEqual(await rows(), both('1 Bea 30'), '- and + leave the rows as they were');
  await client.hset(key, '#', '~');
  await untilRows();
  await until('the hash is gone', async () => (await client.exists(key)) === 0, PATIENCE);

  // What the recipe was silent about.
  await client.hset(key, '#', '?odd', 'name', 'Dan');
  assert.deepEqual(await told(pipeline, key, 'odd', 1), ['source failed']);
  const [refusal] = await client.xrange(`{${key}}odd`, '-', '+');
  assert.match(refusal?.[1].join(' ') ?? '', /error the field # is "\?odd", which is no operation/);
  await client.hset('person:2', '#', '', 'name', 'Eve');
  await until('# is taken off', async () => (await client.hexists('person:2', '#')) === 0, PATIENCE);
  await source.caughtUp();
  assert.deepEqual(await rows(), both(), 'what is no operation writes no row');
});

test('a write-through while the database is down fails, and Redis and the rows stay as they were (rule 23)', async (t) => {
  const server = await startPrivate(t, 'postgres');
  const { pipeline, database } = await throughPipeline(t, server.address);
  const { client } = pipeline.redis;
  await client.hset('person:1', 'name', 'Ann', 'age', '19');
  await createWorker(t, pipeline.config(), { sink: 'pg' }).worker.start();
  await pipeline.start().caughtUp();
  await untilEqual('the first row', ['1 Ann 19'], () => rowsOf(database), PATIENCE);
  await client.hset('__{person:1}', '#', '=zero', 'age', '20');
  assert.deepEqual(await told(pipeline, 'person:1', 'zero', 1), ['source done']);
  assert.deepEqual(await rowsOf(database), ['1 Ann 20'], 'the database has it when the client is told');
  assert.deepEqual(await client.hgetall('person:1'), { name: 'Ann', age: '20' });
  await server.kill();
  await client.hset('__{person:1}', '#', '=one', 'name', 'Bea');
  await client.hset('__{person:1}', '#', '=two', 'age', '99');
  for (const id of ['one', 'two']) assert.deepEqual(await told(pipeline, 'person:1', id, 1), ['source failed'], id);
  assert.deepEqual(await client.hgetall('person:1'), { name: 'Ann', age: '20' });
  assert.equal(await client.exists('__{person:1}'), 0, 'it is staged no more');
  await server.start();
  await client.hset('person:2', 'name', 'Cid');
  await untilEqual('rows equal hashes', ['1 Ann 20', '2 Cid null'], () => rowsOf(database), PATIENCE);
  for (const id of ['one', 'two']) {
    assert.equal(await client.xlen(`{person:1}${id}`), 1, 'a success that comes later is not told');
  }
});

async function throughPipeline(
  t: TestContext,
  url: string,
): Promise<{ readonly pipeline: TestPipeline; readonly database: TestDatabase }> {
  const database = await createDatabase(t, url);
  const mapping = { ...person, table: 'persons', writeThrough: { timeout: '2s' }, acknowledge: ['pg'] };
  const pipeline = await TestPipeline.open(t, {
    mappings: { person: mapping },
    sinks: { pg: { ...database.sinkOptions, create: true, batch } },
  });
  return { pipeline, database };
}
