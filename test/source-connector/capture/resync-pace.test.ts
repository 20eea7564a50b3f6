import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ResyncPace } from '../../../source-connector/capture/resync-pace.ts';

/** A clock that the test sets, and paces that share a file. */
async function setUp(t: TestContext, random = 1) {
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-pace-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'full-resyncs.json');
  const clock = { now: 1_000_000_000 };
  const open = (): Promise<ResyncPace> => ResyncPace.open({ file, now: () => clock.now, random: () => random });
  return { file, clock, open };
}

test('full resyncs that follow each other wait twice as long each time, up to a minute', async (t) => {
  const { clock, open } = await setUp(t);
  const pace = await open();
  const waits: number[] = [];
  for (let i = 0; i < 9; i++) {
    waits.push(pace.waitMs());
    clock.now += pace.waitMs();
    await pace.began();
    await pace.ended();
  }
  assert.deepEqual(waits, [0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
});

test('waits are shortened at random, by half at most', async (t) => {
  const { open } = await setUp(t, 0);
  const pace = await open();
  await pace.began();
  await pace.ended();
  assert.equal(pace.waitMs(), 500);
});

test('time that passes counts, a healthy time forgets, and a long resync is no healthy time', async (t) => {
  const { clock, open } = await setUp(t);
  const pace = await open();
  for (let i = 0; i < 4; i++) await pace.began();
  await pace.ended();
  clock.now += 3000;
  assert.equal(pace.waitMs(), 5000);
  clock.now += 10_000;
  await pace.began();
  clock.now += 3_600_000;
  await pace.ended();
  assert.equal(pace.waitMs(), 16_000);
  clock.now += 300_001;
  assert.equal(pace.waitMs(), 0);
  await pace.began();
  await pace.ended();
  assert.equal(pace.waitMs(), 1000);
});

test('a restart remembers; a file that makes no sense, or is of the future, does not hold up', async (t) => {
  const { file, clock, open } = await setUp(t);
  const pace = await open();
  for (let i = 0; i < 3; i++) await pace.began();
  await pace.ended();
  assert.equal((await open()).waitMs(), 4000);
  clock.now -= 86_400_000;
  assert.equal((await open()).waitMs(), 0);
  await writeFile(file, '{');
  assert.equal((await open()).waitMs(), 0);
});
