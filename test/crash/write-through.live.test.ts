import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import pg from 'pg';
import { freePort } from '../../services/ports.ts';
import { Connector } from '../support/processes.ts';
import { createDatabase, type TestDatabase } from '../support/sink/database.ts';
import { createMariaDatabase } from '../support/sink/maria-database.ts';
import { createWorker } from '../support/sink/worker.ts';
import { person, TestPipeline } from '../support/source/pipeline.ts';
import { PATIENCE } from '../support/source/source.ts';
import { until, untilEqual } from '../support/until.ts';

const mapping = { ...person, table: 'persons', writeThrough: { timeout: '60s' } };
/** The rows of a database, as `id name age`. */
type Rows = () => Promise<string[]>;

async function begin(
  t: TestContext,
  database: TestDatabase,
  through: object,
  more: Readonly<Record<string, unknown>> = {},
) {
  const sinks = {
    pg: { ...database.sinkOptions, create: true, batch: { linger: '1ms' }, http: { port: await freePort() } },
    ...more,
  };
  const acknowledge = Object.keys(sinks);
  const pipeline = await TestPipeline.open(t, { mappings: { person: { ...mapping, ...through, acknowledge } }, sinks });
  const { client } = pipeline.redis;
  let writes = 0;
  return {
    pipeline,
    client,
    /** Stages fields under an operation, and waits for what its client is told; `more` may be told later. */
    write: async (key: string, operation: string, ...fields: string[]): Promise<string> => {
      const id = `w${++writes}`;
      await client.hset(`__{${key}}`, ...fields, '#', `${operation}${id}`);
      return await until(
        `an entry for ${id}`,
        async () => {
          const [entry] = await client.xrange(`{${key}}${id}`, '-', '+');
          return entry?.[1].slice(0, 2).join(' ');
        },
        PATIENCE,
      );
    },
    told: async (key: string, write: number): Promise<number> => await client.xlen(`{${key}}w${write}`),
  };
}

function rowsOf(database: TestDatabase): Rows {
  return async () =>
    (await database.rows('SELECT * FROM $schema.persons ORDER BY id')).map(({ id, name, age }) =>
      [id, name, age].join(' '),
    );
}

test('rule 23: rows are in PostgreSQL and MariaDB before the client is told, and hashes are then', async (t) => {
  const database = await createDatabase(t);
  const maria = await createMariaDatabase(t);
  const sink = { ...maria.sinkOptions, create: true, batch: { linger: '1ms' } };
  const mariaRows: Rows = () => maria.rows('SELECT id, name, age FROM persons ORDER BY id');
  const { pipeline, client, write } = await begin(t, database, {}, { maria: sink });
  await client.hset('person:1', 'name', 'Ann', 'age', '30', 'city', 'Oslo');
  await client.pexpire('person:1', 500_000);
  const config = pipeline.config();
  for (const name of ['pg', 'maria']) {
    await createWorker(t, config, { sink: name }).worker.start();
  }
  const source = pipeline.start();
  await source.caughtUp();
  const expect = async (
    what: string,
    rows: readonly string[],
    hash: Readonly<Record<string, string>>,
  ): Promise<void> => {
    assert.deepEqual([await rowsOf(database)(), await mariaRows()], [rows, rows], `${what}: rows`);
    assert.deepEqual(await client.hgetall('person:1'), hash, `${what}: hash`);
    assert.equal(await client.exists('__{person:1}'), 0, `${what}: staging key`);
  };
  assert.equal(await write('person:1', '=', 'name', 'Bea'), 'status done');
  await expect('a part', ['1 Bea 30'], { name: 'Bea', age: '30', city: 'Oslo' });
  assert.equal(await write('person:1', '=', 'name', 'Cid', 'age', '7', 'city', 'Rome'), 'status done');
  await expect('the whole', ['1 Cid 7'], { name: 'Cid', age: '7', city: 'Rome' });
  assert.ok((await client.pttl('person:1')) > 0, 'the TTL is kept');

  assert.equal(await write('person:1', '+', 'name', 'Dan'), 'status done');
  await source.caughtUp();
  await until('# is taken off', async () => (await client.hexists('person:1', '#')) === 0);
  await expect('+', ['1 Cid 7'], { name: 'Dan', age: '7', city: 'Rome' });
  assert.equal(await write('person:1', '-'), 'status done');
  await until('the hash is gone', async () => (await client.exists('person:1')) === 0);
  await source.caughtUp();
  await expect('-', ['1 Cid 7'], {});
  assert.equal(await write('person:1', '~'), 'status done');
  await expect('~ without a hash', [], {});

  const both = await Promise.all([write('person:2', '=', 'name', 'Eve'), write('person:2', '=', 'age', '9')]);
  assert.deepEqual(both, ['status done', 'status done']);
  assert.deepEqual(await client.hgetall('person:2'), { name: 'Eve', age: '9' });
  assert.equal(await client.exists('__{person:2}'), 0);
  assert.deepEqual([await rowsOf(database)(), await mariaRows()], [['2 Eve 9'], ['2 Eve 9']]);
});

