import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Feed } from '../../../source-connector/capture/feed.ts';
import type { ReplicationSession } from '../../../source-connector/capture/session.ts';
import { RdbDecoder } from '../../../source-connector/decode/rdb.ts';
import { CommandDecoder } from '../../../source-connector/decode/stream.ts';
import { repliesDrained, replicasOf, startRedis, type TestRedis } from '../../support/redis.ts';
import { until, untilEqual } from '../../support/until.ts';

/** A master that gives up a replica for which more than 4 MB wait, and forgets its stream after 16 KB. */
const impatient = ['--client-output-buffer-limit', 'replica', '4mb', '0', '0', '--repl-backlog-size', '16kb'];
const captures = (): boolean => true;

async function setUp(t: TestContext, diskBytes = 1 << 30) {
  const redis = await startRedis(t, impatient);
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-feed-'));
  const stop = new AbortController();
  const states: string[] = [];
  const warnings: string[] = [];
  const feed = new Feed({
    endpoint: () => Promise.resolve({ host: '127.0.0.1', port: redis.port }),
    spill: { folder, diskBytes, waitingBytes: 256 * 1024 },
    onState: (state) => {
      if (states.at(-1) !== state) states.push(state);
    },
    onWarning: (message) => warnings.push(message),
    onReceived: () => undefined,
    stopping: stop.signal,
  });
  t.after(async () => {
    stop.abort();
    feed.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { redis, feed, states, warnings };
}

/** Writes hashes `<prefix>:<n>` of a kilobyte, which does not compress well. */
async function write(redis: TestRedis, prefix: string, count: number): Promise<void> {
  for (let from = 0; from < count; from += 100) {
    const pipeline = redis.client.pipeline();
    for (let i = from; i < Math.min(count, from + 100); i++)
      pipeline.hset(`${prefix}:${i}`, 'v', randomBytes(500).toString('hex'));
    await pipeline.exec();
    if (from % 1000 === 0) await repliesDrained(redis);
  }
}

/** Reads the snapshot, mark included. @returns how many hashes, and a decoder of the stream that follows */
async function readSnapshot(session: ReplicationSession) {
  const { answer } = session;
  assert.ok(answer.kind === 'full' && answer.transfer.framing === 'eof');
  const rdb = new RdbDecoder({ captures });
  let hashes = 0;
  for (let isOver = false; !isOver;) {
    const bytes = await session.read();
    assert.ok(bytes !== null, String(session.brokenBy));
    rdb.push(bytes);
    for (let event = rdb.next(); event !== undefined && !isOver; event = isOver ? undefined : rdb.next()) {
      if (event.kind === 'hash') hashes++;
      isOver = event.kind === 'end';
    }
  }
  let rest = rdb.rest();
  while (rest.length < 40) rest = Buffer.concat([rest, (await session.read()) ?? Buffer.alloc(0)]);
  assert.ok(rest.subarray(0, 40).equals(answer.transfer.mark));
  rest = rest.subarray(40);
  session.snapshotRead(rest.length);
  const stream = new CommandDecoder({ captures, ignoreCommands: new Set(), offset: answer.offset, db: 0 });
  stream.push(rest);
  return { hashes, stream };
}

/** Reads commands until one has this key. @returns how many there were */
async function commandsUpTo(session: ReplicationSession, stream: CommandDecoder, key: string): Promise<number> {
  for (let count = 0; ;) {
    for (let command = stream.next(); command !== undefined; command = stream.next()) {
      const [mutation] = command.mutations;
      if (mutation?.kind !== 'set') continue;
      count++;
      if (mutation.key.toString() === key) return count;
    }
    const bytes = await session.read();
    assert.ok(bytes !== null, String(session.brokenBy));
    stream.push(bytes);
  }
}

test('a reader that does not read for long hurts no master: neither in a snapshot, nor behind it, nor in the stream', async (t) => {
  const { redis, feed, states } = await setUp(t);
  await write(redis, 'old', 8000);
  const session = await feed.open(null);
  const before = await until('the replica', async () => {
    const found = await replicasOf(redis);
    return found.length === 1 ? found : undefined;
  });
  await until('most of the snapshot to be on disk', () => feed.spilledBytes > 4_000_000);
  // Nobody has read a byte of the snapshot, but the master does not wait for that to send what follows.
  await write(redis, 'new', 8000);
  await until('the stream to be on disk, too', () => feed.spilledBytes > 11_000_000);
  assert.deepEqual(await replicasOf(redis), before, 'the link is the one that was opened');
  const { hashes, stream } = await readSnapshot(session);
  assert.equal(hashes, 8000);
  assert.equal(await commandsUpTo(session, stream, 'new:7999'), 8000);
  feed.committed(session.answer.replid, stream.offset);
  assert.equal(feed.spilledBytes, 0, 'what is committed is forgotten');
  await write(redis, 'newer', 8000);
  await until('the stream to wait', () => feed.spilledBytes > 6_000_000);
  assert.equal(await commandsUpTo(session, stream, 'newer:7999'), 8000);
  assert.deepEqual(await replicasOf(redis), before);
  assert.deepEqual(states.slice(0, 4), ['connecting', 'handshake', 'snapshot', 'spilling']);
  assert.equal(states.at(-1), 'streaming');
});

test('the next life goes on in the link of the last one, where its position stands', async (t) => {
  const { redis, feed } = await setUp(t);
  const first = await feed.open(null);
  const { stream } = await readSnapshot(first);
  const before = await replicasOf(redis);
  await write(redis, 'a', 1000);
  await commandsUpTo(first, stream, 'a:499');
  const point = { replid: first.answer.replid, offset: stream.offset };
  await commandsUpTo(first, stream, 'a:999');
  first.close();
  assert.equal(await first.read(), null);
  // Much more than the master's backlog holds.
  await write(redis, 'b', 3000);
  assert.equal(feed.holds(point), true);
  const second = await feed.open(point);
  assert.deepEqual(second.answer, { ...first.answer, kind: 'continue', offset: point.offset });
  const again = new CommandDecoder({ captures, ignoreCommands: new Set(), offset: point.offset, db: 0 });
  assert.equal(await commandsUpTo(second, again, 'b:2999'), 3500);
  assert.deepEqual(await replicasOf(redis), before, 'the master has seen one link');
  feed.committed(point.replid, again.offset);
  await write(redis, 'c', 300);
  await commandsUpTo(second, again, 'c:299');
  assert.equal(feed.holds(point), false, 'what is committed need not be kept');
  assert.equal(feed.holds({ replid: 'f'.repeat(40), offset: again.offset }), false, 'another stream');
  const third = await feed.open(null);
  assert.equal(third.answer.kind, 'full');
});

test('when as much waits as may, the link is closed; what came before is read, and a new link goes on behind it', async (t) => {
  const { redis, feed, states } = await setUp(t, 2_000_000);
  const session = await feed.open(null);
  const { stream } = await readSnapshot(session);
  await write(redis, 'a', 8000);
  await untilEqual('the state', 'backing-off', () => states.at(-1));
  assert.ok(feed.spilledBytes <= 2_000_000);
  await until('no replica', async () => (await replicasOf(redis)).length === 0);
  let bytes = await session.read();
  for (; bytes !== null; bytes = await session.read()) {
    stream.push(bytes);
    while (stream.next() !== undefined);
  }
  assert.match(String(session.brokenBy), /source\.spillBytes/);
  assert.ok(stream.offset + stream.buffered > session.answer.offset + 1_500_000);
  session.close();
  // It forgets as it writes.
  await write(redis, 'b', 1000);
  const next = await feed.open({ replid: session.answer.replid, offset: stream.offset });
  assert.equal(next.answer.kind, 'full', 'its backlog does not reach back so far');
  assert.equal((await readSnapshot(next)).hashes, 9000);
});
