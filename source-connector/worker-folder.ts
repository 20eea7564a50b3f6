import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FolderLock } from './state/lock.ts';
import { listSegments } from './state/files.ts';
import { segmentPath } from './state/segment.ts';

/*
 * A worker's state folder:
 *   worker/          who has the folder (state/lock.ts), and under which id it was a member of the group
 *   shard-<n>/       the state of shard n; shard 0 has the folder itself, as it had before there were others
 */
const MEMBER = 'member';

/** Where a shard's state is. */
export function shardFolder(stateFolder: string, shard: number): string {
  return shard === 0 ? stateFolder : join(stateFolder, `shard-${shard}`);
}

/** Keeps a state folder to one worker of this machine, and remembers as what the group knew the last one. */
export class WorkerFolder {
  /** What the group may still hold for a member, though its process is dead. */
  readonly predecessor: string | undefined;
  readonly #folder: string;
  readonly #lock: FolderLock;

  private constructor(folder: string, lock: FolderLock, predecessor: string | undefined) {
    this.#folder = folder;
    this.#lock = lock;
    this.predecessor = predecessor;
  }

  /** @throws STATE_LOCKED when another living worker has the folder; errors of the file system as they are */
  static async take(stateFolder: string): Promise<WorkerFolder> {
    const folder = join(stateFolder, 'worker');
    await mkdir(folder, { recursive: true });
    const lock = await FolderLock.take(folder);
    const member = await readFile(join(folder, MEMBER), 'utf8').catch(() => '');
    return new WorkerFolder(folder, lock, member === '' ? undefined : member);
  }

  /** Remembers the id for the next process. It only spares that one a wait, so a disk that does not take it is no trouble. */
  async remember(member: string): Promise<void> {
    await writeFile(join(this.#folder, MEMBER), member).catch(() => undefined);
  }

  /** For a worker that has left the group. */
  async release(): Promise<void> {
    await rm(join(this.#folder, MEMBER), { force: true }).catch(() => undefined);
    await this.#lock.release();
  }
}

/** The shards whose state is on disk, with the moment at which it was last written, ms since the epoch. */
export async function shardsOnDisk(stateFolder: string): Promise<Map<number, number>> {
  const found = new Map<number, number>();
  const names = await readdir(stateFolder).catch(() => []);
  const shards = names.flatMap((name) => /^shard-(\d+)$/.exec(name)?.slice(1).map(Number) ?? []);
  for (const shard of [0, ...shards]) {
    const folder = shardFolder(stateFolder, shard);
    const last = (await listSegments(folder).catch(() => [])).at(-1);
    if (last === undefined) continue;
    const file = await stat(segmentPath(folder, last)).catch(() => undefined);
    if (file !== undefined) found.set(shard, file.mtimeMs);
  }
  return found;
}
