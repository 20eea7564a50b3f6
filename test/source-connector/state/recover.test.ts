import assert from 'node:assert/strict';
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { createState, openState, type OpenedState } from '../../../source-connector/state/open.ts';
import type { Entry, StateTag } from '../../../source-connector/state/port.ts';

/** So small that the log is copied forward all the time. */
const TINY = { floorBytes: 100, factor: 1, copyBytes: 60 };

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'state-log-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

function entry(value: string, expireAt = 0): Entry {
  return { current: Buffer.from(value), expireAt, published: Buffer.from(`row of ${value}`), mark: null };
}

/** Writes a batch a value under the same three keys; returns the tag of the last one. */
async function write({ store }: OpenedState, values: readonly string[]): Promise<StateTag> {
  let tag: StateTag | undefined;
  for (const value of values) {
    for (const key of ['a', 'b', 'c']) store.put(0, Buffer.from(key), entry(`${value} of ${key}`));
    const sealed = store.seal();
    await store.sync(sealed);
    tag = sealed.tag;
  }
  assert.ok(tag);
  return tag;
}

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, n) => `v${from + n}`);
}

async function segmentsOf(folder: string): Promise<string[]> {
  return (await readdir(folder))
    .filter((name) => name.endsWith('.log'))
    .sort()
    .map((name) => join(folder, name));
}

async function logBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const path of await segmentsOf(folder)) bytes += (await stat(path)).size;
  return bytes;
}

/** A folder whose log holds ten batches, committed up to the fourth. */
async function tenBatches(t: TestContext): Promise<{ folder: string; logId: string; path: string; sizes: number[] }> {
  const folder = await temporaryFolder(t);
  const opened = await openState(folder, null);
  const path = join(folder, '0000000000000001.log');
  const sizes = [(await stat(path)).size];
  let logId = '';
  for (const value of numbers(1, 10)) {
    logId = (await write(opened, [value])).logId;
    sizes.push((await stat(path)).size);
  }
  opened.store.committed(4);
  await opened.store.close();
  return { folder, logId, path, sizes };
}

async function valueAt(folder: string, tag: StateTag): Promise<string | undefined> {
  const { store } = await openState(folder, tag);
  const value = store.get(0, Buffer.from('b'))?.current?.toString();
  await store.close();
  return value;
}

test('a tail torn or damaged anywhere beyond the tag does no harm', async (t) => {
  const { folder, logId, path, sizes } = await tenBatches(t);
  const whole = await readFile(path);
  const tagEnd = sizes[7] ?? 0;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: tagEnd, max: whole.length }), fc.boolean(), async (at, torn) => {
      for (const old of await segmentsOf(folder)) await rm(old);
      const damaged = Buffer.from(whole);
      if (!torn) damaged.fill(0xa5, at, Math.min(at + 3, whole.length));
      await writeFile(path, torn ? whole.subarray(0, at) : damaged);
      assert.equal(await valueAt(folder, { logId, sequence: 7 }), 'v7 of b');
      assert.equal((await stat(path)).size, tagEnd, 'what lies beyond the tag is gone from the disk');
    }),
    { numRuns: 40 },
  );
});

test('a log torn or damaged anywhere at or before the tag is lost, and says so', async (t) => {
  const { folder, logId, path, sizes } = await tenBatches(t);
  const whole = await readFile(path);
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: (sizes[7] ?? 1) - 1 }), fc.boolean(), async (at, torn) => {
      const damaged = Buffer.from(whole);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 0x10, at);
      await writeFile(path, torn ? whole.subarray(0, at) : damaged);
      await assert.rejects(openState(folder, { logId, sequence: 7 }), (error: unknown) => {
        assert.match(String(error), /STATE_LOST/);
        assert.ok(String(error).includes(folder) && String(error).includes(`log ${logId} up to 7`));
        return true;
      });
    }),
    { numRuns: 80 },
  );
});

