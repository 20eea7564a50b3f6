import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { z } from 'zod';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { temporaryFolder } from '../../services/folders.ts';
import { serviceEngine, startService, type RunningService } from '../../services/index.ts';
import { identify } from '../../services/native/process.ts';
import { startRedis } from '../support/redis.ts';
import { startPrivate } from '../support/servers.ts';
import { until, untilEqual } from '../support/until.ts';

const native = (await serviceEngine()) === 'native';
const onlyNative = { skip: native ? false : 'containers are not processes of this machine' };

/** A server in a folder that stays until `t` ends: hooks run in the order of their registration, so the server ends first. */
async function startInFolder(t: TestContext): Promise<{ folder: string; server: RunningService }> {
  const folder = await temporaryFolder('kept');
  const server = await startPrivate(t, 'redis', { folder });
  t.after(() => rm(folder, { recursive: true, force: true }));
  return { folder, server };
}

test('a second start of what already runs in a folder takes it over', onlyNative, async (t) => {
  const { folder, server: first } = await startInFolder(t);
  const second = await startService('redis', { folder });
  assert.equal(second.pid, first.pid);
  assert.equal(second.address, first.address);
});

test('a folder remembers the port of its server', async (t) => {
  const { folder, server: first } = await startInFolder(t);
  await first.stop();
  const second = await startService('redis', { folder });
  assert.equal(second.port, first.port);
  await second.dispose();
});

test('a temporary server leaves neither a process nor a folder behind', onlyNative, async (t) => {
  const { server, client } = await startRedis(t);
  const [, folder] = z.tuple([z.string(), z.string()]).parse(await client.config('GET', 'dir'));
  const { pid = 0 } = server;
  assert.ok(existsSync(folder));
  await server.dispose();
  assert.equal(identify(pid), undefined);
  assert.ok(!existsSync(folder));
});

const owner = `
import { startService } from ${JSON.stringify(new URL('../../services/index.js', import.meta.url).href)};
const servers = await Promise.all([startService('redis'), startService('postgres')]);
process.send(servers.map(({ pid }) => pid));
process.once('message', (end) => (end === 'exit' ? process.exit(0) : setImmediate(() => { throw new Error('uncaught'); })));
`;

for (const end of ['SIGKILL', 'SIGINT', 'SIGTERM', 'exit', 'throw'] as const) {
  test(`servers end with the process that started them: ${end}`, onlyNative, async (t) => {
    const folder = await temporaryFolder('owner');
    t.after(() => rm(folder, { recursive: true, force: true }));
    const child = spawn(process.execPath, ['--input-type=module', '--eval', owner], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    t.after(() => child.kill('SIGKILL'));
    const messages: unknown[] = await once(child, 'message');
    const pids = z.array(z.number()).parse(messages[0]);
    assert.deepEqual(
      pids.map((pid) => identify(pid)?.pid),
      pids,
    );
    if (end === 'exit' || end === 'throw') child.send(end);
    else child.kill(end);
    await until('the end of both servers', () => pids.every((pid) => identify(pid) === undefined));
    // Nobody is left to remove what a kill -9 leaves; the system's own cleaning of temporary files does.
    if (end !== 'SIGKILL') await untilEqual('temporary folders', [], () => readdir(folder));
  });
}

test('a server that ends while it starts says what it printed', async () => {
  const start = startService('redis', { args: ['--maxmemory', 'much'] });
  await assert.rejects(start, (error) => {
    assert.ok(error instanceof AfterwriteError);
    assert.equal(error.code, 'SERVICE_NOT_READY');
    assert.match(error.message, native ? /ended while it started.*maxmemory/s : /did not answer/);
    return true;
  });
});
