import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { parseFaults } from '../../ops/faults.ts';

/** Passes the step three times in a process of its own and prints each pass. */
function passThreeTimes(faults: string): { signal: NodeJS.Signals | null; stdout: string } {
  const faultsModule = new URL('../../ops/faults.js', import.meta.url).href;
  const script = `
    import { writeSync } from 'node:fs';
    import { fault } from ${JSON.stringify(faultsModule)};
    for (const pass of [1, 2, 3]) { fault('sink.rows-written'); writeSync(1, String(pass)); }`;
  const env = { ...process.env, AFTERWRITE_FAULT: faults };
  const { signal, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env,
    encoding: 'utf8',
  });
  return { signal, stdout };
}

test('a named step kills the process at its n-th pass and at no other', () => {
  assert.deepEqual(passThreeTimes('sink.rows-written'), { signal: 'SIGKILL', stdout: '' });
  assert.deepEqual(passThreeTimes('other.step, sink.rows-written:3'), { signal: 'SIGKILL', stdout: '12' });
  assert.deepEqual(passThreeTimes('sink.rows-written:4'), { signal: null, stdout: '123' });
  assert.deepEqual(passThreeTimes(''), { signal: null, stdout: '123' });
});

test('a count that is no positive integer is refused', () => {
  assert.throws(() => parseFaults('sink.rows-written:0'), /sink\.rows-written is 0/);
  assert.throws(() => parseFaults('sink.rows-written:x'), /must be a positive integer/);
});
