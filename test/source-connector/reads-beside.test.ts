import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ReplicationSession } from '../../source-connector/capture/session.ts';
import { CommandDecoder } from '../../source-connector/decode/stream.ts';
import { HeldKeys } from '../../source-connector/held-keys.ts';
import { decodePosition } from '../../source-connector/position.ts';
import type { LinkEnd, Shard } from '../../source-connector/shard.ts';
import { followStream } from '../../source-connector/stream.ts';
import { HashModel } from '../support/hash-model.ts';
import { respLines } from '../support/resp-bytes.ts';
import { Life } from '../support/source/life.ts';
import { Crash, PublishedModel } from '../support/source/published-model.ts';

const captures: Shard['captures'] = (bytes, start, end) => bytes.toString('latin1', start, end).startsWith('p:');

/** A server that has run all of these commands, or so many more than the fence as it is told to be ahead. */
class ModelServer {
  readonly stream: Buffer;
  readonly #ahead: readonly number[];
  #reads = 0;

  constructor(commands: readonly string[], ahead: readonly number[]) {
    this.stream = respLines(...commands);
    this.#ahead = ahead;
  }

  readonly read: Shard['readKeys'] = (keys, fence) => {
    const values = keys.map(({ db, key }) => {
      const ahead = this.#ahead[this.#reads++ % this.#ahead.length] ?? 0;
      const { model, offset } = this.#at(fence.offset, ahead);
      const hash = model.read(db, key);
      return { offset, fields: hash?.fields ?? null, expireAt: hash?.expireAt ?? 0 };
    });
    return Promise.resolve(values);
  };

  /** What it holds of captured keys in the end. */
  rows(): Record<string, string> {
    const rows: Record<string, string> = {};
    for (const [key, { fields }] of this.#at(Infinity, 0).model.state().get(0) ?? []) {
      if (key.startsWith('p:')) rows[`0/${key}`] = JSON.stringify([...fields].sort());
    }
    return rows;
  }

  /** So many commands behind an offset, but never inside a transaction: a read comes before it or after. */
  #at(fence: number, ahead: number): { model: HashModel; offset: number } {
    const model = new HashModel();
    let [offset, left, inside] = [0, ahead, false];
    const decoder = new CommandDecoder({ captures: () => true, ignoreCommands: new Set(), offset: 0, db: 0 });
    decoder.push(this.stream);
    for (let command = decoder.next(); command !== undefined; command = decoder.next()) {
      if (command.start >= fence && !inside && left-- <= 0) break;
      model.apply(command);
      offset = command.end;
      if (command.kind === 'begin') inside = true;
      if (command.kind === 'commit') inside = false;
    }
    return { model, offset };
  }
}

/** A link over which these bytes come, and then its end. */
function linkOf(chunks: readonly Buffer[]): ReplicationSession {
  const left = [...chunks];
  return {
    answer: { kind: 'continue', replid: 'r', offset: 0 },
    read: () => Promise.resolve(left.shift() ?? null),
    snapshotRead: () => undefined,
    acknowledge: () => undefined,
    brokenBy: undefined,
    close: () => undefined,
  };
}

interface Course {
  readonly commands: readonly string[];
  /** By how many commands the server is ahead at each read. */
  readonly ahead: readonly number[];
  readonly batchRecords: number;
  /** Where chunks end, where links end, and after how many steps a life does: shares of all. */
  readonly chunkBytes: number;
  readonly breaks: readonly number[];
  readonly crashes: readonly (readonly [step: number, underwayCounts: boolean])[];
  /** Whether the stream has another replid after a break. */
  readonly promotes: boolean;
}

interface Outcome {
  readonly rows: Record<string, unknown>;
  readonly problems: readonly string[];
  readonly ends: readonly LinkEnd[];
  /** The position that the last life had committed. */
  readonly committed: Buffer | null;
}

