import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openState } from '../../../source-connector/state/open.ts';

const WRITER = fileURLToPath(new URL('killed-writer.js', import.meta.url));

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'state-crash-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

interface Run {
  /** A step of ops/faults.ts. */
  readonly fault?: string;
  /** Kills the writer when it has said that it committed this sequence. */
  readonly killAt?: number;
}

/** Lets the writer write up to a sequence. @returns how it ended: its exit code or the signal */
async function write(folder: string, batches: number, { fault = '', killAt }: Run = {}): Promise<number | string> {
  const writer = spawn(process.execPath, ['--enable-source-maps', WRITER, folder, String(batches)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, AFTERWRITE_FAULT: fault },
  });
  writer.stdout.on('data', (chunk: Buffer) => {
    if (
      killAt !== undefined &&
      chunk
        .toString()
        .split('\n')
        .some((line) => Number(line) >= killAt)
    )
      writer.kill('SIGKILL');
  });
  await once(writer, 'close');
  return writer.signalCode ?? writer.exitCode ?? 'unknown';
}

/** What the writer's state holds after so many batches. */
function expectedAt(sequence: number): Map<string, string> {
  const content = new Map<string, string>();
  for (let n = 0; n < sequence; n++) {
    content.set('sequence', String(n + 1));
    content.set(`k${n % 30}`, String(n + 1));
    content.delete(`k${(n + 7) % 30}`);
  }
  return content;
}

/** Opens what a dead writer left, at the tag that it committed; returns the tag's sequence. */
async function assertRecovers(folder: string): Promise<number> {
  const tag: unknown = JSON.parse(await readFile(join(folder, 'tag.json'), 'utf8'));
  assert.ok(typeof tag === 'object' && tag !== null && 'logId' in tag && 'sequence' in tag);
  const sequence = Number(tag.sequence);
  const { store } = await openState(join(folder, 'state'), { logId: String(tag.logId), sequence });
  const content = [...store.keys(0)].map((key): [string, string] => [
    key.toString(),
    String(store.get(0, key)?.current),
  ]);
  await store.close();
  assert.deepEqual(new Map(content), expectedAt(sequence));
  return sequence;
}

for (const fault of ['state.log-appended', 'state.log-synced']) {
  test(`recovers to the committed tag after kill -9 at ${fault}`, async (t) => {
    const folder = await temporaryFolder(t);
    assert.equal(await write(folder, 100, { fault: `${fault}:43` }), 'SIGKILL');
    assert.equal(await assertRecovers(folder), 42);
    assert.equal(await write(folder, 100), 0);
    assert.equal(await assertRecovers(folder), 100);
  });

  test(`begins anew after kill -9 at ${fault} before the first commit`, async (t) => {
    const folder = await temporaryFolder(t);
    assert.equal(await write(folder, 5, { fault }), 'SIGKILL');
    assert.equal(await write(folder, 5), 0);
    assert.equal(await assertRecovers(folder), 5);
  });
}

test('recovers to the committed tag after kill -9 at no particular place', async (t) => {
  const folder = await temporaryFolder(t);
  for (let round = 1; round <= 5; round++) {
    assert.equal(await write(folder, 100_000, { killAt: round * 97 }), 'SIGKILL');
    assert.ok((await assertRecovers(folder)) >= round * 97);
  }
});
