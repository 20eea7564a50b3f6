import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { waitRoute } from '../../cli/wait-route.ts';
import { startHttpServer } from '../../ops/http.ts';
import { createMetrics } from '../../ops/metrics.ts';
import type { Scope } from '../support/scope.ts';
import { createDatabase, type TestDatabase } from '../support/sink/database.ts';
import { createWorker, type TestWorker } from '../support/sink/worker.ts';
import { TestPipeline } from '../support/source/pipeline.ts';
import { until } from '../support/until.ts';

const news = z.object({
  committed: z.boolean(),
  waitsFor: z.string().optional(),
  error: z.string().optional(),
  topic: z.object({ partition: z.int(), end: z.int() }).optional(),
});

type Answer = z.output<typeof news> & { readonly status: number };
/** Asks a worker's HTTP server. */
type Ask = (query: string) => Promise<Answer>;

async function serve(scope: Scope, { worker, metrics }: TestWorker): Promise<Ask> {
  const routes = [waitRoute(new Map([['warehouse', worker]]))];
  const parts = { metrics, health: () => ({}), ready: () => ({}), routes };
  const server = await startHttpServer({ host: '127.0.0.1', port: 0, ...parts });
  scope.after(() => server.close());
  return async (query) => {
    const answer = await fetch(`${server.address}/wait?${query}`);
    return { ...news.parse(await answer.json()), status: answer.status };
  };
}

async function ageOf(database: TestDatabase, id: string): Promise<unknown> {
  return (await database.rows(`SELECT age FROM $schema.person WHERE id = '${id}'`))[0]?.['age'];
}

function isReady({ worker }: TestWorker): boolean {
  return Object.values(worker.ready()).every(({ ok }) => ok);
}

test('GET /wait answers when what Redis had is in the database, whichever worker writes it', async (t) => {
  const database = await createDatabase(t);
  const pipeline = await TestPipeline.open(t, { sinks: { warehouse: { ...database.sinkOptions, create: true } } });
  const { client } = pipeline.redis;
  const source = pipeline.start();
  await client.hset('person:5', 'name', 'Ann', 'age', '0');
  await source.caughtUp();
  const workers = [createWorker(t, pipeline.config()), createWorker(t, pipeline.config())];
  for (const { worker } of workers) await worker.start();
  await until('two workers share the partitions', () =>
    workers.every((sink) => isReady(sink) && Object.keys(sink.worker.ready()).length === 2),
  );
  const [first, second] = await Promise.all(workers.map((sink) => serve(t, sink)));
  assert.ok(first !== undefined && second !== undefined);

  const partitions = new Set<number | undefined>();
  // A key's partition depends on the number of its schema, which others' schemas decide.
  for (let age = 1; age <= 6 || (partitions.size < 2 && age < 60); age++) {
    const id = String(age % 30);
    await client.hset(`person:${id}`, 'name', 'x', 'age', age);
    const answers: readonly Answer[] = await Promise.all(
      [first, second].map((ask) => ask(`key=person:${id}&timeout=60s`)),
    );
    for (const { status, committed, topic } of answers) {
      assert.deepEqual([status, committed], [200, true]);
      partitions.add(topic?.partition);
    }
    assert.equal(await ageOf(database, id), age);
  }
  assert.equal(partitions.size, 2, 'keys of both workers were asked for');

  // The database holds the row up.
  await database.client.query(`BEGIN; SELECT FROM ${database.schema}.person WHERE id = '1' FOR UPDATE`);
  await client.hset('person:1', 'age', '70');
  const late = await until('a wait that has got to the sink', async () => {
    const answer = await first('key=person:1&sink=warehouse&timeout=500ms');
    return answer.waitsFor === 'sink' ? answer : undefined;
  });
  assert.deepEqual([late.status, late.committed], [504, false]);
  const waiting = second('key=person:1&timeout=60s');
  await database.client.query('ROLLBACK');
  assert.equal((await waiting).status, 200);
  assert.equal(await ageOf(database, '1'), 70);

  await source.stop();
  await client.hset('person:1', 'age', '71');
  const { status, waitsFor } = await first('key=person:1&timeout=200ms');
  assert.deepEqual([status, waitsFor], [504, 'source']);

  const refused = ['key=car:5', 'key=person:5&sink=lake', 'timeout=1s', 'key=person:5&timeout=soon'];
  for (const query of refused) {
    const answer = await first(query);
    assert.deepEqual([answer.status, answer.committed], [400, false], query);
  }
  assert.match((await first('key=car:5')).error ?? '', /No mapping.*person:\{id\}/);
  assert.match((await first('key=person:5&sink=lake')).error ?? '', /no sink lake.*warehouse/);
  await pipeline.redis.server.kill();
  assert.equal((await first('key=person:5&timeout=1s')).status, 503);
});

test('/wait is served before the sink has looked at its tables, and says so', async (t) => {
  const database = await createDatabase(t);
  const pipeline = await TestPipeline.open(t, { sinks: { warehouse: database.sinkOptions } });
  const ask = await serve(t, { ...createWorker(t, pipeline.config()), metrics: createMetrics() });
  assert.deepEqual(await ask('key=person:5'), { status: 504, committed: false, waitsFor: 'sink' });
});
