import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Committer, type Place } from '../../source-connector/committer.ts';
import { decodePosition } from '../../source-connector/position.ts';
import type { OutgoingBatch } from '../../source-connector/send/port.ts';
import { openState } from '../../source-connector/state/open.ts';
import type { Entry, StateStore } from '../../source-connector/state/port.ts';
import { MemorySender } from '../support/memory-sender.ts';
import type { Scope } from '../support/scope.ts';
import { until } from '../support/until.ts';

/** A sender whose commits end when the test says so. */
class HeldSender extends MemorySender {
  /** One for each commit that was begun, in order. */
  readonly begun: { readonly records: number; readonly end: (error?: Error) => void }[] = [];

  override async commit(batch: OutgoingBatch, position: Buffer, synced: Promise<void>): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const end = (error?: Error): void => {
        if (error === undefined) resolve();
        else reject(error);
      };
      this.begun.push({ records: batch.records, end });
    });
    await super.commit(batch, position, synced);
  }
}

const limits = { records: 10, bytes: 1000, linger: 20 };

async function setUp<S extends MemorySender>(scope: Scope, sender: S) {
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-committer-'));
  const { store } = await openState(folder, null);
  scope.after(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });
  const told: (readonly [offset: number, records: number, bytes: number])[] = [];
  const committer = new Committer(sender, store, limits, 0, (place, records, bytes) => {
    told.push([place.offset, records, bytes]);
  });
  return { committer, store, told, sender, folder };
}

function add(committer: Committer, value = 'v'): void {
  committer.batch.append('t', 0, Buffer.from('k'), Buffer.from(value));
}

function at(offset: number): Place {
  return {
    mode: 'replication',
    replid: 'r',
    offset,
    db: 0,
    inTransaction: false,
    begun: false,
    snapshot: false,
    version: offset,
    clock: 0,
    mappings: {},
    fills: {},
    left: {},
    held: [],
  };
}

function positionOf(sender: MemorySender) {
  assert.ok(sender.position !== null);
  return decodePosition(sender.position, 'positions', 0);
}

const entry = (bytes: number): Entry => ({ current: Buffer.alloc(bytes), expireAt: 0, published: null, mark: null });
const put = (store: StateStore, key: string, bytes: number): void => {
  store.put(0, Buffer.from(key), entry(bytes));
};

test('a batch is due when its first record has waited for the linger', async (t) => {
  const { committer } = await setUp(t, new MemorySender());
  add(committer);
  assert.equal(committer.dueIn(100, 5), 20);
  add(committer);
  assert.equal(committer.dueIn(115, 6), 5);
  assert.equal(committer.dueIn(120, 6), 0);
  assert.equal(committer.dueIn(500, 6), 0);
  await committer.cut(at(6), 500);
  await committer.settled();
  add(committer);
  assert.equal(committer.dueIn(600, 7), 20, 'the next batch waits from its own first record');
});

test('a position without records is due only after a while, and only when the stream went on', async (t) => {
  const { committer, sender } = await setUp(t, new MemorySender());
  assert.equal(committer.dueIn(1000, 50), 4000);
  assert.equal(committer.dueIn(9000, 50), 0);
  await committer.cut(at(50), 9000);
  await committer.settled();
  assert.equal(positionOf(sender).offset, 50);
  assert.equal(committer.dueIn(99_000, 50), undefined);
  assert.equal(committer.dueIn(10_000, 51), 4000);
});

test('a batch is full by records, by bytes, and by what it changes in the state; a MULTI may hold four of them', async (t) => {
  const { committer, store } = await setUp(t, new MemorySender());
  const full = (): [boolean, boolean] => [committer.full, committer.overfull];
  for (let i = 0; i < 9; i++) add(committer);
  assert.deepEqual(full(), [false, false]);
  add(committer);
  assert.deepEqual(full(), [true, false]);
  for (let i = 0; i < 30; i++) add(committer);
  assert.deepEqual(full(), [true, true]);
  await committer.cut(at(1), 0);
  assert.deepEqual(full(), [false, false]);
  add(committer, 'x'.repeat(1000));
  assert.deepEqual(full(), [true, false]);
  add(committer, 'x'.repeat(3000));
  assert.deepEqual(full(), [true, true]);
  await committer.cut(at(2), 0);
  put(store, 'k', 3000);
  assert.deepEqual(full(), [false, false]);
  put(store, 'l', 1000);
  assert.deepEqual(full(), [true, false]);
  assert.equal(committer.dueIn(7, 3), 20, 'such a batch is due although it has no record');
  await committer.cut(at(3), 0);
  assert.deepEqual(full(), [false, false]);
  await committer.settled();
});

