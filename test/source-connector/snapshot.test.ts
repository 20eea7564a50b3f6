import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Answer, ReplicationSession, Transfer } from '../../source-connector/capture/session.ts';
import { Committer } from '../../source-connector/committer.ts';
import { captureOf } from '../../source-connector/contract.ts';
import type { SnapshotDecoder, SnapshotEvent } from '../../source-connector/decode/ports.ts';
import { Fold } from '../../source-connector/fold/fold.ts';
import { packHash } from '../../source-connector/packed-hash.ts';
import { HeldKeys } from '../../source-connector/held-keys.ts';
import { decodePosition } from '../../source-connector/position.ts';
import { Recorder } from '../../source-connector/record/recorder.ts';
import type { Breaker, Shard } from '../../source-connector/shard.ts';
import { readSnapshot } from '../../source-connector/snapshot.ts';
import { openState } from '../../source-connector/state/open.ts';
import { sampleMapping } from '../support/mapping.ts';
import { MemorySender } from '../support/memory-sender.ts';
import type { Scope } from '../support/scope.ts';
import { isCode } from '../support/sender.ts';
import { viewOf } from '../support/source/view.ts';
import { unprovenTime } from '../support/source/unproven-time.ts';

const TAKEN_AT = 1_700_000_000;
const MARK = Buffer.alloc(40, 0x61);

type Full = Extract<Answer, { kind: 'full' }>;

/** Snapshot events that a decoder has already found in bytes, and what follows them. */
class Decoded implements SnapshotDecoder {
  position = 0;
  readonly #events: SnapshotEvent[];
  readonly #rest: Buffer;

  constructor(events: readonly SnapshotEvent[], rest: Buffer) {
    this.#events = [...events];
    this.#rest = rest;
  }

  push(): void {
    // The events are there already.
  }

  next(): SnapshotEvent | undefined {
    const event = this.#events.shift();
    if (event !== undefined) this.position += 100;
    return event;
  }

  rest(): Buffer {
    return this.#rest;
  }
}

/** A hash for each name, in a database; names are the ids of keys. */
function snapshotOf(names: readonly string[], db = 0): SnapshotEvent[] {
  return [
    { kind: 'aux', name: 'ctime', value: Buffer.from(String(TAKEN_AT)) },
    ...names.map((name): SnapshotEvent => {
      return { kind: 'hash', db, key: keyOf(name), fields: packHash([['text', name]]), expireAt: 0 };
    }),
    { kind: 'end', checksum: 'verified' },
  ];
}

const keyOf = (name: string): Buffer => Buffer.from(`sample:eu:${name}`);

/** How the master sends a snapshot, and the bytes that were read after its end. */
interface Sent {
  readonly transfer?: Transfer;
  readonly rest?: Buffer;
}

interface Setting {
  readonly breaker?: Breaker;
  readonly vanished?: 'delete' | 'keep';
  readonly records?: number;
}

/** A shard on a sender that keeps records in memory. */
async function setUp(scope: Scope, { breaker, vanished = 'delete', records = 1000 }: Setting = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-snapshot-'));
  const { store: state } = await openState(folder, null);
  scope.after(async () => {
    await state.close();
    await rm(folder, { recursive: true, force: true });
  });
  const mapping = sampleMapping({ removals: { ...sampleMapping().removals, vanished } });
  const view = viewOf(mapping);
  const ops: string[] = [];
  const missing: Readonly<Record<string, number>>[] = [];
  const sender = new MemorySender();
  const committer = new Committer(sender, state, { records, bytes: 1e6, linger: 0 }, 0, () => undefined);
  const recorder = new Recorder({
    pipeline: 'p',
    shard: 0,
    topics: { marks: 'marks', deadLetters: 'letters' },
    maxRecordBytes: 1e6,
    version: 0,
    batch: () => committer.batch,
    effect: () => undefined,
    news: { event: (_, op) => ops.push(op), removal: () => undefined, rejected: () => undefined },
  });
  const captures = captureOf([mapping]);
  const policiesOf = (db: number, key: Buffer) => (view.captures(db, key) ? view : undefined);
  const shard: Shard = {
    state,
    fold: new Fold({ state, captures, viewOf: policiesOf, output: recorder }),
    recorder,
    committer,
    captures,
    policiesOf,
    readKeys: () => Promise.reject(new Error('no key is read beside a snapshot')),
    clock: unprovenTime,
    held: new HeldKeys(),
    clockFloor: { replid: '', ms: 0 },
    progress: { mode: 'replication', replid: '', offset: 0, db: 0, inTransaction: false, snapshot: false },
    mappings: {},
    breaker: breaker ?? { rows: 1000, percent: 50, confirmed: undefined },
    unitLimit: records,
    stopping: new AbortController().signal,
    told: {
      commands: () => undefined,
      upToDate: () => undefined,
      flushed: () => undefined,
      keyRead: () => undefined,
      filling: () => undefined,
      fillWaits: () => undefined,
      filled: () => undefined,
      snapshotProgress: () => undefined,
      snapshotRead: (facts) => missing.push(facts.missing),
    },
  };
  let resyncs = 0;
  /** One full resync; returns what it published, by op, and what is read after it. */
  const resync = async (
    events: readonly SnapshotEvent[],
    { transfer = { framing: 'eof', mark: MARK }, rest = Buffer.concat([MARK, Buffer.from('rest')]) }: Sent = {},
    chunks: readonly Buffer[] = [],
  ): Promise<{ ops: string; read: string }> => {
    ops.length = 0;
    const answer: Full = { kind: 'full', replid: 'r', offset: ++resyncs, transfer };
    const left = [...chunks];
    const session: ReplicationSession = {
      answer,
      read: () => Promise.resolve(left.shift() ?? null),
      snapshotRead: () => undefined,
      acknowledge: () => undefined,
      brokenBy: undefined,
      close: () => undefined,
    };
    const read = await readSnapshot(shard, session, answer, new Decoded(events, rest));
    return { ops: ops.join(''), read: String(read) };
  };
  return { resync, sender, state, missing, shard };
}

