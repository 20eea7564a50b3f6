import assert from 'node:assert/strict';
import { access, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { endpointOf } from '../../clients/redis/index.ts';
import type { ShardDirectory, ShardPlace } from '../../source-connector/shard-directory.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { TestPipeline } from '../support/source/pipeline.ts';
import { PATIENCE, type TestSource } from '../support/source/source.ts';
import { until, untilEqual } from '../support/until.ts';

/** Shards that a test adds and takes away. */
class TestDirectory implements ShardDirectory {
  readonly #listeners = new Set<() => void>();
  #places: readonly ShardPlace[] = [];

  shards(): Promise<readonly ShardPlace[]> {
    return Promise.resolve(this.#places);
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  have(...servers: readonly (readonly [number, TestRedis])[]): void {
    this.#places = servers.map(([shard, { url }]) => ({ shard, endpoint: () => Promise.resolve(endpointOf({ url })) }));
    for (const tell of this.#listeners) tell();
  }
}

const followed = async (source: TestSource, ...shards: readonly number[]): Promise<void> => {
  const parts = ['source', ...shards.map((shard) => `source shard ${shard}`)];
  await untilEqual(
    'the shards that follow their streams',
    Object.fromEntries(parts.map((part) => [part, true])),
    () => Object.fromEntries(Object.entries(source.worker.ready()).map(([part, { ok }]) => [part, ok])),
    PATIENCE,
  );
};

test('rule 3: shards of one process have their own positions and states, and a rebuilt one knows its own hashes only', async (t) => {
  const pipeline = await TestPipeline.open(t, {
    mappings: { person: { key: 'person:{id}', fields: { name: 'name' } } },
  });
  const other = await startRedis(t);
  const directory = new TestDirectory();
  directory.have([0, pipeline.redis], [3, other]);
  const source = pipeline.start({}, { directory });
  for (let id = 0; id < 20; id += 1) {
    await pipeline.redis.client.hset(`person:a${id}`, 'name', 'first');
    await other.client.hset(`person:b${id}`, 'name', 'first');
  }
  await followed(source, 0, 3);
  const rows = (name: string): Record<string, string> =>
    Object.fromEntries(
      Array.from({ length: 20 }, (_, id) => [[`a${id}`, name] as const, [`b${id}`, name] as const]).flat(),
    );
  await untilEqual('the rows of both', rows('first'), () => pipeline.rows(), PATIENCE);
  const text = await source.metrics.text();
  assert.match(text, /^afterwrite_source_state\{shard="0",state="streaming"\} 1$/m);
  assert.match(text, /^afterwrite_source_state\{shard="3",state="streaming"\} 1$/m);
  await source.stop();
  await access(join(pipeline.folder, 'state', 'shard-3'));

  await rm(join(pipeline.folder, 'state'), { recursive: true });
  for (let id = 0; id < 20; id += 1) await other.client.hset(`person:b${id}`, 'name', 'second');
  const next = pipeline.start({}, { directory });
  await followed(next, 0, 3);
  const wanted = Object.fromEntries(
    Object.entries(rows('first')).map(([id, name]) => [id, id.startsWith('b') ? 'second' : name]),
  );
  await untilEqual('the rows of both', wanted, () => pipeline.rows(), PATIENCE);
  assert.deepEqual(next.codes(), ['STATE_LOST', 'STATE_LOST']);
  assert.equal((await pipeline.events()).length, 60, 'only what differs is told');
});

test('a shard that is added is followed beside the others, and one that is gone is left alone', async (t) => {
  const pipeline = await TestPipeline.open(t);
  const other = await startRedis(t);
  const directory = new TestDirectory();
  directory.have([0, pipeline.redis]);
  const source = pipeline.start({}, { directory });
  await source.caughtUp();
  await other.client.hset('person:late', 'name', 'Ann');
  directory.have([0, pipeline.redis], [1, other]);
  await followed(source, 0, 1);
  await untilEqual('its row', { late: 'Ann,null' }, () => pipeline.rows(), PATIENCE);
  directory.have([0, pipeline.redis]);
  await followed(source, 0);
  await until('its replica to be gone', async () => /connected_slaves:0/.test(await other.client.info('replication')));
  assert.doesNotMatch(await source.metrics.text(), /^afterwrite_source_(state|lag_bytes).*shard="1"/m);
  assert.deepEqual(await source.links(), { continued: 0, full: 1 });
});

test('a shard that stops for a person lets the others go on', async (t) => {
  const pipeline = await TestPipeline.open(t);
  const other = await startRedis(t);
  const directory = new TestDirectory();
  directory.have([0, pipeline.redis], [1, other]);
  await other.client.hset('person:b', 'name', 'Ben');
  const source = pipeline.start({}, { directory });
  await followed(source, 0, 1);
  await untilEqual('its row', { b: 'Ben,null' }, () => pipeline.rows(), PATIENCE);
  await source.stop();
  await other.client.flushall();
  await other.client.debug('CHANGE-REPL-ID');
  const next = pipeline.start({}, { directory });
  await until('one to stop', () => next.worker.health()['source shard 1']?.ok === false, PATIENCE);
  assert.match(next.worker.health()['source shard 1']?.reason ?? '', /confirm-vanished 1/);
  assert.equal(next.worker.health()['source shard 0']?.ok, true);
  await pipeline.redis.client.hset('person:a', 'name', 'Ann');
  await next.caughtUp();
  assert.deepEqual(await pipeline.rows(), { a: 'Ann,null', b: 'Ben,null' });
});
