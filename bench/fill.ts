import { cpus } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import type { Cleanup } from './cleanup.ts';
import type { Look } from './databases/index.ts';
import type { Mark, Marks } from './marks.ts';
import { Program } from './program.ts';
import type { RawFillTask } from './raw-fill.ts';
import { startSink, type Setup } from './setup.ts';

/** What is looked at while a program writes a topic into a table. */
export interface Fill {
  readonly look: Look;
  readonly table: string;
  readonly marks: Marks;
  /** A row counts as written when its age is at least this; 0 when none stood there before. */
  readonly minAge: number;
  /** How long rows are watched at most, ms: a slow database is not waited for to the last row. */
  readonly longestMs: number;
}

/** The pause between two looks, ms: the resolution of both ends of a measurement. */
const pause = 10;
/** A look is followed by a pause of at least so many times its own length: looks must not set the pace. */
const restraint = 8;
/** How many marks of a partition one look asks for. */
const ahead = 12;
/** No step forward in this time, ms, is an error. */
const patience = 180_000;

/** What was seen of a program that fills a table. */
export interface Filled {
  /** Rows a second. */
  readonly rate: number;
  /** How much of the time all cores together were at work, for whomever, from 0 to 1. */
  readonly busy: number;
}

/** What a sink did. */
export interface SinkFill extends Filled {
  /** The most memory that its process ever had, bytes. */
  readonly peakMemory: number;
  /** What its process took, with its start, for each row that was seen; µs. */
  readonly cpuMicros: number;
}

/** Has a sink fill a table. */
export async function fillBySink(cleanup: Cleanup, setup: Setup, sink: string, fill: Fill): Promise<SinkFill> {
  const program = startSink(cleanup, setup, sink);
  const { rate, busy, rows } = await watchFill(fill, program);
  const peakMemory = program.peakMemory();
  const cpuMicros = (program.cpuSeconds() * 1e6) / rows;
  await program.stop();
  return { rate, busy, peakMemory, cpuMicros };
}

/** Has a table filled without a sink. */
export async function fillRaw(cleanup: Cleanup, setup: Setup, task: RawFillTask, fill: Fill): Promise<Filled> {
  const program = Program.start(cleanup, {
    name: `raw-${task.sink}`,
    folder: setup.folder,
    script: 'dist/bench/raw-fill.js',
    args: [JSON.stringify(task)],
  });
  const { rate, busy, isWhole } = await watchFill(fill, program);
  // One that has not ended yet ends with the clean-up.
  if (isWhole) await program.ended();
  return { rate, busy };
}

interface Watched extends Filled {
  readonly rows: number;
  /** Whether all rows came in time. */
  readonly isWhole: boolean;
}

/**
 * Watches rows appear, whoever writes them: the same for a sink and for what limits it.
 * @returns rows a second, from the first look that finds rows of every partition to the last
 */
async function watchFill(fill: Fill, writer: Program): Promise<Watched> {
  const progress = fill.marks.map((all) => new PartitionProgress(all));
  let first: { readonly at: number; readonly rows: number; readonly cores: Cores } | undefined;
  let movedAt = performance.now();
  for (;;) {
    const askedAt = performance.now();
    const now = await advance(progress, fill);
    if (now.moved) movedAt = now.at;
    const rows = progress.reduce((sum, partition) => sum + partition.rows, 0);
    if (first === undefined && progress.every((partition) => partition.rows > 0)) {
      first = { at: now.at, rows, cores: coreTimes() };
    }
    const isWhole = progress.every(({ isDone }) => isDone);
    if (first !== undefined && (isWhole || now.at - first.at >= fill.longestMs)) {
      const rate = (rows - first.rows) / ((now.at - first.at) / 1000);
      return { rate, busy: busyBetween(first.cores, coreTimes()), rows, isWhole };
    }
    // Some rows may still be asked for when a writer has ended in order.
    writer.mustNotFail();
    if (now.at - movedAt > patience) throw new Error(`no row came into ${fill.table} for ${patience / 1000} s`);
    await wait(Math.max(pause, restraint * (now.at - askedAt)));
  }
}

/** Looks once. */
async function advance(
  progress: readonly PartitionProgress[],
  { look, table, minAge }: Fill,
): Promise<{ at: number; moved: boolean }> {
  const ages = await looked(look, table, [...progress.flatMap((partition) => partition.awaited())]);
  const at = performance.now();
  const isThere = ({ id }: Mark): boolean => (ages.get(id) ?? -1) >= minAge;
  const moved = progress.filter((partition) => partition.advance(isThere)).length > 0;
  return { at, moved };
}

/** How long all cores were at work, and how long they were not; ms. */
interface Cores {
  readonly busy: number;
  readonly idle: number;
}

function coreTimes(): Cores {
  let [busy, idle] = [0, 0];
  for (const { times } of cpus()) {
    busy += times.user + times.nice + times.sys + times.irq;
    idle += times.idle;
  }
  return { busy, idle };
}

function busyBetween(from: Cores, to: Cores): number {
  const busy = to.busy - from.busy;
  return busy / (busy + to.idle - from.idle);
}

/** Until the writer has made the table, no row is there. */
async function looked(look: Look, table: string, ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
  try {
    return await look(table, ids);
  } catch {
    return new Map();
  }
}

class PartitionProgress {
  readonly #marks: readonly Mark[];
  #next = 0;

  constructor(marks: readonly Mark[]) {
    this.#marks = marks;
  }

  get rows(): number {
    return this.#marks[this.#next - 1]?.rows ?? 0;
  }

  get isDone(): boolean {
    return this.#next === this.#marks.length;
  }

  /** The ids of the next marks. */
  awaited(): string[] {
    return this.#marks.slice(this.#next, this.#next + ahead).map(({ id }) => id);
  }

  /** Passes the marks that are there, up to the first that is not. @returns whether there was one */
  advance(isThere: (mark: Mark) => boolean): boolean {
    const from = this.#next;
    for (let mark = this.#marks[from]; mark !== undefined && isThere(mark); mark = this.#marks[this.#next])
      this.#next++;
    return this.#next > from;
  }
}
