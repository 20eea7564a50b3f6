import { open, rm, stat } from 'node:fs/promises';
import { AfterwriteError } from '../../ops/errors/index.ts';
import type { Segment } from './copy-forward.ts';
import { listSegments, syncFolder } from './files.ts';
import { applyOperations } from './operations.ts';
import type { StateTag } from './port.ts';
import { segmentPath, SegmentReader } from './segment.ts';
import { Table } from './table.ts';

/** A log as it was at a tag. */
export interface Recovered {
  readonly table: Table;
  /** The segments that are left, ascending. */
  readonly segments: readonly Segment[];
  readonly batches: number;
  /** Bytes of batches beyond the tag, which were removed from the disk. */
  readonly discardedBytes: number;
}

/**
 * Applies a folder's log up to the tag, and removes from the disk whatever lies beyond it.
 *
 * A gap (a segment that is missing, torn or damaged) voids what was read before it; reading goes on behind it, since a
 * completed pass (copy-forward.ts) makes a log whole again. What counts is that the tag is reached with a whole table.
 *
 * @throws STATE_LOST when it is not, or when the log is another one
 */
export async function recover(folder: string, tag: StateTag): Promise<Recovered> {
  const reading = new Reading(tag);
  const firsts = await listSegments(folder);
  const wanted = firsts.filter((first) => first <= tag.sequence);
  for (const [index, first] of wanted.entries()) {
    // A segment ends where the next one begins.
    await reading.segment(folder, first, Math.min(tag.sequence, (wanted[index + 1] ?? Infinity) - 1));
  }
  if (reading.next !== tag.sequence + 1 || !reading.whole) throw lost(folder, tag, reading.found());
  const discardedBytes = await discard(folder, firsts.slice(wanted.length), wanted.at(-1), reading.end);
  const segments = await withSizes(folder, wanted);
  const unneeded = segments.filter((segment) => segment.first < reading.completeSince);
  for (const { first } of unneeded) await rm(segmentPath(folder, first));
  await syncFolder(folder);
  return { table: reading.table, segments: segments.slice(unneeded.length), batches: reading.batches, discardedBytes };
}

/** What was read of a log so far. */
class Reading {
  table = new Table();
  batches = 0;
  /** The sequence that would come next. */
  next = 0;
  /** Bytes of the last segment up to the last batch that was read. */
  end = 0;
  /** Segments before this sequence are not needed. */
  completeSince = 1;
  readonly #tag: StateTag;
  #logId: string | undefined;
  #start = 0;

  constructor(tag: StateTag) {
    this.#tag = tag;
  }

  /** Whether the table holds every entry, not only those that were put since the last gap. */
  get whole(): boolean {
    return this.#start <= this.completeSince;
  }

  /** Applies a segment's batches up to and with a sequence, as far as they can be read. */
  async segment(folder: string, first: number, last: number): Promise<void> {
    const reader = await SegmentReader.open(segmentPath(folder, first));
    try {
      const header = await reader.header();
      if (header === null || header.first !== first) return;
      this.#logId = header.logId;
      if (header.logId !== this.#tag.logId) throw lost(folder, this.#tag, this.found());
      if (first !== this.next) this.#startOver(first);
      while (this.next <= last) {
        const operations = await reader.batch(this.next);
        if (operations === null) break;
        this.completeSince = applyOperations(operations, this.table) ?? this.completeSince;
        this.batches++;
        this.next++;
      }
      this.end = reader.position;
    } finally {
      await reader.close();
    }
  }

  /** What the folder holds, for people. */
  found(): string {
    if (this.#logId === undefined) return 'no log';
    if (this.#logId !== this.#tag.logId) return `log ${this.#logId}`;
    if (this.next <= this.#tag.sequence) return `this log, which can be read to ${this.next - 1} only`;
    return `this log from ${this.#start} on only`;
  }

  #startOver(first: number): void {
    this.table = new Table();
    this.#start = first;
    this.next = first;
    this.completeSince = 1;
  }
}

function lost(folder: string, tag: StateTag, found: string): AfterwriteError {
  return new AfterwriteError('STATE_LOST', 'the state on disk does not reach the position that Kafka committed', {
    where: { folder, wanted: `log ${tag.logId} up to ${tag.sequence}`, found },
  });
}

/**
 * Removes the segments beyond the tag, the last one first, and cuts the tag's own one behind the tag's batch.
 * @returns how many bytes that were
 */
async function discard(folder: string, beyond: number[], last: number | undefined, end: number): Promise<number> {
  let bytes = 0;
  for (const first of beyond.reverse()) {
    const path = segmentPath(folder, first);
    bytes += (await stat(path)).size;
    await rm(path);
  }
  if (last === undefined) return bytes;
  const handle = await open(segmentPath(folder, last), 'r+');
  try {
    bytes += (await handle.stat()).size - end;
    await handle.truncate(end);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return bytes;
}

async function withSizes(folder: string, firsts: readonly number[]): Promise<Segment[]> {
  const segments: Segment[] = [];
  for (const first of firsts) segments.push({ first, bytes: (await stat(segmentPath(folder, first))).size });
  return segments;
}
