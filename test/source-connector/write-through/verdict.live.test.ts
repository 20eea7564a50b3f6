import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { ControlConnection } from '../../../clients/redis/index.ts';
import { packHash } from '../../../source-connector/packed-hash.ts';
import { digestOf, type PendingWrite } from '../../../source-connector/pending-write.ts';
import { decide } from '../../../source-connector/write-through/verdict.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';

const DONE = { kind: 'done' } as const;
const STAGING = '__{person:1}';

function write(changes: Omit<Partial<PendingWrite>, 'id'> & { id?: string } = {}): PendingWrite {
  const { id = '', operation = '=', ...others } = changes;
  return {
    db: 0,
    key: Buffer.from('person:1'),
    number: 1_700_000_000_000_001,
    fields: packHash([['name', 'Ann']]),
    at: 0,
    error: '',
    before: '',
    expected: '',
    operation,
    token: Buffer.from(`${operation}${id}`),
    id: Buffer.from(id),
    ...others,
  };
}

/** An empty Redis. */
async function begin(t: TestContext): Promise<{ redis: TestRedis['client']; connection: ControlConnection }> {
  const redis = await startRedis({
    after: (end) => {
      t.after(end);
    },
  });
  const connection = await ControlConnection.open({ host: '127.0.0.1', port: redis.port });
  t.after(() => {
    connection.close();
  });
  return { redis: redis.client, connection };
}

async function told(redis: TestRedis['client'], id: string): Promise<string[]> {
  const entries = await redis.xrange(`{person:1}${id}`, '-', '+');
  return entries.map(([, fields]) => fields.join(' '));
}

describe('rule 23: the script of a verdict', () => {
  it('sets the fields, keeps the TTL, and takes off what was staged', async (t) => {
    const { redis, connection } = await begin(t);
    await redis.hset('person:1', 'age', '30');
    await redis.pexpire('person:1', 500_000);
    await redis.hset(STAGING, 'name', 'Ann', '#', '=a');
    assert.equal(await decide(connection, write({ id: 'a' }), DONE), 'done');
    assert.deepEqual(await redis.hgetall('person:1'), { age: '30', name: 'Ann' });
    assert.ok((await redis.pttl('person:1')) > 0);
    assert.equal(await redis.exists(STAGING), 0);
    assert.deepEqual(await told(redis, 'a'), ['status done sink source']);
    assert.ok((await redis.ttl('{person:1}a')) > 3500);
  });

  it('leaves what another client has staged since', async (t) => {
    const { redis, connection } = await begin(t);
    await redis.hset(STAGING, 'name', 'Bea', 'age', '7', '#', '=b');
    await decide(connection, write({ id: 'a' }), DONE);
    assert.deepEqual(await redis.hgetall('person:1'), { name: 'Ann' });
    assert.deepEqual(await redis.hgetall(STAGING), { name: 'Bea', age: '7', '#': '=b' });
  });

  it('is done once, and says what was decided first', async (t) => {
    const { redis, connection } = await begin(t);
    await redis.hset('person:1', 'name', 'Old');
    const failed = { kind: 'failed', error: 'too slow' } as const;
    assert.equal(await decide(connection, write({ id: 'a' }), failed), 'failed');
    assert.equal(await decide(connection, write({ id: 'a' }), DONE), 'failed');
    assert.equal(await decide(connection, write({ id: 'a' }), failed), 'failed');
    assert.deepEqual(await redis.hgetall('person:1'), { name: 'Old' });
    assert.deepEqual(await told(redis, 'a'), ['status failed sink source error too slow']);
  });

  it('deletes the hash that was meant, and no other one', async (t) => {
    const { redis, connection } = await begin(t);
    const meant = packHash([
      ['name', 'Ann'],
      ['age', '30'],
    ]);
    const remove = write({ operation: '~', id: 'a', fields: Buffer.alloc(0), expected: digestOf(meant) });
    await redis.hset('person:1', 'age', '31', 'name', 'Ann');
    assert.equal(await decide(connection, remove, DONE), 'failed');
    assert.equal(await redis.exists('person:1'), 1);
    assert.deepEqual(await told(redis, 'a'), [
      'status failed sink source error the hash was written while it was to be deleted',
    ]);
    await redis.hset('person:1', 'age', '30', '#', '=x');
    assert.equal(await decide(connection, { ...remove, number: remove.number + 1 }, DONE), 'done');
    assert.equal(await redis.exists('person:1'), 0);
    assert.equal(await decide(connection, { ...remove, number: remove.number + 2 }, DONE), 'done', 'without a hash');
  });

  it('hands + and - to whoever reads the stream', async (t) => {
    const { redis, connection } = await begin(t);
    await redis.hset(STAGING, 'name', 'Ann', '#', '+a');
    await decide(connection, write({ operation: '+', id: 'a' }), DONE);
    assert.deepEqual(await redis.hgetall('person:1'), { name: 'Ann', '#': '+a' });
    await redis.hdel('person:1', '#');
    const fields = Buffer.alloc(0);
    await decide(connection, write({ operation: '-', id: 'b', fields, number: 1_700_000_000_000_002 }), DONE);
    assert.deepEqual(await redis.hgetall('person:1'), { name: 'Ann', '#': '-b' });
    assert.deepEqual(await told(redis, 'a'), []);
  });

  it('waits until an operation has removed the hash', async (t) => {
    const { redis, connection } = await begin(t);
    await redis.hset('person:1', 'name', 'Old', '#', '-b');
    assert.equal(await decide(connection, write({ id: 'a' }), DONE), undefined);
    assert.deepEqual(await redis.hgetall('person:1'), { name: 'Old', '#': '-b' });
    await redis.del('person:1');
    assert.equal(await decide(connection, write({ id: 'a' }), DONE), 'done');
    assert.deepEqual(await redis.hgetall('person:1'), { name: 'Ann' });
  });

  it('fails where the key holds another type', async (t) => {
    const { redis, connection } = await begin(t);
    await redis.set('person:1', 'text');
    assert.equal(await decide(connection, write({ id: 'a' }), DONE), 'failed');
    assert.equal(await redis.get('person:1'), 'text');
    assert.deepEqual(await told(redis, 'a'), ['status failed sink source error the key holds no hash']);
  });

  it('takes very many fields', async (t) => {
    const { redis, connection } = await begin(t);
    const fields = packHash(Array.from({ length: 9000 }, (_, index) => [`f${index}`, `${index}`]));
    await decide(connection, write({ fields }), DONE);
    assert.equal(await redis.hlen('person:1'), 9000);
  });
});
