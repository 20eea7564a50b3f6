import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { WIDE_LIMITS, type WideLimits } from './buckets.ts';
import { CopyForward, LOG_LIMITS, type LogLimits, type Segment } from './copy-forward.ts';
import { clearFolder, listSegments, markCommitted, syncFolder, wasCommitted } from './files.ts';
import { FolderLock } from './lock.ts';
import { StateLog } from './log.ts';
import type { StateStore, StateTag } from './port.ts';
import { recover } from './recover.ts';
import { HEADER_BYTES } from './segment.ts';
import { LoggedStore } from './store.ts';
import { Table } from './table.ts';

/** How a state keeps itself small; only tests have others than the defaults. */
export interface StateLimits extends LogLimits {
  readonly wide?: WideLimits;
}

/** What opening a folder found there, for the log and the status page. */
export type OpenedFrom =
  /** The log was applied up to the tag; `discardedBytes` beyond it are gone from the disk. */
  | {
      readonly kind: 'recovered';
      readonly entries: number;
      readonly batches: number;
      readonly discardedBytes: number;
    }
  /**
   * A new, empty log. `removed` says that an older one was removed, of which Kafka never committed anything;
   * `movedTo` is where an older one that it did commit from was moved to.
   */
  | { readonly kind: 'created'; readonly removed: boolean; readonly movedTo: string | null };

export interface OpenedState {
  readonly store: StateStore;
  readonly from: OpenedFrom;
}

/**
 * Opens the state of one shard as it was when Kafka committed its position (rule 1).
 *
 * @param folder is created when it is not there
 * @param tag the tag in the committed position; null when there is no position: nothing was ever committed, so a log
 *   that a crash before the first commit left behind is removed, and a new one is begun
 * @throws STATE_LOST when the folder cannot give the state at the tag: `createState` begins anew, to be rebuilt
 * @throws STATE_FOREIGN when there is no position, but the folder's log was committed to some Kafka
 * @throws STATE_LOCKED when a living process has the folder open
 * @throws STATE_IO when the folder cannot be read or written, STATE_FULL when the state is too large for this process
 */
export async function openState(
  folder: string,
  tag: StateTag | null,
  limits: StateLimits = LOG_LIMITS,
): Promise<OpenedState> {
  return locked(folder, async (path, lock) => {
    if (tag !== null) return openAt(path, tag, limits, lock);
    if (await wasCommitted(path)) {
      throw new AfterwriteError(
        'STATE_FOREIGN',
        'the state folder belongs to a pipeline that committed positions, but Kafka holds none for this one',
        { where: { folder: path } },
      );
    }
    return create(path, limits, lock);
  });
}

/**
 * Begins a new, empty state under a new log id. An older log is moved into `void-<time>` inside the folder (the newest
 * three are kept), or removed when Kafka never committed anything of it.
 *
 * @throws STATE_LOCKED, STATE_IO as `openState`
 */
export async function createState(folder: string, limits: StateLimits = LOG_LIMITS): Promise<OpenedState> {
  return locked(folder, (path, lock) => create(path, limits, lock));
}

async function locked(
  folder: string,
  open: (path: string, lock: FolderLock) => Promise<OpenedState>,
): Promise<OpenedState> {
  const path = resolve(folder);
  let lock: FolderLock | undefined;
  try {
    const created = await mkdir(path, { recursive: true });
    if (created !== undefined) await syncFolder(dirname(created));
    lock = await FolderLock.take(path);
    return await open(path, lock);
  } catch (error) {
    await lock?.release();
    if (error instanceof AfterwriteError) throw error;
    throw new AfterwriteError('STATE_IO', 'the state folder cannot be opened', {
      where: { folder: path },
      cause: error,
    });
  }
}

async function openAt(folder: string, tag: StateTag, limits: StateLimits, lock: FolderLock): Promise<OpenedState> {
  const { table, segments, batches, discardedBytes } = await recover(folder, tag);
  if (!(await wasCommitted(folder))) await markCommitted(folder);
  const store = await assemble(folder, tag, table, segments, { limits, lock, committed: true });
  const entries = store.databases().reduce((sum, db) => sum + store.count(db), 0);
  return { store, from: { kind: 'recovered', entries, batches, discardedBytes } };
}

async function create(folder: string, limits: StateLimits, lock: FolderLock): Promise<OpenedState> {
  const older = (await listSegments(folder)).length > 0;
  const movedTo = await clearFolder(folder, new Date());
  const tag = { logId: randomUUID(), sequence: 0 };
  const store = await assemble(folder, tag, new Table(), [], { limits, lock, committed: false });
  return { store, from: { kind: 'created', removed: older && movedTo === null, movedTo } };
}

interface Surroundings {
  readonly limits: StateLimits;
  readonly lock: FolderLock;
  readonly committed: boolean;
}

/** Puts a store together that goes on after `tag`, in a new segment of its log. */
async function assemble(
  folder: string,
  { logId, sequence }: StateTag,
  table: Table,
  older: readonly Segment[],
  { limits, lock, committed }: Surroundings,
): Promise<StateStore> {
  const first = sequence + 1;
  const log = await StateLog.begin(folder, logId, first);
  const copying = new CopyForward(table, [...older, { first, bytes: HEADER_BYTES }], limits);
  return new LoggedStore({ logId, sequence, committed, table, log, copying, lock, wide: limits.wide ?? WIDE_LIMITS });
}