test('what was discarded never comes back', async (t) => {
  const { folder, logId } = await tenBatches(t);
  const reopened = await openState(folder, { logId, sequence: 6 });
  assert.deepEqual(reopened.from.kind === 'recovered' && reopened.from.discardedBytes > 0, true);
  const tag = await write(reopened, ['new7']);
  await reopened.store.close();
  assert.equal(tag.sequence, 7);
  assert.equal(await valueAt(folder, tag), 'new7 of b');
  await assert.rejects(openState(folder, { logId, sequence: 8 }), /STATE_LOST.*can be read to 7 only/);
});

test('writes of a process that lost the folder without knowing it count nowhere', async (t) => {
  const { folder, logId, path, sizes } = await tenBatches(t);
  const stale = await open(path, 'r+');
  const seventh = (await readFile(path)).subarray(sizes[6], sizes[7]);
  const reopened = await openState(folder, { logId, sequence: 6 });
  const tag = await write(reopened, ['new7']);
  // The old process goes on where it was: its own batch 7 stands in the old segment again.
  await stale.write(seventh, 0, seventh.length, sizes[6]);
  await stale.close();
  await reopened.store.close();
  assert.equal(await valueAt(folder, tag), 'new7 of b');
});

test('another log and a missing folder are losses', async (t) => {
  const { folder, logId } = await tenBatches(t);
  const other = '00000000-0000-4000-8000-000000000000';
  await assert.rejects(openState(folder, { logId: other, sequence: 7 }), new RegExp(`STATE_LOST.*found log ${logId}`));
  const missing = join(folder, 'missing');
  await assert.rejects(openState(missing, { logId, sequence: 7 }), /STATE_LOST.*found no log/);
  assert.equal(await valueAt(folder, { logId, sequence: 10 }), 'v10 of b');
});

test('a batch missing in the middle is a loss, though all others are whole', async (t) => {
  const { folder, logId, path, sizes } = await tenBatches(t);
  const whole = await readFile(path);
  await writeFile(path, Buffer.concat([whole.subarray(0, sizes[4]), whole.subarray(sizes[5])]));
  await assert.rejects(openState(folder, { logId, sequence: 7 }), /STATE_LOST.*can be read to 4 only/);
});

test('damage in segments that a completed pass has replaced does no harm', async (t) => {
  const folder = await temporaryFolder(t);
  const opened = await openState(folder, null, TINY);
  const tag = await write(opened, numbers(1, 30));
  await opened.store.close();
  const [oldest = '', ...others] = await segmentsOf(folder);
  assert.ok(others.length > 0, 'a pass began');
  await truncate(oldest, (await stat(oldest)).size - 1);
  assert.equal(await valueAt(folder, tag), 'v30 of b');
  assert.ok(!(await segmentsOf(folder)).includes(oldest), 'they are gone now');
});

test('a missing first segment is a loss, even when the tag can be reached', async (t) => {
  const { folder, logId, path } = await tenBatches(t);
  const reopened = await openState(folder, { logId, sequence: 10 });
  const tag = await write(reopened, ['v11']);
  await reopened.store.close();
  await rm(path);
  await assert.rejects(openState(folder, tag), /STATE_LOST.*found this log from 11 on only/);
});

test('a log that is overwritten for ever stays short, and keeps what is rarely written', async (t) => {
  const folder = await temporaryFolder(t);
  const opened = await openState(folder, null, { floorBytes: 4000, factor: 3, copyBytes: 100 });
  opened.store.put(5, Buffer.from('rare'), entry('once'));
  let longest = 0;
  let tag: StateTag | undefined;
  for (let n = 1; n <= 1500; n++) {
    tag = await write(opened, [`v${n}`]);
    opened.store.committed(tag.sequence);
    if (n % 50 === 0) longest = Math.max(longest, await logBytes(folder));
  }
  await opened.store.close();
  assert.ok(longest < 10_000, `the log was ${longest} bytes long`);
  assert.ok(tag);
  const { store, from } = await openState(folder, tag);
  assert.equal(store.get(5, Buffer.from('rare'))?.current?.toString(), 'once');
  assert.equal(from.kind === 'recovered' && from.entries, 4);
  await store.close();
});

