import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { packHash, unpackHash } from '../../../source-connector/packed-hash.ts';
import { bucketOf, parentOf, wantedBuckets, type WideLimits } from '../../../source-connector/state/buckets.ts';
import { LOG_LIMITS } from '../../../source-connector/state/copy-forward.ts';
import { openState } from '../../../source-connector/state/open.ts';
import type { Entry, StateStore } from '../../../source-connector/state/port.ts';
import { recover } from '../../../source-connector/state/recover.ts';
import { wholeOf, type WideHash } from '../../../source-connector/wide-hash.ts';

const TINY: WideLimits = { fromBytes: 24, bucketFields: 2, bucketBytes: 16 };
/** The log is copied forward all the time. */
const LIMITS = { floorBytes: 300, factor: 1, copyBytes: 100, wide: TINY };
const KEY = Buffer.from('k');
const NOTHING: Entry = { current: null, expireAt: 0, published: null, mark: null };

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wide-hash-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

function textOf(packed: Buffer): Map<string, string> {
  const pairs = unpackHash(packed).map(([n, v]): [string, string] => [n.toString(), v.toString()]);
  assert.equal(new Set(pairs.map(([n]) => n)).size, pairs.length, 'no name twice');
  return new Map(pairs);
}

function hashOf(store: StateStore): Map<string, string> {
  const current = store.get(0, KEY)?.current ?? null;
  return current === null ? new Map<string, string>() : textOf(wholeOf(current));
}

const name = fc.nat({ max: 40 }).map((n) => (n % 7 === 0 ? `${'long '.repeat(12)}${n}` : `f${n}`));
const value = fc.oneof(fc.nat({ max: 99 }).map(String), fc.string({ unit: 'binary', maxLength: 60 }));
const pairs = (maxLength: number): fc.Arbitrary<[string, string][]> =>
  fc.array(fc.tuple(name, value), { minLength: 1, maxLength });

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('set' as const), pairs: pairs(4) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('set' as const), pairs: pairs(60) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('unset' as const), names: fc.array(name, { maxLength: 12 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('increment' as const), name, by: fc.bigInt(-5n, 5n) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('replace' as const), pairs: pairs(40) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const), synced: fc.boolean() }) },
);

/** Does to the store what fold does, and the same to a Map. */
class Run {
  readonly #folder: string;
  #store: StateStore;
  #model = new Map<string, string>();
  #synced = new Map<string, string>();
  #tag = { logId: '', sequence: 0 };
  wasWide = 0;

  constructor(folder: string, store: StateStore) {
    this.#folder = folder;
    this.#store = store;
  }

  /** Changes the hash as fold does: a wide one in its place, any other by a whole new one. */
  #change(model: () => void, wide: (hash: Exclude<Entry['current'], Buffer | null>) => void): void {
    const entry = this.#store.get(0, KEY) ?? NOTHING;
    const { current } = entry;
    model();
    if (current === null || Buffer.isBuffer(current)) {
      this.#put(this.#model.size === 0 ? null : packHash(this.#model));
      return;
    }
    this.wasWide++;
    wide(current);
    assert.deepEqual([current.fields, current.bytes], [this.#model.size, packHash(this.#model).length]);
    this.#store.put(0, KEY, this.#model.size === 0 ? NOTHING : { ...entry, current });
  }

  #put(packed: Buffer | null): void {
    this.#store.put(0, KEY, { ...NOTHING, current: packed, published: packed === null ? null : Buffer.from('row') });
  }

