import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { FencedValue } from '../../source-connector/capture/fenced-reader.ts';
import type { ReplicationSession } from '../../source-connector/capture/session.ts';
import { keySlot } from '../../source-connector/decode/key-slot.ts';
import type { LinkEnd } from '../../source-connector/shard.ts';
import { followStream } from '../../source-connector/stream.ts';
import { Life } from '../support/source/life.ts';
import { PublishedModel } from '../support/source/published-model.ts';
import { respLines } from '../support/resp-bytes.ts';

/** A link over which these commands come, one by one, and then its end. */
function linkOf(commands: readonly string[]): ReplicationSession {
  const chunks = commands.map((command) => respLines(command));
  return {
    answer: { kind: 'continue', replid: 'r', offset: 0 },
    read: () => Promise.resolve(chunks.shift() ?? null),
    snapshotRead: () => undefined,
    acknowledge: () => undefined,
    brokenBy: undefined,
    close: () => undefined,
  };
}

/** Follows commands; keys are read as these values, at the end of the command that asks. */
async function follow(
  t: TestContext,
  commands: readonly string[],
  values: Readonly<Record<string, Omit<FencedValue, 'offset'>>> = {},
): Promise<{ end: LinkEnd; rows: Record<string, unknown>; reads: string[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-stream-'));
  const model = new PublishedModel();
  const reads: string[] = [];
  const life = await Life.begin({
    folder,
    model,
    captures: (bytes, start, end) => bytes.toString('latin1', start, end).startsWith('p:'),
    batchRecords: 100,
    readKeys: (keys, fence) => {
      reads.push(...keys.map(({ key }) => key.toString()));
      const read = keys.flatMap(({ key }) => values[key.toString()] ?? []);
      return read.length < keys.length
        ? Promise.reject(new Error('nobody may read'))
        : Promise.resolve(read.map((value) => ({ ...value, offset: fence.offset })));
    },
  });
  t.after(async () => {
    await life.close();
    await rm(folder, { recursive: true });
  });
  const end = await followStream(life.with(new AbortController().signal), linkOf(commands), life.decoder());
  const rows: Record<string, unknown> = {};
  for (const [where, row] of model.replay(0).upTo(Infinity)) {
    if (row !== null) rows[where] = JSON.parse(row);
  }
  assert.deepEqual(model.problems, []);
  return { end, rows, reads };
}

const hashOf = (value: string): Omit<FencedValue, 'offset'> => ({
  fields: [Buffer.from('v'), Buffer.from(value)],
  expireAt: 0,
});

test('rule 6: every captured key that an ignored command names is read again', async (t) => {
  const { end, rows, reads } = await follow(
    t,
    ['HSET p:1 v a', 'HSET p:2 v a', 'HSET p:3 v a', 'new.set p:1 x other p:2 p:4 p:3', 'HSET p:2 w b', 'ping'],
    { 'p:1': hashOf('read'), 'p:2': hashOf('read'), 'p:3': { fields: null, expireAt: 0 }, 'p:4': hashOf('new') },
  );
  assert.equal(end, 'broken');
  assert.deepEqual(reads, ['p:1', 'p:2', 'p:4', 'p:3']);
  assert.deepEqual(rows, {
    '0/p:1': [['v', 'read']],
    '0/p:2': [
      ['v', 'read'],
      ['w', 'b'],
    ],
    '0/p:4': [['v', 'new']],
  });
});

test('a key that an ignored command names and that cannot be read ends the link for a full resync', async (t) => {
  const { end } = await follow(t, ['HSET p:1 v a', 'new.set p:1 x']);
  assert.ok(typeof end === 'object');
  assert.match(end.reason, /NEW.SET, which is not known, and it cannot be read: nobody may read/);
});

test('an index that is dropped with its documents ends the link for a full resync, without a read', async (t) => {
  const { end, reads } = await follow(t, ['HSET p:1 v a', 'FT.DROPINDEX i DD', 'HSET p:1 v b']);
  assert.ok(typeof end === 'object');
  assert.match(end.reason, /FT.DROPINDEX/);
  assert.deepEqual(reads, []);
});

test('a relative time, as servers before 7.0 send it, needs no read where no row tells the time', async (t) => {
  const { end, rows, reads } = await follow(t, ['HSET p:1 v a', 'EXPIRE p:1 100', 'PEXPIRE p:1 5', 'HSET p:1 v b']);
  assert.equal(end, 'broken');
  assert.deepEqual(reads, []);
  assert.deepEqual(rows, { '0/p:1': [['v', 'b']] });
});

test('a deletion of slots takes the keys of these slots in every database, and no others', async (t) => {
  const slot = keySlot(Buffer.from('p:1'));
  for (const command of [`TRIMSLOTS RANGES 1 ${slot} ${slot}`, `CLUSTER FLUSHSLOT ${slot}`]) {
    const { rows } = await follow(t, [
      'HSET p:1 v a',
      'HSET p:{p:1}2 v a',
      'HSET p:3 v a',
      'SELECT 5',
      'HSET p:1 v a',
      'HSET p:3 v a',
      command,
    ]);
    assert.deepEqual(Object.keys(rows), ['0/p:3', '5/p:3'], command);
  }
});
