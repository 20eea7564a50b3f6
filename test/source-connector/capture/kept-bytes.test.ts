import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { KeptBytes, type KeptLimits } from '../../../source-connector/capture/kept-bytes.ts';
import { Random, seedOfTest } from '../../support/random.ts';

async function keep(t: TestContext, limits: Partial<KeptLimits> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-kept-'));
  const kept = new KeptBytes({ folder, diskBytes: 1000, waitingBytes: 100, memoryBytes: 300, ...limits });
  t.after(async () => {
    kept.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { kept, folder };
}

/** Bytes that tell their position. */
function bytesAt(position: number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => ((position + i) * 31 + ((position + i) >> 8)) & 255));
}

test('what waits for a reader beyond the limit goes to disk, and comes back in order', async (t) => {
  const { kept, folder } = await keep(t);
  for (let at = 0; at < 500; at += 50) await kept.append(bytesAt(at, 50));
  assert.deepEqual([kept.inMemory, kept.onDisk, kept.spills], [100, 400, true]);
  assert.deepEqual(await readdir(folder), [], 'its files have no names that could outlive the process');
  const read: Buffer[] = [];
  for (let at = 0; at < 500;) {
    const bytes = await kept.read(at);
    assert.ok(bytes !== undefined);
    read.push(bytes);
    kept.readTo((at += bytes.length));
  }
  assert.ok(Buffer.concat(read).equals(bytesAt(0, 500)));
  assert.equal(kept.read(500), undefined);
  assert.equal(kept.spills, false);
  await kept.append(bytesAt(500, 10));
  assert.equal(kept.inMemory, 110, 'a reader that has caught up is served from memory again');
});

test('a full disk has no room until what was read is released', async (t) => {
  const { kept } = await keep(t, { diskBytes: 400 });
  for (let at = 0; at < 500; at += 50) await kept.append(bytesAt(at, 50));
  assert.equal(kept.hasRoom(1), false);
  kept.readTo(300);
  assert.equal(kept.hasRoom(1), false);
  kept.release(300);
  assert.ok(kept.start <= 300 && kept.onDisk < 400);
  assert.equal(kept.hasRoom(50), true);
});

test('what is released is gone, up to the piece that holds the position', async (t) => {
  const { kept } = await keep(t, { diskBytes: 400 });
  for (let at = 0; at < 500; at += 50) await kept.append(bytesAt(at, 50));
  kept.readTo(300);
  kept.release(320);
  assert.equal(kept.start, 300);
  assert.equal(kept.read(299), undefined);
  assert.deepEqual(await kept.read(310), bytesAt(310, 40));
});

test('what was read is kept in memory as far as there is room, and no piece grows for ever', async (t) => {
  const { kept } = await keep(t);
  const slab = Buffer.allocUnsafeSlow(2000);
  for (let at = 0; at < 2000; at += 50) {
    bytesAt(at, 50).copy(slab, at);
    // Side by side, as a socket's reads are, and a reader that never comes to the end of them.
    await kept.append(slab.subarray(at, at + 50));
    kept.readTo(at + 49);
    assert.ok(kept.inMemory <= 300 + 50, `${kept.inMemory} bytes in memory`);
  }
  assert.equal(kept.onDisk, 0);
  assert.ok(kept.start > 1600 && kept.start <= 1750, `from ${kept.start} on`);
  assert.deepEqual((await kept.read(1999))?.at(-1), bytesAt(1999, 1)[0]);
});

test('pieces of different memory are told apart, wherever in it they lie', async (t) => {
  const { kept } = await keep(t);
  for (let at = 0; at < 100; at += 50) {
    const memory = Buffer.allocUnsafeSlow(100).fill(0);
    bytesAt(at, 50).copy(memory, at);
    await kept.append(memory.subarray(at, at + 50));
  }
  assert.deepEqual(await kept.read(50), bytesAt(50, 50));
  assert.deepEqual(await kept.read(0), bytesAt(0, 50));
});

test('a segment that is written to is not freed', async (t) => {
  const { kept } = await keep(t, { diskBytes: 8000, memoryBytes: 0 });
  for (let at = 0; at < 200; at += 100) await kept.append(bytesAt(at, 100));
  for (const free of [
    () => {
      kept.release(kept.end);
    },
    () => {
      kept.readTo(kept.end);
    },
  ]) {
    const at = kept.end;
    const appending = kept.append(bytesAt(at, 100));
    free();
    await appending;
    assert.deepEqual(await kept.read(at), bytesAt(at, 100));
  }
});

test('in any order of appending, reading, releasing and going back, bytes are right and memory is bounded', async (t) => {
  const seed = seedOfTest();
  t.diagnostic(`AFTERWRITE_SEED=${seed}`);
  const random = new Random(seed);
  const { kept } = await keep(t, { diskBytes: 3000 });
  const slab = Buffer.alloc(1 << 20);
  let at = 0;
  let used = 0;
  let appending: Promise<void> | undefined;
  for (let step = 0; step < 5000; step++) {
    const length = random.between(1, 120);
    if (random.chance(0.5) && appending === undefined && kept.hasRoom(length)) {
      if (used + length > slab.length) used = 0;
      // Side by side in one piece of memory, as a socket's are.
      const bytes = slab.subarray(used, (used += length));
      bytesAt(kept.end, length).copy(bytes);
      appending = kept.append(bytes);
      // Reading and releasing go on while it is written.
      if (random.chance(0.5)) {
        await appending;
        appending = undefined;
      }
      if (used > slab.length - 200) used = 0;
    } else {
      await appending;
      appending = undefined;
    }
    const bytes = await kept.read(at);
    if (bytes !== undefined) {
      assert.ok(bytes.equals(bytesAt(at, bytes.length)), `step ${step}: bytes from ${at}`);
      at += random.between(1, bytes.length);
      kept.readTo(at);
    }
    if (random.chance(0.2)) kept.release(random.between(kept.start, at));
    if (random.chance(0.02)) kept.readTo((at = random.between(kept.start, at)));
    assert.ok(kept.inMemory <= 300 + 100 + 120, `step ${step}: ${kept.inMemory} bytes in memory`);
    assert.ok(kept.onDisk <= 3000);
    assert.ok(kept.start <= at && at <= kept.end);
  }
});