test('batches are committed one at a time and in order, while the next one fills', async (t) => {
  const { committer, store, sender, told } = await setUp(t, new HeldSender());
  add(committer);
  put(store, 'a', 10);
  await committer.cut(at(1), 0);
  add(committer);
  add(committer);
  put(store, 'b', 10);
  const second = committer.cut(at(2), 0);
  assert.equal(sender.begun.length, 1, 'the second waits for the first');
  assert.equal(committer.idle, false);
  assert.deepEqual(told, []);
  sender.begun[0]?.end();
  await second;
  assert.deepEqual(told, [[1, 1, 2]]);
  assert.equal(positionOf(sender).log.sequence, 1);
  sender.begun[1]?.end();
  await committer.settled();
  assert.deepEqual(told, [
    [1, 1, 2],
    [2, 2, 4],
  ]);
  assert.equal(committer.idle, true);
  assert.deepEqual(
    sender.begun.map(({ records }) => records),
    [1, 2],
  );
});

test('rule 1: the position names the log batch that holds exactly what was put before the cut', async (t) => {
  const { committer, store, sender, folder } = await setUp(t, new MemorySender());
  put(store, 'a', 10);
  add(committer);
  await committer.cut(at(1), 0);
  put(store, 'b', 10);
  await committer.settled();
  const first = positionOf(sender);
  put(store, 'c', 10);
  await committer.cut(at(2), 0);
  await committer.settled();
  assert.equal(positionOf(sender).log.sequence, 2);
  await store.close();
  const { store: recovered } = await openState(folder, first.log);
  const keys = [...recovered.keys(0)].map(String);
  await recovered.close();
  assert.deepEqual(keys, ['a']);
});

test('a commit that went wrong surfaces everywhere, and nothing is committed after it', async (t) => {
  const { committer, sender, told } = await setUp(t, new HeldSender());
  add(committer);
  await committer.cut(at(1), 0);
  committer.check();
  const { underway } = committer;
  sender.begun[0]?.end(new Error('fenced'));
  await underway;
  assert.throws(() => {
    committer.check();
  }, /fenced/);
  await assert.rejects(committer.settled(), /fenced/);
  await assert.rejects(committer.cut(at(2), 0), /fenced/);
  assert.equal(sender.begun.length, 1);
  assert.deepEqual(told, []);
});

test('rule 1: a state that could not be synced fails the commit', async (t) => {
  const { committer, store, sender, told } = await setUp(t, new MemorySender());
  const failing = { ...methodsOf(store), sync: () => Promise.reject(new Error('no space left')) };
  const other = new Committer(sender, failing, limits, 0, (place, records, bytes) => {
    told.push([place.offset, records, bytes]);
  });
  add(other);
  await other.cut(at(1), 0);
  await assert.rejects(other.settled(), /no space left/);
  assert.equal(sender.position, null);
  assert.deepEqual(told, []);
  assert.equal(committer.idle, true);
});

test('what a commit leads to is done by the time that it is no longer under way', async (t) => {
  const { committer, sender, told } = await setUp(t, new HeldSender());
  add(committer);
  await committer.cut(at(1), 0);
  assert.notEqual(committer.underway, undefined);
  sender.begun[0]?.end();
  await until('the commit is over', () => committer.underway === undefined);
  assert.equal(told.length, 1);
});

/** The store's methods, bound, to be laid over. */
function methodsOf(store: StateStore): StateStore {
  return {
    get: (db, key) => store.get(db, key),
    put: (db, key, value) => {
      store.put(db, key, value);
    },
    databases: () => store.databases(),
    count: (db) => store.count(db),
    keys: (db) => store.keys(db),
    census: () => store.census(),
    get unsealedBytes() {
      return store.unsealedBytes;
    },
    seal: () => store.seal(),
    sync: (batch) => store.sync(batch),
    committed: (sequence) => {
      store.committed(sequence);
    },
    close: () => store.close(),
  };
}
