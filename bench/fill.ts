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
}

/** The pause between two looks, ms: the resolution of both ends of a measurement. */
const pause = 10;
/** A look is followed by a pause of at least so many times its own length: looks must not set the pace. */
const restraint = 8;
/** How many marks of a partition one look asks for. */
const ahead = 12;
/** No step forward in this time, ms, is an error. */
const patience = 180_000;

/** What a sink did. */
export interface SinkFill {
  /** Rows a second. */
  readonly rate: number;
  /** The most memory that its process ever had, bytes. */
  readonly peakMemory: number;
}

/** Has a sink fill a table. */
export async function fillBySink(cleanup: Cleanup, setup: Setup, sink: string, fill: Fill): Promise<SinkFill> {
  const program = startSink(cleanup, setup, sink);
  const rate = await watchFill(fill, program);
  const peakMemory = program.peakMemory();
  await program.stop();
  return { rate, peakMemory };
}

/** Has a table filled without a sink. @returns rows a second */
export async function fillRaw(cleanup: Cleanup, setup: Setup, task: RawFillTask, fill: Fill): Promise<number> {
  const program = Program.start(cleanup, {
    name: `raw-${task.sink}`,
    folder: setup.folder,
    script: 'dist/bench/raw-fill.js',
    args: [JSON.stringify(task)],
  });
  const rate = await watchFill(fill, program);
  await program.ended();
  return rate;
}

/**
 * Watches rows appear, whoever writes them: the same for a sink and for what limits it.
 * @returns rows a second, from the first look that finds rows of every partition to the one that finds all
 */
async function watchFill({ look, table, marks, minAge }: Fill, writer: Program): Promise<number> {
  const progress = marks.map((all) => new PartitionProgress(all));
  let first: { readonly at: number; readonly rows: number } | undefined;
  let movedAt = performance.now();
  for (;;) {
    const askedAt = performance.now();
    const ages = await looked(look, table, [...progress.flatMap((partition) => partition.awaited())]);
    const now = performance.now();
    const isThere = ({ id }: Mark): boolean => (ages.get(id) ?? -1) >= minAge;
    for (const partition of progress) if (partition.advance(isThere)) movedAt = now;
    const rows = progress.reduce((sum, partition) => sum + partition.rows, 0);
    if (first === undefined && progress.every((partition) => partition.rows > 0)) first = { at: now, rows };
    if (progress.every(({ isDone }) => isDone)) {
      return first === undefined ? NaN : (rows - first.rows) / ((now - first.at) / 1000);
    }
    // Some rows may still be asked for when a writer has ended in order.
    writer.mustNotFail();
    if (now - movedAt > patience) throw new Error(`no row came into ${table} for ${patience / 1000} s`);
    await wait(Math.max(pause, restraint * (now - askedAt)));
  }
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
