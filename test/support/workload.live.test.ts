import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkConfig } from '../../config/index.ts';
import { Oracle } from './oracle.ts';
import { startRedis } from './redis.ts';
import { captured } from './workload-commands.ts';
import { Workload } from './workload.ts';

const { config } = checkConfig(
  JSON.stringify({
    pipeline: 'shop',
    kafka: { brokers: ['127.0.0.1:9092'] },
    registry: { url: 'http://127.0.0.1:8081' },
    source: { url: 'redis://127.0.0.1:6379' },
    mappings: captured,
    sinks: {},
  }),
);

const calm = { keys: 100, badValues: false, fromUncaptured: false, flushes: true, swaps: true };

test('the workload uses every command, and every hash it leaves is a row', async (t) => {
  const redis = await startRedis(t);
  const workload = new Workload(t, { ...calm, port: redis.port, seed: 1, rate: 5000, steps: 20_000 });
  await workload.more(20_000);
  await workload.stop();
  assert.ok(workload.refused < workload.done * 0.3, `${workload.refused} of ${workload.done} steps were refused`);
  for (const mapping of Object.values(config?.mappings ?? {})) {
    const { rows, rejected } = await new Oracle(mapping).expected(redis.client);
    assert.ok(rows.size > 10, `${rows.size} rows of ${mapping.table}`);
    assert.deepEqual([...rejected], []);
  }
  const statistics = await redis.client.info('commandstats');
  const used = new Set([...statistics.matchAll(/cmdstat_([\w|]+):calls=(\d+)/g)].map(([, name]) => name));
  const needed =
    'hset hmset hsetnx hincrby hincrbyfloat hdel del unlink getdel rename renamenx copy move swapdb flushdb dump restore ' +
    'expire pexpire expireat pexpireat persist multi exec discard eval set setex psetex getset setnx mset msetnx ' +
    'sunionstore sinterstore zunionstore zrangestore sort bitop geosearchstore';
  assert.deepEqual(
    needed.split(' ').filter((name) => !used.has(name)),
    [],
  );
});

test('bad values are there when they are asked for', async (t) => {
  const redis = await startRedis(t);
  const mix = { ...calm, badValues: true, flushes: false, swaps: false };
  const workload = new Workload(t, { ...mix, port: redis.port, seed: 2, rate: 5000, steps: 3000 });
  await workload.more(3000);
  await workload.stop();
  const person = config?.mappings['person'];
  assert.ok(person !== undefined);
  const { rejected } = await new Oracle(person).expected(redis.client);
  assert.ok(rejected.size > 0);
});
