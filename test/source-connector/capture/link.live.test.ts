import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { openSession, type LinkOptions, type LinkSession } from '../../../source-connector/capture/link.ts';
import type { ReplicationState } from '../../../source-connector/capture/replication-state.ts';
import type { ResumePoint } from '../../../source-connector/capture/session.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { until, untilEqual } from '../../support/until.ts';

/** A session that ends with the test. */
async function open(
  t: TestContext,
  redis: TestRedis,
  options: Partial<LinkOptions> = {},
  resume: ResumePoint | null = null,
): Promise<LinkSession> {
  const endpoint = () => Promise.resolve({ host: '127.0.0.1', port: redis.port });
  const session = await openSession({ endpoint, ...options }, resume, new AbortController().signal);
  t.after(() => {
    session.close();
  });
  return session;
}

/** Reads the snapshot of a full resync; the test data hold no mark. Gives the RDB, and what came after it. */
async function readSnapshot(session: LinkSession): Promise<{ rdb: Buffer; rest: Buffer }> {
  assert.equal(session.answer.kind, 'full');
  const { transfer } = session.answer;
  let bytes = Buffer.alloc(0);
  for (;;) {
    const rdbEnd = transfer.framing === 'length' ? transfer.bytes : bytes.indexOf(transfer.mark);
    const end = transfer.framing === 'length' ? rdbEnd : rdbEnd + transfer.mark.length;
    if (rdbEnd !== -1 && bytes.length >= end) {
      session.snapshotRead();
      return { rdb: bytes.subarray(0, rdbEnd), rest: bytes.subarray(end) };
    }
    bytes = Buffer.concat([bytes, await mustRead(session)]);
  }
}

async function mustRead(session: LinkSession): Promise<Buffer> {
  const chunk = await session.read();
  if (chunk === null) throw session.brokenBy ?? new Error('the session was closed');
  return chunk;
}

/** Reads the stream until it holds this text; `stream` is what was read before. */
async function readUntil(session: LinkSession, text: string, stream: Buffer = Buffer.alloc(0)): Promise<Buffer> {
  while (!stream.includes(text)) stream = Buffer.concat([stream, await mustRead(session)]);
  return stream;
}

/** A line of INFO replication. */
async function replication(redis: TestRedis, name: string): Promise<string> {
  const info = await redis.client.info('replication');
  return new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim() ?? '';
}

async function masterOffset(redis: TestRedis): Promise<number> {
  return Number(await replication(redis, 'master_repl_offset'));
}

for (const [name, diskless, framing] of [
  ['disk', 'no', 'length'],
  ['diskless', 'yes', 'eof'],
] as const) {
  test(`a full resync (${name}) gives the snapshot, then the stream with exact offsets`, async (t) => {
    const redis = await startRedis(t, ['--repl-diskless-sync', diskless]);
    await redis.client.hset('person:1', { first_name: 'Ada' });
    const states: ReplicationState[] = [];
    const session = await open(t, redis, { onState: (state) => states.push(state) });
    assert.equal(session.answer.kind, 'full');
    assert.equal(session.answer.transfer.framing, framing);
    assert.equal(session.answer.replid, await replication(redis, 'master_replid'));
    const { rdb, rest } = await readSnapshot(session);
    assert.match(rdb.toString('latin1', 0, 9), /^REDIS\d{4}$/);
    assert.ok(rdb.includes('person:1') && rdb.includes('Ada'));
    await redis.client.hset('person:2', { first_name: 'Grace' });
    const stream = await readUntil(session, 'Grace\r\n', rest);
    assert.match(stream.toString('latin1', 0, 6), /^\*\d\r\n\$/);
    assert.equal(session.answer.offset + stream.length, await masterOffset(redis));
    assert.deepEqual(states, ['connecting', 'handshake', 'snapshot', 'streaming']);
    session.close();
    assert.deepEqual(states.at(-1), 'stopped');
    assert.equal(await session.read(), null);
    assert.equal(session.brokenBy, undefined);
  });
}

