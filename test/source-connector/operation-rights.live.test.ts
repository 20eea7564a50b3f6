import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ControlConnection } from '../../clients/redis/index.ts';
import { projectFolder } from '../../services/folders.ts';
import { missingRights } from '../../source-connector/capture/rights.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { person, TestPipeline } from '../support/source/pipeline.ts';
import { PATIENCE } from '../support/source/source.ts';
import { until } from '../support/until.ts';

const login = { username: 'afterwrite', password: 'xyzzy' };
const mappings = { person: { ...person, operations: true } };
/** What every source needs: test/source-connector/rights.live.test.ts holds it up. */
const basic =
  '~person:* resetchannels -@all +ping +psync +replconf +multi +exec +time +info +role +select +type +hgetall +pttl';

/** The rights that the documentation gives to operations. */
async function documented(): Promise<string[]> {
  const text = await readFile(join(projectFolder, 'docs', 'operations.md'), 'utf8');
  const [, rights = ''] = /`(\+role \+eval[^`]*)`/.exec(text) ?? [];
  return rights.split(' ').filter((right) => right !== '+role' && right !== '+select');
}

async function allow({ client }: TestRedis, rights: readonly string[]): Promise<void> {
  const rules = ['reset', 'on', `>${login.password}`, ...basic.split(' '), '~{person:*}*', ...rights];
  await client.call('ACL', 'SETUSER', login.username, ...rules);
}

test('rule 22: exactly the rights of the documentation carry operations out, and each that is left out is named', async (t) => {
  const redis = await startRedis(t);
  const rights = await documented();
  assert.ok(rights.length >= 10, rights.join(' '));
  const lacking = async (operations: boolean): Promise<string | undefined> => {
    const connection = await ControlConnection.open({ host: '127.0.0.1', port: redis.port, ...login });
    try {
      return await missingRights(connection, operations);
    } finally {
      connection.close();
    }
  };
  await redis.client.hset('', '#', 'of another program');
  for (const left of rights) {
    const others = rights.filter((right) => right !== left);
    await allow(redis, others);
    assert.match((await lacking(true)) ?? '', new RegExp(`the first operation.* ACL SETUSER afterwrite \\${left}\\.$`));
  }
  await allow(redis, rights);
  assert.equal(await lacking(true), undefined);
  assert.deepEqual(await redis.client.hgetall(''), { '#': 'of another program' }, 'nothing of it was run');

  const pipeline = await TestPipeline.open(t, { source: login, mappings }, { redis });
  const source = pipeline.start();
  await source.caughtUp();
  await redis.client.hset('person:1', '#', '=id', 'name', 'Ann');
  await redis.client.hset('person:2', '#', '~id', 'name', 'Bob');
  for (const key of ['person:1', 'person:2']) {
    await until(`the acknowledgement of ${key}`, () => redis.client.exists(`{${key}}id`), PATIENCE);
    await until(`${key} without #`, async () => (await redis.client.hexists(key, '#')) === 0, PATIENCE);
  }
  assert.equal(await redis.client.exists('person:2'), 0);

  await allow(
    redis,
    rights.filter((right) => right !== '+xadd'),
  );
  await redis.client.hset('person:1', '#', '+id2', 'name', 'Cid');
  const error = await source.failed();
  assert.equal(error.code, 'REDIS_NO_PERMISSION');
  assert.match(error.message, /Operations need rights on the master: ACL SETUSER with .*\+xadd/);
  await allow(redis, rights);
  const next = pipeline.start();
  await until('the acknowledgement', () => redis.client.exists('{person:1}id2'), PATIENCE);
  await next.stop();
});
