import { open, readdir, rename, rm, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { segmentFirst, segmentPath } from './segment.ts';

/*
 * A state folder:
 *   0000000000000001.log …   the log's segments (segment.ts)
 *   committed                exists once Kafka has committed a batch of this log
 *   lock-<n>                 who has the folder open (lock.ts)
 *   void-<time>/             a log that lost its meaning, kept for a person to look at
 */
const COMMITTED = 'committed';
/** How many void logs are kept. A shard that moves between machines leaves one at each move. */
const KEPT_VOIDS = 3;

/** The first sequences of a folder's segments, ascending. */
export async function listSegments(folder: string): Promise<number[]> {
  const firsts = (await readdir(folder)).map(segmentFirst);
  return firsts.filter((first) => first !== undefined).sort((a, b) => a - b);
}

/** Makes creations, renames and removals in a folder survive a power loss. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Notes that Kafka has committed a batch of this folder's log: from now on its loss would be one. */
export async function markCommitted(folder: string): Promise<void> {
  await writeFile(join(folder, COMMITTED), '');
}

/** Whether Kafka ever committed a batch of this folder's log, as far as the folder knows. */
export async function wasCommitted(folder: string): Promise<boolean> {
  return (await readdir(folder)).includes(COMMITTED);
}

/**
 * Empties a folder of its log: one that Kafka committed batches of is moved into `void-<time>`, of which the newest
 * are kept; any other was never of use to anybody, and is removed.
 * @returns where the log was moved to; null when it was removed, or when there was none
 */
export async function clearFolder(folder: string, now: Date): Promise<string | null> {
  const segments = (await listSegments(folder)).map((first) => segmentPath(folder, first));
  let aside: string | null = null;
  if (await wasCommitted(folder)) {
    aside = join(folder, `void-${now.toISOString().replaceAll(/[:.]/g, '-')}`);
    await mkdir(aside, { recursive: true });
    for (const path of segments) await rename(path, join(aside, path.slice(folder.length)));
    await rename(join(folder, COMMITTED), join(aside, COMMITTED));
    await removeOldVoids(folder);
  } else {
    for (const path of segments) await rm(path);
  }
  await syncFolder(folder);
  return aside;
}

async function removeOldVoids(folder: string): Promise<void> {
  const voids = (await readdir(folder)).filter((name) => name.startsWith('void-')).sort();
  for (const name of voids.slice(0, -KEPT_VOIDS)) await rm(join(folder, name), { recursive: true });
}