test('a link resumes at the next byte, and the master names no new replid', async (t) => {
  const redis = await startRedis(t);
  const first = await open(t, redis);
  const { rest } = await readSnapshot(first);
  await redis.client.hset('person:1', { first_name: 'Ada' });
  const stream = await readUntil(first, 'Ada\r\n', rest);
  first.close();
  await redis.client.hset('person:2', { first_name: 'Grace' });
  const states: ReplicationState[] = [];
  const resume = { replid: first.answer.replid, offset: first.answer.offset + stream.length };
  const second = await open(t, redis, { onState: (state) => states.push(state) }, resume);
  assert.deepEqual(second.answer, { kind: 'continue', ...resume });
  const more = await readUntil(second, 'Grace\r\n');
  assert.match(more.toString('latin1'), /^\*4\r\n\$4\r\nhset\r\n\$8\r\nperson:2\r\n/i);
  assert.equal(resume.offset + more.length, await masterOffset(redis));
  assert.deepEqual(states, ['connecting', 'handshake', 'streaming']);
});

test('a resume point that the master does not know gives a full resync', async (t) => {
  const redis = await startRedis(t);
  const session = await open(t, redis, {}, { replid: '0'.repeat(40), offset: 17 });
  assert.equal(session.answer.kind, 'full');
});

test('after a promotion the stream goes on under a new replid', async (t) => {
  const master = await startRedis(t);
  const replica = await startRedis(t, ['--replicaof', '127.0.0.1', String(master.port)]);
  await until('the replica is in step', async () => (await replication(replica, 'master_link_status')) === 'up');
  const first = await open(t, replica);
  const { rest } = await readSnapshot(first);
  await master.client.hset('person:1', { first_name: 'Ada' });
  const stream = await readUntil(first, 'Ada\r\n', rest);
  assert.equal(first.answer.replid, await replication(master, 'master_replid'));
  await replica.client.replicaof('NO', 'ONE');
  const resume = { replid: first.answer.replid, offset: first.answer.offset + stream.length };
  const second = await open(t, replica, {}, resume);
  assert.equal(second.answer.kind, 'continue');
  assert.equal(second.answer.offset, resume.offset);
  assert.equal(second.answer.replid, await replication(replica, 'master_replid'));
  assert.notEqual(second.answer.replid, resume.replid);
});

test('WAIT on the master counts an acknowledgement that is sent at once', async (t) => {
  const redis = await startRedis(t);
  const session = await open(t, redis);
  let { rest: stream } = await readSnapshot(session);
  await redis.client.hset('person:1', { first_name: 'Ada' });
  const waiting = redis.client.wait(1, 0);
  stream = await readUntil(session, 'GETACK', stream);
  stream = await readUntil(session, '$1\r\n*\r\n', stream);
  session.acknowledge(session.answer.offset + stream.length, true);
  assert.equal(await waiting, 1);
});

test('a diskless snapshot is followed by ACKs that keep the link alive beyond the time-out of the master', async (t) => {
  const redis = await startRedis(t, ['--repl-timeout', '2', '--repl-ping-replica-period', '1']);
  const session = await open(t, redis);
  await readSnapshot(session);
  const uptime = async () => Number(/uptime_in_seconds:(\d+)/.exec(await redis.client.info('server'))?.[1]);
  const start = await uptime();
  // Reading goes on as in a connector; pings of the master arrive here.
  const reading = (async () => {
    while ((await session.read()) !== null);
  })();
  await until('5 s on the clock of the master', async () => (await uptime()) >= start + 5);
  assert.equal(session.brokenBy, undefined);
  assert.match(await replication(redis, 'slave0'), /state=online/);
  session.close();
  await reading;
});

