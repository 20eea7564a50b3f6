import { randomUUID } from 'node:crypto';
import { readdir, readFile, readlink, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { AfterwriteError } from '../../ops/errors/index.ts';

/*
 * Locks are symbolic links `lock-<n>` that point at a text, because that is made in one step with its content, and by
 * one process alone. The highest n counts: its text names the process that has the folder, or says that it is free.
 * Whoever finds a free one, or one whose process is dead, takes n + 1. Numbers never go down while a lock is there, so
 * two that take over from the same dead process cannot both win.
 *
 *   text    := 'free' | pid nonce started       started := boot id ':' start in ticks since then, or '?'
 */
const FREE = 'free';
/** Tells this process from an earlier one with the same id, as containers have it, where /proc does not. */
const NONCE = randomUUID();
const ATTEMPTS = 20;

/** Keeps a folder to one process of this machine. A dead process, however it died, blocks nobody. */
export class FolderLock {
  readonly #folder: string;
  readonly #number: number;

  private constructor(folder: string, number: number) {
    this.#folder = folder;
    this.#number = number;
  }

  /** @throws STATE_LOCKED when a living process has the folder, this one included */
  static async take(folder: string): Promise<FolderLock> {
    const own = `${process.pid} ${NONCE} ${(await processStart(process.pid)) ?? '?'}`;
    let owner = 'several processes at once';
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const highest = await highestLock(folder);
      const text = await readLock(folder, highest);
      if (text === undefined) continue;
      if (await isHeld(text)) {
        owner = `process ${text.split(' ')[0] ?? '?'}`;
        break;
      }
      const number = highest + 1;
      if (!(await create(folder, number, own))) continue;
      if ((await highestLock(folder)) === number) {
        await removeBelow(folder, number);
        return new FolderLock(folder, number);
      }
      // What was found was already outdated: others have come and gone meanwhile.
      await rm(lockPath(folder, number), { force: true });
    }
    throw new AfterwriteError('STATE_LOCKED', `the state folder is in use by ${owner}`, { where: { folder } });
  }

  async release(): Promise<void> {
    await create(this.#folder, this.#number + 1, FREE);
    await rm(lockPath(this.#folder, this.#number), { force: true });
  }
}

function lockPath(folder: string, number: number): string {
  return join(folder, `lock-${number}`);
}

async function lockNumbers(folder: string): Promise<number[]> {
  const names = await readdir(folder);
  return names.filter((name) => /^lock-[0-9]+$/.test(name)).map((name) => Number(name.slice('lock-'.length)));
}

async function highestLock(folder: string): Promise<number> {
  return Math.max(0, ...(await lockNumbers(folder)));
}

async function removeBelow(folder: string, number: number): Promise<void> {
  for (const lower of await lockNumbers(folder)) if (lower < number) await rm(lockPath(folder, lower), { force: true });
}

/** A lock's text, or undefined when it is gone meanwhile. */
async function readLock(folder: string, number: number): Promise<string | undefined> {
  if (number === 0) return FREE;
  try {
    return await readlink(lockPath(folder, number));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Makes a lock; false when another process was faster. */
async function create(folder: string, number: number, text: string): Promise<boolean> {
  try {
    await symlink(text, lockPath(folder, number));
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Whether the process that a lock's text names is alive, and is not another one that was given its id later. */
async function isHeld(text: string): Promise<boolean> {
  const [pid, nonce, started] = text.split(' ');
  if (pid === FREE) return false;
  const now = await processStart(Number(pid));
  if (now === undefined) return false;
  if (now !== '?' && started !== '?') return now === started;
  return Number(pid) !== process.pid || nonce === NONCE;
}

/** When a living process began, '?' where that cannot be told, undefined when there is none (or a zombie). */
async function processStart(pid: number): Promise<string | undefined> {
  if (!isRunning(pid)) return undefined;
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'latin1');
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    // proc(5): the name stands in brackets and may hold anything; state is the field after it, starttime the 20th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : `${boot.trim()}:${fields[19] ?? ''}`;
  } catch {
    return '?';
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return hasCode(error, 'EPERM');
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