test('older segments stay until Kafka has committed the end of the pass that replaces them', async (t) => {
  const folder = await temporaryFolder(t);
  const opened = await openState(folder, null, TINY);
  let tag = await write(opened, ['v1']);
  opened.store.committed(tag.sequence);
  const committed = tag;
  tag = await write(opened, numbers(2, 30));
  assert.ok((await segmentsOf(folder)).length > 1, 'a pass began');
  opened.store.committed(committed.sequence);
  await opened.store.close();
  assert.equal(await valueAt(folder, committed), 'v1 of b');
});

test('a log that was never committed is removed when Kafka has no position', async (t) => {
  const folder = await temporaryFolder(t);
  const first = await openState(folder, null);
  assert.deepEqual(first.from, { kind: 'created', removed: false, movedTo: null });
  const old = await write(first, ['v1']);
  await first.store.close();
  const second = await openState(folder, null);
  assert.deepEqual(second.from, { kind: 'created', removed: true, movedTo: null });
  assert.deepEqual(second.store.databases(), []);
  const tag = await write(second, ['v2']);
  assert.notEqual(tag.logId, old.logId);
  assert.equal(tag.sequence, 1);
  await second.store.close();
});

test('a committed log is refused when Kafka has no position, and moved aside when asked to begin anew', async (t) => {
  const { folder, logId } = await tenBatches(t);
  await assert.rejects(openState(folder, null), /STATE_FOREIGN/);
  assert.equal(await valueAt(folder, { logId, sequence: 10 }), 'v10 of b');
  const created = await createState(folder);
  assert.ok(created.from.kind === 'created' && created.from.movedTo !== null);
  assert.deepEqual((await readdir(created.from.movedTo)).sort(), [
    '0000000000000001.log',
    '0000000000000011.log',
    'committed',
  ]);
  const tag = await write(created, ['v1']);
  await created.store.close();
  assert.equal(await valueAt(folder, tag), 'v1 of b');
  assert.equal(await valueAt(created.from.movedTo, { logId, sequence: 10 }), 'v10 of b');
});

test('keeps the newest three void logs', async (t) => {
  const folder = await temporaryFolder(t);
  for (let n = 0; n < 6; n++) {
    const created = await createState(folder);
    const tag = await write(created, ['v1']);
    created.store.committed(tag.sequence);
    await created.store.close();
  }
  assert.equal((await readdir(folder)).filter((name) => name.startsWith('void-')).length, 3);
});

test('a disk error ends the log: nothing is written after it, and what was synced before is there', async (t) => {
  const folder = await temporaryFolder(t);
  const opened = await openState(folder, null, TINY);
  let tag = await write(opened, ['v1']);
  // Folders stand where the next segments would be, so the first pass cannot begin its own.
  const blocked = numbers(2, 100).map((_, n) => join(folder, `${String(n + 2).padStart(16, '0')}.log`));
  for (const path of blocked) await mkdir(path);
  await assert.rejects(async () => {
    for (const value of numbers(2, 100)) tag = await write(opened, [value]);
  }, /STATE_IO: the state log could not be written.*folder/);
  await assert.rejects(opened.store.sync(opened.store.seal()), /STATE_IO/);
  await opened.store.close();
  for (const path of blocked) await rm(path, { recursive: true });
  assert.equal(await valueAt(folder, tag), `v${tag.sequence} of b`);
});

test('a folder that cannot be opened says why', async (t) => {
  const path = join(await temporaryFolder(t), 'a file');
  await writeFile(path, '');
  await assert.rejects(openState(path, null), /STATE_IO: the state folder cannot be opened \(folder .*a file\)/);
});