const hundred = Array.from({ length: 100 }, (_, i) => String(i));

/** Published rows of which so many have no hash any more. */
async function vanishing(scope: Scope, count: number, setting: Setting) {
  const all = await setUp(scope, setting);
  await all.resync(snapshotOf(hundred));
  return { ...all, again: () => all.resync(snapshotOf(hundred.slice(count))) };
}

const breaker = (rows: number, percent: number, confirmed?: number): Setting => ({
  breaker: { rows, percent, confirmed },
});

test('a full resync publishes hashes, and the next one only what differs', async (t) => {
  const { resync, sender } = await setUp(t);
  assert.deepEqual(await resync(snapshotOf(['1', '2'])), { ops: 'rr', read: 'rest' });
  assert.deepEqual(await resync(snapshotOf(['1', '3', '4'])), { ops: 'rrd', read: 'rest' });
  assert.deepEqual(await resync(snapshotOf(['1', '3', '4'])), { ops: '', read: 'rest' });
  assert.ok(sender.position !== null);
  const { snapshot, offset } = decodePosition(sender.position, 't', 0);
  assert.deepEqual({ snapshot, offset }, { snapshot: false, offset: 3 });
});

test('rule 4: the breaker lets go what is within both of its limits', async (t) => {
  const { again, missing } = await vanishing(t, 10, breaker(10, 10));
  assert.equal((await again()).ops, 'd'.repeat(10));
  assert.deepEqual(missing.at(-1), { vanished: 10 });
});

test('rule 4: more vanished rows than allowed stop the shard, and nothing is deleted', async (t) => {
  for (const setting of [breaker(9, 100), breaker(1000, 9.9), breaker(9, 9, 9)]) {
    const { again, sender, state } = await vanishing(t, 10, setting);
    const before = sender.committed.length;
    await assert.rejects(again(), (error: unknown) => {
      assert.match(String(error), /10 of 100 published rows .*vanished 10.*--confirm-vanished 10/s);
      return isCode('VANISHED_BREAKER')(error);
    });
    assert.equal(sender.committed.length, before);
    assert.equal(state.count(0), 100);
  }
});

test('rule 4: a server without any captured hash stops the shard whatever the limits are', async (t) => {
  const { resync } = await vanishing(t, 10, breaker(1_000_000, 100));
  await assert.rejects(resync(snapshotOf([])), /VANISHED_BREAKER: the server has no captured hash at all/);
});

test('rule 4: a person may confirm as many as they saw, and not more', async (t) => {
  const { again } = await vanishing(t, 10, breaker(0, 0, 10));
  assert.equal((await again()).ops, 'd'.repeat(10));
  const { resync } = await vanishing(t, 0, breaker(0, 0, 100));
  assert.equal((await resync(snapshotOf([]))).ops, 'd'.repeat(100));
});

test('rule 4: rows that the policy keeps do not count', async (t) => {
  const { again, missing } = await vanishing(t, 100, { ...breaker(0, 0), vanished: 'keep' });
  assert.equal((await again()).ops, '');
  assert.deepEqual(missing.at(-1), { vanished: 100 });
});

test('rule 3: hashes of other databases are followed, but neither published nor counted', async (t) => {
  const { resync, state } = await setUp(t, breaker(0, 0));
  assert.equal((await resync([...snapshotOf(['1', '2'], 7).slice(0, -1), ...snapshotOf(['1'])])).ops, 'r');
  assert.equal(state.count(7), 2);
  assert.equal((await resync(snapshotOf(['1']))).ops, '');
  assert.equal(state.count(7), 0);
});

test('rule 7: while the snapshot is read, positions say so', async (t) => {
  const { resync, sender } = await setUp(t, { records: 10 });
  const end = resync(snapshotOf(hundred).slice(0, -1));
  assert.deepEqual(await end, { ops: 'r'.repeat(100), read: 'broken' });
  assert.ok(sender.position !== null && sender.committed.length > 0);
  assert.equal(decodePosition(sender.position, 't', 0).snapshot, true);
  // What the broken one has published is not published again.
  assert.deepEqual(await resync(snapshotOf(hundred)), { ops: '', read: 'rest' });
});

test('a mark that arrives late is waited for, and another mark is an error', async (t) => {
  const { resync } = await setUp(t);
  const cut = { rest: MARK.subarray(0, 7) };
  const late = [MARK.subarray(7, 20), Buffer.concat([MARK.subarray(20), Buffer.from('x')])];
  assert.equal((await resync(snapshotOf(['1']), cut, late)).read, 'x');
  assert.equal((await resync(snapshotOf(['1']), cut)).read, 'broken');
  await assert.rejects(resync(snapshotOf(['1']), { rest: Buffer.alloc(40, 0x62) }), isCode('SNAPSHOT_CORRUPT'));
});

test('a transfer that ends elsewhere than its header said is an error, and nothing vanishes', async (t) => {
  const { resync, state } = await setUp(t);
  const rest = Buffer.from('stream');
  // Three events, 100 bytes each.
  const right = { transfer: { framing: 'length', bytes: 300 }, rest } as const;
  assert.equal((await resync(snapshotOf(['1']), right)).read, 'stream');
  const short = { transfer: { framing: 'length', bytes: 301 }, rest } as const;
  await assert.rejects(resync(snapshotOf(['2']), short), isCode('SNAPSHOT_CORRUPT'));
  assert.ok(Buffer.isBuffer(state.get(0, keyOf('1'))?.current));
});
