/**
 * The process that crash tests kill: a source reduced to its state. Run as `node killed-writer.js FOLDER BATCHES`: opens
 * the state in FOLDER/state at the tag in FOLDER/tag.json, which plays Kafka's part, and writes batches on to the
 * sequence BATCHES. It prints each sequence that it committed.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openState } from '../../../source-connector/state/open.ts';
import type { Entry, StateTag } from '../../../source-connector/state/port.ts';

/** Small, so that a kill often meets a pass. */
const LIMITS = { floorBytes: 500, factor: 1, copyBytes: 50 };
const NOTHING: Entry = { current: null, expireAt: 0, published: null, mark: null };

async function readTag(path: string): Promise<StateTag | null> {
  try {
    const tag: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof tag !== 'object' || tag === null || !('logId' in tag) || !('sequence' in tag)) return null;
    return { logId: String(tag.logId), sequence: Number(tag.sequence) };
  } catch {
    return null;
  }
}

async function main(folder: string, batches: number): Promise<void> {
  const tagPath = join(folder, 'tag.json');
  const { store } = await openState(join(folder, 'state'), await readTag(tagPath), LIMITS);
  for (;;) {
    const before = Number(store.get(0, Buffer.from('sequence'))?.current ?? 0);
    if (before >= batches) break;
    const now = String(before + 1);
    store.put(0, Buffer.from('sequence'), { ...NOTHING, current: Buffer.from(now) });
    store.put(0, Buffer.from(`k${before % 30}`), { ...NOTHING, current: Buffer.from(now) });
    store.put(0, Buffer.from(`k${(before + 7) % 30}`), NOTHING);
    const sealed = store.seal();
    await store.sync(sealed);
    await writeFile(`${tagPath}.new`, JSON.stringify(sealed.tag));
    await rename(`${tagPath}.new`, tagPath);
    store.committed(sealed.tag.sequence);
    process.stdout.write(`${now}\n`);
  }
  await store.close();
}

await main(process.argv[2] ?? '', Number(process.argv[3]));
