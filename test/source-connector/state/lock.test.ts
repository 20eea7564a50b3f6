import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { FolderLock } from '../../../source-connector/state/lock.ts';
import { openState } from '../../../source-connector/state/open.ts';

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'state-lock-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

test('a folder is open once; the error names the process that has it', async (t) => {
  const folder = await temporaryFolder(t);
  const { store } = await openState(folder, null);
  await assert.rejects(
    openState(folder, null),
    new RegExp(`STATE_LOCKED.*process ${process.pid} \\(folder ${folder}\\)`),
  );
  await store.close();
  const again = await openState(folder, null);
  await again.store.close();
});

test('a folder that could not be opened is free again', async (t) => {
  const folder = await temporaryFolder(t);
  for (let n = 0; n < 2; n++) await assert.rejects(openState(folder, { logId: 'none', sequence: 3 }), /STATE_LOST/);
});

test('the lock of a living process holds, that of a killed one is taken over', async (t) => {
  const folder = await temporaryFolder(t);
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  await once(other, 'spawn');
  await symlink(`${other.pid ?? 0} nonce ?`, join(folder, 'lock-4'));
  await assert.rejects(FolderLock.take(folder), new RegExp(`STATE_LOCKED.*process ${other.pid ?? 0}`));
  other.kill('SIGKILL');
  await once(other, 'close');
  const lock = await FolderLock.take(folder);
  assert.deepEqual(await readdir(folder), ['lock-5']);
  await lock.release();
});

test('the lock of a dead process is taken over though its id belongs to another one now', async (t) => {
  const folder = await temporaryFolder(t);
  for (const pid of [process.pid, process.ppid]) {
    const lock = await FolderLock.take(folder);
    const [name = ''] = await readdir(folder);
    const started = (await readlink(join(folder, name))).split(' ')[2];
    if (started === '?') {
      t.skip('this system has no /proc to tell processes of the same id apart');
      return;
    }
    await rm(join(folder, name));
    await symlink(`${pid} nonce an-earlier-boot:17`, join(folder, name));
    await (await FolderLock.take(folder)).release();
    await lock.release();
  }
});

test('of many that take over at once one wins, round after round', async (t) => {
  const folder = await temporaryFolder(t);
  await symlink('999999999 nonce ?', join(folder, 'lock-1'));
  for (let round = 0; round < 30; round++) {
    const taken = await Promise.allSettled(Array.from({ length: 8 }, () => FolderLock.take(folder)));
    const winners = taken.filter((one) => one.status === 'fulfilled');
    assert.equal(winners.length, 1);
    for (const one of taken) if (one.status === 'rejected') assert.match(String(one.reason), /STATE_LOCKED/);
    await winners[0]?.value.release();
    assert.equal((await readdir(folder)).length, 1);
  }
});
