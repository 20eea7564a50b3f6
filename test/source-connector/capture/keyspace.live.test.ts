import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DirtyKeys } from '../../../source-connector/capture/dirty-keys.ts';
import { KeyHistory } from '../../../source-connector/capture/key-history.ts';
import { KeyspaceSession } from '../../../source-connector/capture/keyspace.ts';
import { startRedis } from '../../support/redis.ts';
import { startRelay } from '../../support/relay.ts';
import { until } from '../../support/until.ts';

test('a read is answered only when what the server had told before it was heard: a removal has its cause', async (t) => {
  const redis = await startRedis(t, ['--notify-keyspace-events', 'KA']);
  const relay = await startRelay(t, redis.port);
  const dirty = new DirtyKeys({ keys: 100, bytes: 100_000 });
  const key = Buffer.from('person:1');
  await redis.client.hset(key, 'name', 'Ann');
  const session = await KeyspaceSession.open({
    endpoint: () => Promise.resolve({ host: '127.0.0.1', port: relay.port }),
    prefixes: [{ db: 0, prefix: 'person:' }],
    dirty,
    onEvent: () => undefined,
    signal: new AbortController().signal,
  });
  t.after(() => {
    session.close();
  });
  // The subscription stands still behind this event; reads are on another connection.
  const held = relay.holdAfter('person:held');
  await redis.client.hset('person:held', 'name', 'Bob');
  await held;
  await redis.client.del(key);
  let hadHeard: boolean | undefined;
  const reading = session.readKeys([new KeyHistory(0, key, 0)]).then((answer) => {
    hadHeard = dirty.has(0, key);
    return answer;
  });
  // On the connection of the read, whose answers come in order: the read has its answer by then.
  await session.silentCommands();
  await session.silentCommands();
  assert.equal(hadHeard, undefined);
  relay.release();
  const { readings } = await reading;
  assert.deepEqual(readings, [{ holds: 'nothing' }]);
  assert.equal(hadHeard, true);
});

test('a session ends when its server changes its part in replication', async (t) => {
  const [master, other] = [await startRedis(t, ['--notify-keyspace-events', 'KA']), await startRedis(t)];
  const session = await KeyspaceSession.open({
    endpoint: () => Promise.resolve({ host: '127.0.0.1', port: master.port }),
    prefixes: [{ db: 0, prefix: 'person:' }],
    dirty: new DirtyKeys({ keys: 100, bytes: 100_000 }),
    onEvent: () => undefined,
    signal: new AbortController().signal,
  });
  t.after(() => {
    session.close();
  });
  await session.probe();
  await master.client.replicaof('127.0.0.1', other.port);
  await until('the copy of the other one', async () =>
    (await master.client.info('replication')).includes('master_link_status:up'),
  );
  await assert.rejects(session.probe(), /the server was a master and is a replica now/);
  assert.equal(session.isOpen, false);
  assert.equal(session.brokenBy?.code, 'REDIS_LINK_LOST');
});
