import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { createState } from '../../../source-connector/state/open.ts';
import { type EncodedEntry, EntryReader, entrySize, writeEntry } from '../../../source-connector/state/entry.ts';
import { Table } from '../../../source-connector/state/table.ts';
import type { Entry, StateStore } from '../../../source-connector/state/port.ts';

async function newStore(t: TestContext): Promise<StateStore> {
  const folder = await mkdtemp(join(tmpdir(), 'state-store-'));
  const { store } = await createState(folder);
  t.after(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });
  return store;
}

const NOTHING: Entry = { current: null, expireAt: 0, published: null, mark: null };

function holding(current: string): Entry {
  return { ...NOTHING, current: Buffer.from(current) };
}

function current(store: StateStore, db: number, key: string): string | undefined {
  return store.get(db, Buffer.from(key))?.current?.toString();
}

function keys(store: StateStore, db: number): string[] {
  return [...store.keys(db)].map(String).sort();
}

test('an entry is read as it was written, whichever parts it has', () => {
  const part = fc.option(fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)));
  const expireAt = fc.oneof(fc.constant(0), fc.maxSafeNat());
  const entries = fc.record<EncodedEntry>(
    { current: part, published: part, mark: part, expireAt },
    { noNullPrototype: true },
  );
  const reader = new EntryReader();
  fc.assert(
    fc.property(entries, (entry) => {
      const bytes = Buffer.alloc(entrySize(entry));
      assert.equal(writeEntry(bytes, 0, entry), bytes.length);
      assert.deepEqual(reader.read(bytes.toString('latin1')), entry);
    }),
  );
});

test('an entry larger than the scratch memory is read, and so is a small one after it', () => {
  const reader = new EntryReader();
  for (const size of [3 << 20, 10, 1 << 20, 0]) {
    const entry = { ...NOTHING, current: Buffer.alloc(size, 7) };
    const bytes = Buffer.alloc(entrySize(entry));
    writeEntry(bytes, 0, entry);
    assert.deepEqual(reader.read(bytes.toString('latin1')), entry);
  }
});

test('puts, overwrites and removes entries; keys and values are any bytes', async (t) => {
  const store = await newStore(t);
  const key = Buffer.from([0, 255, 128, 10]);
  assert.equal(store.get(0, key), undefined);
  store.put(0, key, holding('a'));
  store.put(0, key, holding('bb'));
  assert.deepEqual(store.get(0, key), holding('bb'));
  assert.deepEqual([...store.keys(0)], [key]);
  assert.equal(store.get(1, key), undefined);
  store.put(0, key, NOTHING);
  assert.equal(store.get(0, key), undefined);
  assert.equal(store.count(0), 0);
  assert.deepEqual(store.databases(), []);
});

test('stores parts that it just returned itself', async (t) => {
  const store = await newStore(t);
  store.put(0, Buffer.from('a'), { ...holding('value of a'), expireAt: 5, mark: Buffer.from('m') });
  const got = store.get(0, Buffer.from('a'));
  assert.ok(got);
  assert.ok(Buffer.isBuffer(got.current));
  store.put(1, Buffer.from('b'), { ...got, published: got.current });
  const copied = store.get(1, Buffer.from('b'));
  assert.deepEqual([copied?.current, copied?.published].map(String), ['value of a', 'value of a']);
  assert.equal(copied?.expireAt, 5);
});

test('iterates over all keys that stay, while others come, go, and come again', async (t) => {
  const store = await newStore(t);
  const names = Array.from({ length: 2000 }, (_, n) => `stays:${n}`);
  for (const name of names) store.put(0, Buffer.from(name), holding(name));
  for (let n = 0; n < 2000; n++) store.put(0, Buffer.from(`goes:${n}`), holding('x'));
  const seen: string[] = [];
  let n = 0;
  for (const key of store.keys(0)) {
    seen.push(key.toString());
    // Each step removes and puts again the key itself, adds one, and removes one: an iteration over a Map would not end.
    const entry = current(store, 0, key.toString());
    assert.ok(entry !== undefined, `${key.toString()} is there when it comes`);
    store.put(0, key, NOTHING);
    store.put(0, key, holding(entry));
    store.put(0, Buffer.from(`comes:${n}`), holding('y'));
    store.put(0, Buffer.from(`goes:${n++}`), NOTHING);
  }
  assert.equal(new Set(seen).size, seen.length, 'no key comes twice');
  assert.deepEqual(seen.filter((key) => key.startsWith('stays:')).sort(), names.sort());
});

test('a census knows the keys of its moment that were not crossed off, and none that came later', async (t) => {
  const store = await newStore(t);
  const name = (n: number): Buffer => Buffer.from(`k${n}`);
  for (let n = 0; n < 3000; n++) store.put(n % 2, name(n), holding('v'));
  const census = store.census();
  // Each third one is there still; as many come, some of them in a database that was not there.
  for (let n = 0; n < 3000; n += 3) {
    census.crossOff(n % 2, name(n));
    store.put(n % 2, name(n), holding('again'));
    census.crossOff(n % 4, name(10_000 + n));
    store.put(n % 4, name(10_000 + n), holding('new'));
  }
  const left = [0, 1, 2, 3].map((db) => [...store.keys(db)].filter((key) => census.has(db, key)).map(String));
  const expected = (db: number): string[] => {
    const numbers = Array.from({ length: 3000 }, (_, n) => n);
    return numbers.filter((n) => n % 2 === db && n % 3 !== 0).map((n) => `k${n}`);
  };
  assert.deepEqual(
    left.map((found) => found.sort()),
    [expected(0).sort(), expected(1).sort(), [], []],
  );
});

test('counts the changes since the last seal, and seals batches in sequence from 1', async (t) => {
  const store = await newStore(t);
  const unsealed = [store.unsealedBytes];
  store.put(0, Buffer.from('k'), holding('v'));
  unsealed.push(store.unsealedBytes);
  const first = store.seal();
  unsealed.push(store.unsealedBytes);
  assert.deepEqual(
    unsealed.map((bytes) => bytes > 0),
    [false, true, false],
  );
  assert.ok(first.bytes > 0);
  const second = store.seal();
  assert.deepEqual([first.tag.sequence, second.tag.sequence], [1, 2]);
  await assert.rejects(store.sync(second), /INTERNAL: batch 2 .* out of turn/);
  await Promise.all([store.sync(first), store.sync(second)]);
  await assert.rejects(store.sync(second), /INTERNAL/);
  assert.deepEqual(keys(store, 0), ['k']);
});

test('refuses to outgrow the heap, and says what to do', () => {
  const table = new Table(1 << 20);
  const fill = (): void => {
    for (let n = 0; n < 100_000; n++) {
      const key = Buffer.from(`k${n}`);
      table.set(0, key, 0, key.length, 'x'.repeat(50));
    }
  };
  assert.throws(fill, /STATE_FULL: the state's \d+ entries take about \d+ MiB.*--max-old-space-size/);
});