/** Follows a server's whole stream, over links that break and in lives that crash. */
async function follow(server: ModelServer, course: Omit<Course, 'commands' | 'ahead'>): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-beside-'));
  const model = new PublishedModel();
  const options = { folder, model, captures, batchRecords: course.batchRecords, readKeys: server.read };
  const [breaks, crashes] = [[...course.breaks], [...course.crashes]];
  const ends: LinkEnd[] = [];
  const { stream } = server;
  let life = await Life.begin(options);
  try {
    for (;;) {
      const { progress, held } = life.shard;
      const [crash] = crashes;
      model.crashAfter = crash?.[0] ?? Infinity;
      const until = progress.offset + Math.max(1, Math.floor(stream.length * (breaks.shift() ?? 1)));
      const chunks: Buffer[] = [];
      for (let at = progress.offset; at < Math.min(until, stream.length); at += course.chunkBytes) {
        chunks.push(stream.subarray(at, Math.min(at + course.chunkBytes, until)));
      }
      try {
        const end = await followStream(life.with(new AbortController().signal), linkOf(chunks), life.decoder());
        ends.push(end);
        if (typeof end === 'object' || progress.offset === stream.length) break;
        if (course.promotes) held.forgetValues();
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
        crashes.shift();
        const last = life;
        const position = await last.crash(crash?.[1] ?? false);
        model.forget((batch) => last.wasCommitted(batch));
        life = await Life.begin(options, position);
      }
    }
    model.crashAfter = Infinity;
    const rows: Record<string, unknown> = {};
    for (const [where, row] of model.replay(0).upTo(Infinity)) if (row !== null) rows[where] = row;
    const committed = await life.crash(true);
    return { rows, problems: model.problems, ends, committed };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const inside = fc.constantFrom('p:1', 'p:2', 'p:3');
const key = fc.oneof(inside, fc.constantFrom('o:1', 'o:2', 'o:3'));
const one = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(key, fc.nat(9)).map(([to, value]) => `HSET ${to} v ${value}`) },
  { weight: 2, arbitrary: inside.map((to) => `HINCRBY ${to} n 1`) },
  { weight: 1, arbitrary: key.map((from) => `HDEL ${from} v`) },
  { weight: 1, arbitrary: key.map((from) => `DEL ${from}`) },
  { weight: 4, arbitrary: fc.tuple(key, key).map(([from, to]) => `RENAME ${from} ${to}`) },
  { weight: 2, arbitrary: fc.tuple(key, key).map(([from, to]) => `COPY ${from} ${to} REPLACE`) },
);
const unit = fc.oneof(
  { weight: 9, arbitrary: one.map((command) => [command]) },
  { weight: 1, arbitrary: fc.array(one, { maxLength: 4 }).map((all) => ['MULTI', ...all, 'EXEC']) },
  { weight: 1, arbitrary: fc.constant(['FLUSHDB']) },
);
const step = fc.tuple(fc.nat(60), fc.boolean());
const course = fc.record<Course>({
  commands: fc.array(unit, { minLength: 1, maxLength: 40 }).map((units) => units.flat()),
  ahead: fc.array(fc.nat(6), { minLength: 1, maxLength: 8 }),
  batchRecords: fc.integer({ min: 1, max: 4 }),
  chunkBytes: fc.integer({ min: 1, max: 400 }),
  breaks: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }),
  crashes: fc.array(step, { maxLength: 4 }),
  promotes: fc.boolean(),
});

test('rule 6: whatever comes from outside, and wherever links break and lives crash, rows end as the hashes, no event twice', async () => {
  await fc.assert(
    fc.asyncProperty(course, async ({ commands, ahead, ...how }) => {
      const server = new ModelServer(commands, ahead);
      const { rows, problems, ends } = await follow(server, how);
      assert.deepEqual(problems, []);
      assert.deepEqual([...new Set(ends)], ['broken'], 'no full resync');
      assert.deepEqual(rows, server.rows());
    }),
    { numRuns: 120 },
  );
});

test('rule 6: a position is committed while keys are held back, and names them', async () => {
  // The server is always three commands ahead, so at each moment some key is held.
  const commands = Array.from({ length: 30 }, (_, n) => [`HSET o:1 v ${n}`, `RENAME o:1 p:${n}`]).flat();
  const server = new ModelServer([...commands, 'HSET o:1 v last', 'RENAME o:1 p:last'], [3]);
  const how = { batchRecords: 4, chunkBytes: 100, breaks: [], crashes: [], promotes: false };
  const whole = await follow(server, how);
  assert.deepEqual(whole.ends, ['broken']);
  assert.ok(whole.committed !== null, 'a position was committed');
  const { offset, held } = decodePosition(whole.committed, 'memory', 0);
  assert.ok(offset > 0 && held.length > 0, `${offset} with ${held.length} keys`);
  for (const [, name, command, since] of held) {
    assert.match(Buffer.from(name, 'base64').toString(), /^p:(\d+|last)$/);
    assert.equal(command, 'RENAME');
    assert.ok(since < offset);
  }
});

test('rule 6: a position names no more held keys than a record may hold, and is right again once they are gone', () => {
  const held = new HeldKeys();
  const named = { db: 0, command: 'RENAME', since: 1, reason: 'outside' };
  const state = (): object => ({ fits: held.fits, isTooMuch: held.isTooMuch, unread: held.unreadCount > 0 });
  const keyOf = (n: number): Buffer => Buffer.from(`p:${n}`);
  for (let n = 0; held.fits; n++) held.name({ ...named, key: keyOf(n) });
  const size = JSON.stringify(held.saved).length;
  assert.ok(size > 128 * 1024 && size < 300 * 1024, `${size} bytes`);
  for (const key of held.unread) held.hold({ ...key, offset: 2, hash: Buffer.alloc(20_000), expireAt: 0 });
  assert.deepEqual(state(), { fits: false, isTooMuch: true, unread: false });
  held.forgetValues();
  assert.deepEqual(state(), { fits: false, isTooMuch: false, unread: true });
  for (const key of held.unread) held.hold({ ...key, offset: 2, hash: null, expireAt: 0 });
  assert.deepEqual(held.take(1), []);
  assert.ok(held.take(2).length > 1000);
  assert.deepEqual(state(), { fits: true, isTooMuch: false, unread: false });
  assert.deepEqual([held.isEmpty, held.has(0, keyOf(1)), held.saved], [true, false, []]);
});
