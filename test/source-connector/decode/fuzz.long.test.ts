import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { seedOfTest } from '../../support/random.ts';

/** How long each decoder is fuzzed, seconds. */
const SECONDS = Number(process.env['AFTERWRITE_FUZZ_SECONDS'] ?? '1');
/** A program that has not ended so long after its time hangs on an input, ms. */
const PATIENCE = 120_000;

/** Runs the fuzzing in a thread of its own, so that a decoder that hangs is found out. */
async function fuzz(t: TestContext, what: 'rdb' | 'resp'): Promise<void> {
  const seed = seedOfTest() | 0;
  t.diagnostic(`AFTERWRITE_SEED=${seed} AFTERWRITE_FUZZ_SECONDS=${SECONDS}`);
  const worker = new Worker(new URL('./fuzz-program.js', import.meta.url), {
    workerData: { what, seed, milliseconds: SECONDS * 1000 },
    resourceLimits: { maxOldGenerationSizeMb: 1024 },
  });
  let runs = 0;
  worker.on('message', (count: number) => (runs = count));
  const ended = new Promise<number>((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', resolve);
  });
  const deadline = setTimeout(
    () => {
      void worker.terminate();
    },
    SECONDS * 1000 + PATIENCE,
  );
  try {
    assert.equal(await ended, 0, `it hangs after input ${runs}`);
  } finally {
    clearTimeout(deadline);
  }
  t.diagnostic(`${runs} inputs`);
  // A busy machine tries fewer in its time; none at all would show nothing.
  assert.ok(runs > 10, `${runs} inputs`);
}

test('damaged RDB files end in an error of the catalogue or wait, the same wherever they are cut', (t) =>
  fuzz(t, 'rdb'));

test('damaged streams end in an error of the catalogue or wait, the same wherever they are cut', (t) =>
  fuzz(t, 'resp'));