  async step(one: typeof step extends fc.Arbitrary<infer Step> ? Step : never): Promise<void> {
    const model = this.#model;
    if (one.do === 'set') {
      const patch = packHash(one.pairs);
      this.#change(
        () => {
          for (const [n, v] of one.pairs) model.set(n, v);
        },
        (hash) => {
          hash.set(patch);
        },
      );
    } else if (one.do === 'unset') {
      this.#change(
        () => {
          for (const n of one.names) model.delete(n);
        },
        (hash) => {
          hash.unset(one.names.map((n) => Buffer.from(n)));
        },
      );
    } else if (one.do === 'increment') {
      const before = model.get(one.name) ?? '0';
      const held = model.get(one.name);
      const isInteger = /^-?\d+$/.test(before);
      this.#change(
        () => {
          if (isInteger) model.set(one.name, String(BigInt(before) + one.by));
        },
        (hash) => {
          assert.equal(hash.valueOf(Buffer.from(one.name))?.toString(), held);
          assert.equal(hash.increment(Buffer.from(one.name), one.by), isInteger);
        },
      );
    } else if (one.do === 'replace' || one.do === 'remove') {
      this.#model = new Map(one.do === 'replace' ? one.pairs : []);
      this.#put(one.do === 'replace' ? packHash(this.#model) : null);
    } else {
      await this.reopen(one.synced);
    }
    this.check();
  }

  check(): void {
    assert.deepEqual(hashOf(this.#store), this.#model);
    assert.deepEqual([...this.#store.keys(0)].length, this.#model.size === 0 ? 0 : 1);
    assert.deepEqual(this.#store.databases(), this.#model.size === 0 ? [] : [0]);
  }

  /** Opens the folder again at the last synced batch; what came after it is lost. */
  async reopen(sync: boolean): Promise<void> {
    if (sync || this.#tag.sequence === 0) {
      const sealed = this.#store.seal();
      await this.#store.sync(sealed);
      this.#store.committed(sealed.tag.sequence);
      this.#tag = sealed.tag;
      this.#synced = new Map(this.#model);
    }
    await this.#store.close();
    this.#store = (await openState(this.#folder, this.#tag, LIMITS)).store;
    this.#model = new Map(this.#synced);
  }

  /** What is left of a hash that is gone: nothing, neither here nor for who reads the log. */
  async end(): Promise<void> {
    this.#model.clear();
    this.#put(null);
    await this.reopen(true);
    this.check();
    await this.#store.close();
    assert.equal((await recover(this.#folder, this.#tag)).table.entries, 0, 'no bucket is left');
  }
}

test('a hash in buckets is what a simple model says, through crashes and while the log is copied forward', async (t) => {
  let wasWide = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      const folder = await temporaryFolder(t);
      const run = new Run(folder, (await openState(folder, null, LIMITS)).store);
      for (const one of steps) await run.step(one);
      await run.end();
      wasWide += run.wasWide;
    }),
    { numRuns: 25 },
  );
  assert.ok(wasWide > 100, `${wasWide} changes of wide hashes`);
});

test('a bucket that comes takes names from its parent alone', () => {
  fc.assert(
    fc.property(fc.nat({ max: 0xffffffff }), fc.integer({ min: 1, max: 5000 }), (hash, buckets) => {
      const before = bucketOf(hash, buckets);
      const after = bucketOf(hash, buckets + 1);
      assert.ok(before < buckets);
      if (before !== after) assert.deepEqual([after, before], [buckets, parentOf(buckets)]);
    }),
  );
});

test('buckets follow the fields, and large values get one each', () => {
  const limits = { fromBytes: 4096, bucketFields: 16, bucketBytes: 512 };
  assert.equal(wantedBuckets(1_000_000, 20_000_000, limits), 62_500);
  assert.equal(wantedBuckets(10, 10_000_000, limits), 10);
  assert.equal(wantedBuckets(0, 0, limits), 1);
});

test('a change of a hash of 100,000 fields writes a bucket and the head, not the hash', async (t) => {
  const folder = await temporaryFolder(t);
  const { store } = await openState(folder, null, LOG_LIMITS);
  const fields = Array.from({ length: 100_000 }, (_, n): [string, string] => [`field:${n}`, `value ${n}`]);
  store.put(0, KEY, { ...NOTHING, current: packHash(fields), published: Buffer.alloc(100) });
  store.seal();
  let most = 0;
  for (let n = 0; n < 1000; n++) {
    const entry = store.get(0, KEY);
    assert.ok(entry !== undefined && entry.current !== null && !Buffer.isBuffer(entry.current));
    entry.current.set(packHash([[`field:${n * 99}`, `other ${n}`]]));
    const before = store.unsealedBytes;
    store.put(0, KEY, entry);
    most = Math.max(most, store.unsealedBytes - before);
    if (n === 500) assert.ok(store.unsealedBytes / 500 < 2000, `${store.unsealedBytes} bytes of 500 changes`);
  }
  assert.ok(most < 200);
  assert.equal(hashOf(store).get('field:99'), 'other 1');
  await store.close();
});

/** The wide hash under a key of a store. */
function wideOf(store: StateStore, key: Buffer): { entry: Entry; hash: WideHash } {
  const entry = store.get(0, key);
  assert.ok(entry !== undefined && entry.current !== null && !Buffer.isBuffer(entry.current));
  return { entry, hash: entry.current };
}

const numbered = (count: number, value: string): Buffer =>
  packHash(Array.from({ length: count }, (_, n): [string, string] => [`f${n}`, value]));

test('a patch that changes nothing, but was made room for, leaves the hash as it was', async (t) => {
  const { store } = await openState(await temporaryFolder(t), null, LIMITS);
  const packed = numbered(20, 'value');
  store.put(0, KEY, { ...NOTHING, current: packed });
  const { entry, hash } = wideOf(store, KEY);
  hash.set(packed);
  if (hash.changed) store.put(0, KEY, entry);
  assert.deepEqual(hashOf(store), textOf(packed));
  await store.close();
});

test('a wide hash that is put under another key is a copy of it', async (t) => {
  const { store } = await openState(await temporaryFolder(t), null, LIMITS);
  const other = Buffer.from('other');
  store.put(0, KEY, { ...NOTHING, current: numbered(20, 'value') });
  store.put(0, other, wideOf(store, KEY).entry);
  const { entry, hash } = wideOf(store, other);
  hash.set(packHash([['f1', 'changed']]));
  store.put(0, other, entry);
  store.put(0, KEY, NOTHING);
  assert.equal(wideOf(store, other).hash.valueOf(Buffer.from('f1'))?.toString(), 'changed');
  assert.equal(wideOf(store, other).hash.valueOf(Buffer.from('f2'))?.toString(), 'value');
  await store.close();
});

test('a wide hash whose values all become small leaves no bucket behind', async (t) => {
  const folder = await temporaryFolder(t);
  const { store } = await openState(folder, null, { ...LOG_LIMITS, wide: { ...TINY, fromBytes: 200 } });
  store.put(0, KEY, { ...NOTHING, current: numbered(8, 'large '.repeat(20)) });
  const { entry, hash } = wideOf(store, KEY);
  hash.set(numbered(8, ''));
  store.put(0, KEY, entry);
  assert.ok(Buffer.isBuffer(store.get(0, KEY)?.current));
  assert.deepEqual(hashOf(store), textOf(numbered(8, '')));
  const sealed = store.seal();
  await store.sync(sealed);
  await store.close();
  assert.equal((await recover(folder, sealed.tag)).table.entries, 1);
});