test('rule 23: a database that does not answer in time has the row of the hash in the end', async (t) => {
  const database = await createDatabase(t);
  const { pipeline, client, write, told } = await begin(t, database, { writeThrough: { timeout: '1500ms' } });
  await client.hset('person:1', 'name', 'Ann', 'age', '30');
  await createWorker(t, pipeline.config(), { sink: 'pg' }).worker.start();
  const source = pipeline.start();
  await source.caughtUp();
  await untilEqual('the first row', ['1 Ann 30'], rowsOf(database));
  const locker = new pg.Client(database.url);
  await locker.connect();
  t.after(() => locker.end());
  await locker.query(`BEGIN; LOCK TABLE ${database.schema}.persons IN ACCESS EXCLUSIVE MODE`);
  assert.equal(await write('person:1', '=', 'name', 'Bea'), 'status failed');
  assert.equal(await write('person:2', '=', 'name', 'Bea'), 'status failed');
  assert.deepEqual(await client.hgetall('person:1'), { name: 'Ann', age: '30' });
  assert.equal(await client.exists('person:2', '__{person:1}', '__{person:2}'), 0);
  await locker.query('COMMIT');
  assert.equal(await write('person:3', '=', 'name', 'Cid'), 'status done');
  await untilEqual('rows equal hashes', ['1 Ann 30', '3 Cid '], rowsOf(database));
  assert.deepEqual([await told('person:1', 1), await told('person:2', 2)], [1, 1], 'each was told once');
});

test('rule 23: kill -9 between the commit of the database and what is said of it is one write', async (t) => {
  const database = await createDatabase(t);
  const { pipeline, client, write, told } = await begin(t, database, {});
  const source = await pipeline.process();
  const sinkPort = pipeline.config().sinks['pg']?.http.port ?? 0;
  const args = ['sink', 'pg', '-c', `${pipeline.folder}/afterwrite.yaml`];
  const sink = new Connector(t, { name: 'sink', args, folder: pipeline.folder, httpPort: sinkPort });
  t.after(() => sink.kill());
  source.start();
  sink.start('sink.committed');
  const written = write('person:1', '=', 'name', 'Bea', 'age', '1');
  await sink.diedAtFault();
  assert.deepEqual(await rowsOf(database)(), ['1 Bea 1'], 'the database has it');
  assert.equal(await client.exists('person:1'), 0, 'and Redis has not');
  sink.start();
  assert.equal(await written, 'status done');
  await pipeline.caughtUp();
  assert.equal(await told('person:1', 1), 1);
  assert.deepEqual(await client.hgetall('person:1'), { name: 'Bea', age: '1' });
  assert.equal(await client.exists('__{person:1}'), 0);
  assert.deepEqual(await rowsOf(database)(), ['1 Bea 1']);
  assert.deepEqual(await pipeline.marks(), {});
});
