import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('closing-program.js', import.meta.url));

test('sessions that are closed while the driver reconnects leave nothing that keeps the process', async (t) => {
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'inherit', 'inherit'] });
  t.after(() => {
    child.kill('SIGKILL');
  });
  assert.deepEqual(await once(child, 'exit', { signal: AbortSignal.timeout(60_000) }), [0, null]);
});
