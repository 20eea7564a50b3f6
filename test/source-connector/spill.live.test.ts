import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { services, startService } from '../../services/index.ts';
import { repliesDrained, replicasOf } from '../support/redis.ts';
import { TestPipeline, type ConfigParts } from '../support/source/pipeline.ts';
import { PART } from '../support/source/source.ts';
import { until } from '../support/until.ts';

/** A master that gives up a replica for which more than 4 MB wait, and whose backlog holds almost nothing. */
const redisArgs = ['--client-output-buffer-limit', 'replica', '4mb', '0', '0', '--repl-backlog-size', '16kb'];
const ROUNDS = 30;
const HASHES = 1000;

/** A pipeline on a Kafka of its own, that the test may kill. */
async function setUp(t: TestContext, parts: ConfigParts = {}) {
  const kafka = await startService('kafka');
  process.env[services.kafka.variable] = kafka.address;
  const pipeline = await TestPipeline.open(t, parts, { redisArgs });
  t.after(() => kafka.dispose());
  const { client } = pipeline.redis;
  /** Changes hashes: about 31 MB of stream. */
  const write = async (from: number): Promise<void> => {
    for (let round = from; round < from + ROUNDS; round++) {
      for (let first = 0; first < HASHES; first += 100) {
        const commands = client.pipeline();
        for (let i = first; i < first + 100; i++) {
          commands.hset(`person:${i}`, 'name', `${round}`.padEnd(1000, 'x'), 'age', round);
        }
        await commands.exec();
      }
      await repliesDrained(pipeline.redis);
    }
  };
  const replicas = (): Promise<string[]> => replicasOf(pipeline.redis);
  const rowsAreRight = async (): Promise<void> => {
    const rows = await pipeline.rows();
    const last = await client.hget('person:0', 'name');
    const age = await client.hget('person:0', 'age');
    assert.equal(Object.keys(rows).length, HASHES);
    for (const row of Object.values(rows)) assert.equal(row, `${last},${age}`);
  };
  return { kafka, pipeline, write, replicas, rowsAreRight };
}

test('while Kafka is down the stream is kept on disk: the master keeps its link, and nothing is lost or told twice', async (t) => {
  const { kafka, pipeline, write, replicas, rowsAreRight } = await setUp(t);
  const source = pipeline.start();
  await source.caughtUp();
  const before = await replicas();
  await kafka.kill();
  await write(0);
  await until('most of it to be on disk', async () => (await source.count('spilled_bytes')) > 15_000_000);
  assert.equal(await source.count('state', 'state="spilling"'), 1);
  assert.equal(await source.count('state', 'state="streaming"'), 0);
  assert.ok((await source.count('lag_bytes')) > 20_000_000);
  assert.ok((await source.count('lag_seconds')) > 0);
  const { details } = source.worker.ready()[PART] ?? {};
  assert.match(String(details?.['replication']), /^spilling, \d+ of 1073741824 bytes wait on disk/);
  await until('a life to end', () => source.codes().length > 0, { timeoutMs: 90_000 });
  assert.equal(await source.count('state', 'state="spilling"'), 1, 'the link outlives it');
  await kafka.start();
  await source.caughtUp();
  await rowsAreRight();
  assert.deepEqual(await replicas(), before, 'one link, from the beginning to the end');
  assert.equal((await source.links()).full, 1);
  await until('an empty disk', async () => (await source.count('spilled_bytes')) === 0);
  await until('no lag', async () => (await source.count('lag_bytes')) === 0);
});

test('a limit that is reached closes the link; it goes on when Kafka has taken what waited', async (t) => {
  const { kafka, pipeline, write, replicas, rowsAreRight } = await setUp(t, { source: { spillBytes: '4MiB' } });
  const source = pipeline.start();
  await source.caughtUp();
  await kafka.kill();
  await write(0);
  await until('the link to be closed', async () => (await source.count('state', 'state="backing-off"')) === 1);
  assert.ok((await source.count('spilled_bytes')) <= 4 * 1024 * 1024);
  await until('no replica', async () => (await replicas()).length === 0);
  assert.match(source.worker.ready()[PART]?.reason ?? '', /./);
  await kafka.start();
  await source.caughtUp();
  await rowsAreRight();
  assert.equal((await source.links()).full, 2, 'the backlog does not reach back so far');
});

test('a kill -9 while the stream is on disk leaves no file, and the next start is right', async (t) => {
  const { kafka, pipeline, write, rowsAreRight } = await setUp(t);
  const source = await pipeline.process();
  source.start();
  await source.ready();
  await write(0);
  await pipeline.caughtUp();
  await kafka.kill();
  await write(100);
  await until('it to spill', () => source.printed().includes('replication: spilling'));
  await source.kill();
  assert.deepEqual(await readdir(join(pipeline.folder, 'state', 'spill')), []);
  await kafka.start();
  source.start();
  await source.ready();
  await pipeline.caughtUp();
  await rowsAreRight();
});

test('a stop while the stream is on disk does not wait for it, and the next start is right', async (t) => {
  const { kafka, pipeline, write, rowsAreRight } = await setUp(t);
  const source = pipeline.start();
  await source.caughtUp();
  await write(0);
  await source.caughtUp();
  await kafka.kill();
  await write(100);
  await until('it to spill', async () => (await source.count('state', 'state="spilling"')) === 1);
  const stopped = source.worker.stop();
  await kafka.start();
  await stopped;
  assert.equal(await source.count('state', 'state="stopped"'), 1);
  const next = pipeline.start();
  await next.caughtUp();
  await rowsAreRight();
});