test('a reader that does not read slows the master, keeps memory bounded, and still acknowledges', async (t) => {
  const redis = await startRedis(t);
  const bufferBytes = 512 * 1024;
  const session = await open(t, redis, { bufferBytes });
  const { rest } = await readSnapshot(session);
  const begin = await masterOffset(redis);
  const value = 'v'.repeat(64 * 1024);
  for (let n = 0; n < 800; n++) await redis.client.hset('person:1', { biography: value });
  const end = await masterOffset(redis);
  assert.ok(end - begin > 50 * 1024 * 1024);
  await until('the buffer is full', () => session.buffered >= bufferBytes);
  // Not a byte more than the mark and one slab, however long the master waits.
  assert.ok(session.buffered <= bufferBytes + 256 * 1024, `${session.buffered} bytes wait`);
  session.acknowledge(begin + 1, true);
  await until('an ACK arrives', async () => (await replication(redis, 'slave0')).includes(`offset=${begin + 1},`));
  session.acknowledge(begin + 2);
  await until('the next ACK too', async () => (await replication(redis, 'slave0')).includes(`offset=${begin + 2},`));
  assert.ok(session.buffered <= bufferBytes + 256 * 1024, `${session.buffered} bytes wait`);
  let offset = session.answer.offset + rest.length;
  while (offset < end) {
    offset += (await mustRead(session)).length;
    assert.ok(session.buffered <= bufferBytes + 256 * 1024, `${session.buffered} bytes wait`);
  }
  assert.equal(session.brokenBy, undefined);
});

test('a link that the master cuts says so, and hands out what came before', async (t) => {
  const redis = await startRedis(t);
  const states: ReplicationState[] = [];
  const session = await open(t, redis, { onState: (state) => states.push(state) });
  await readSnapshot(session);
  await redis.client.hset('person:1', { first_name: 'Ada' });
  await until('the command arrives', () => session.buffered > 0);
  await redis.client.client('KILL', 'TYPE', 'replica');
  await until('the break is seen', () => session.brokenBy);
  await readUntil(session, 'Ada\r\n');
  assert.equal(await session.read(), null);
  assert.equal(await session.read(), null);
  assert.match(String(session.brokenBy), /REDIS_LINK_LOST: .*127\.0\.0\.1:\d+/);
  assert.equal(states.at(-1), 'reconnecting');
  session.close();
  assert.equal(states.at(-1), 'reconnecting');
});

test('a server that is killed ends a waiting read', async (t) => {
  const redis = await startRedis(t);
  const session = await open(t, redis);
  await readSnapshot(session);
  const reading = session.read();
  await redis.server.kill();
  while ((await reading) !== null && (await session.read()) !== null);
  assert.match(String(session.brokenBy), /REDIS_LINK_LOST/);
});

test('a link from which nothing comes is broken', async (t) => {
  const redis = await startRedis(t, ['--repl-ping-replica-period', '3600']);
  const session = await open(t, redis, { idleTimeoutMs: 1000 });
  await readSnapshot(session);
  while ((await session.read()) !== null);
  assert.match(String(session.brokenBy), /REDIS_LINK_LOST: nothing came for 1 s/);
});

test('an aborted signal ends a session like close', async (t) => {
  const redis = await startRedis(t);
  const abort = new AbortController();
  const endpoint = () => Promise.resolve({ host: '127.0.0.1', port: redis.port });
  const session = await openSession({ endpoint }, null, abort.signal);
  await readSnapshot(session);
  const reading = session.read();
  abort.abort();
  while ((await reading) !== null && (await session.read()) !== null);
  assert.equal(session.brokenBy, undefined);
});

test('a closed session leaves no socket and no timer', async (t) => {
  const redis = await startRedis(t);
  // The client's own socket stays; until() itself uses a timer while it waits.
  await redis.client.ping();
  const resources = () => process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Timeout/.test(name)).length;
  const before = resources();
  const sessions = await Promise.all([open(t, redis), open(t, redis), open(t, redis)]);
  for (const session of sessions) await readSnapshot(session);
  assert.ok(resources() > before);
  for (const session of sessions) session.close();
  await untilEqual('sockets and timers', before, resources);
});
