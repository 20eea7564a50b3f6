import { AfterwriteError } from '../../ops/errors/index.ts';
import { now, type Moment } from '../../ops/moment.ts';
import type { RetryOptions } from '../../ops/retry.ts';
import { KeyEncoder, partitionOf } from '../../schemas/index.ts';
import type { OffsetMove, StoredKey, StoredOffset, TargetTable } from '../write/port.ts';
import type { DatabaseWriter } from '../write/writer.ts';
import { checkBreaker, type OrphanBreaker } from './breaker.ts';
import { KeyHashes } from './key-hashes.ts';
import { keyFrame, readLiveKeys, type KeyedPartition, type LogReader } from './live-keys.ts';
import { removeOrphans, type Orphan } from './removal.ts';

/** What a comparison found, and did. */
export interface ComparisonFigures {
  /** Records of the partition. */
  readonly records: number;
  /** Rows of the table whose keys belong to the partition. */
  readonly rows: number;
  /** Those of them that stand in no record. */
  readonly orphans: number;
  readonly removed: number;
}

/**
 * `compared`: there are no orphans any more; `readAt`: when the log was read to its end. `blocked`: rows of other tables
 * name some of them. `missed`: the partition has another owner, or goes on elsewhere.
 */
export type ComparisonOutcome =
  | { readonly kind: 'compared'; readonly readAt: Moment; readonly figures: ComparisonFigures }
  | { readonly kind: 'blocked'; readonly cause: AfterwriteError; readonly figures: ComparisonFigures }
  | { readonly kind: 'missed'; readonly stored: StoredOffset | undefined };

export interface ComparedPartition {
  readonly table: TargetTable;
  readonly place: KeyedPartition;
  /** Where the partition is written to: its end. It moves nothing, and fences what is removed. */
  readonly move: OffsetMove;
  readonly log: LogReader;
  /** Every event that is not in the log yet has a version above this one; 0 when nobody knows of any. */
  readonly version: bigint;
  readonly writer: DatabaseWriter;
  readonly breaker: OrphanBreaker;
  readonly retry: RetryOptions;
  /** How many keys and how many orphans are held in memory at once; for tests. */
  readonly limits?: ComparisonLimits | undefined;
}

export interface ComparisonLimits {
  readonly keys: number;
  readonly orphans: number;
}

/** Orphans of some 200 bytes each, beside 64 MiB of hashes. */
const usualLimits: ComparisonLimits = { keys: 4_194_304, orphans: 100_000 };

interface Found {
  readonly rows: number;
  readonly orphans: number;
  /** The first of them. */
  readonly some: readonly Orphan[];
}

/**
 * Removes the rows of a partition that stand in no record of it (rule 17): their deletes were published, and compaction
 * has taken the tombstones away since; or nobody ever published them.
 *
 * The order is what makes it safe. The partition is written to `move.to`, and its owner writes nothing meanwhile, so a
 * row of it was written from a record before that, or by a stranger. Then the keys of the log are read, to a moment after
 * that (`readLiveKeys`): of a live row, the key is among them. Only then the keys of the table are read. What is deleted
 * is deleted behind the fence, so that nothing is after another owner has gone on, and at the row's own version where it
 * has one, so that a row that was written anew since stays. A key whose hash is that of another is taken for it: that
 * can keep an orphan, and cannot remove a live row.
 *
 * More keys than fit in memory are compared range by range of their hashes, each with a reading of the log and of the
 * table of its own. Nothing is removed before all ranges were counted, and the breaker has agreed.
 */
export class Comparison {
  readonly #part: ComparedPartition;
  readonly #limits: ComparisonLimits;
  readonly #encoder: KeyEncoder;
  #readAt: Moment | undefined;
  #records = 0;

  constructor(part: ComparedPartition) {
    this.#part = part;
    this.#limits = part.limits ?? usualLimits;
    this.#encoder = new KeyEncoder(part.table, part.place.keySchemaId);
  }

  /** @throws ORPHANS_BREAKER, ORPHANS_UNDECIDABLE, WRITE_REFUSED, and what Kafka throws */
  async run(): Promise<ComparisonOutcome> {
    let rows = 0;
    let orphans = 0;
    const some: Orphan[] = [];
    for await (const live of this.#ranges()) {
      const found = await this.#scan(live, this.#limits.orphans - some.length);
      rows += found.rows;
      orphans += found.orphans;
      some.push(...found.some);
    }
    const { table, place, breaker } = this.#part;
    checkBreaker(breaker, { ...place, table: table.name }, { records: this.#records, rows, orphans });
    const { removed, ended } = some.length === orphans ? await this.#remove(some) : await this.#removeMany();
    const figures = { records: this.#records, rows, orphans, removed };
    if (ended !== undefined) return ended.kind === 'missed' ? ended : { ...ended, figures };
    return { kind: 'compared', readAt: this.#readAt ?? now(), figures };
  }

  /** More orphans than are held at once: they are looked for again, some at a time. */
  async #removeMany(): Promise<Removed> {
    let removed = 0;
    let blocked: Removed['ended'];
    for await (const live of this.#ranges()) {
      let before = Infinity;
      for (;;) {
        const { orphans, some } = await this.#scan(live, this.#limits.orphans);
        // Rows that were written anew since stay, and so do those that others name.
        if (orphans >= before) break;
        before = orphans;
        const round = await this.#remove(some);
        removed += round.removed;
        if (round.ended?.kind === 'missed') return { removed, ended: round.ended };
        blocked = round.ended ?? blocked;
        if (some.length === orphans) break;
      }
    }
    return { removed, ended: blocked };
  }

  /** The keys of the log, as many at a time as fit. */
  async *#ranges(): AsyncGenerator<KeyHashes> {
    const { log, place, retry } = this.#part;
    for (let from: number | undefined = 0; from !== undefined;) {
      const live: KeyHashes = new KeyHashes(from, this.#limits.keys);
      this.#records = await readLiveKeys(log, place, live, retry);
      this.#readAt ??= now();
      yield live;
      from = live.next;
    }
  }

  /** Compares the rows of a range with the log. @param room how many orphans are wanted themselves */
  async #scan(live: KeyHashes, room: number): Promise<Found> {
    const { table, place, move, writer, retry } = this.#part;
    const look = async (pages: AsyncIterable<readonly StoredKey[]>): Promise<Found> => {
      let rows = 0;
      let orphans = 0;
      const some: Orphan[] = [];
      for await (const page of pages) {
        retry.signal.throwIfAborted();
        for (const row of page) {
          const key = this.#encoder.encodeValues(row.keyValues);
          if (key === undefined || partitionOf(key, place.partitions) !== place.partition) continue;
          if (!live.covers(key, keyFrame)) continue;
          rows++;
          if (live.has(key, keyFrame)) continue;
          orphans++;
          if (some.length < room) some.push({ ...row, key: Buffer.from(key) });
        }
      }
      return { rows, orphans, some };
    };
    return await writer.readKeys(move, table, look, retry);
  }

  async #remove(orphans: readonly Orphan[]): Promise<Removed> {
    const { table, move, version, writer, retry } = this.#part;
    // Of rows that are written at their versions, the newest column need not be the newest word. Nothing that is written
    // from the log later can be as old as this.
    const least = writer.ordersByVersion ? version : 0n;
    return await removeOrphans(
      writer,
      table,
      move,
      orphans.map((orphan) => atLeast(orphan, least)),
      retry,
    );
  }
}

function atLeast(orphan: Orphan, version: bigint): Orphan {
  return version > (orphan.version ?? 0n) ? { ...orphan, version } : orphan;
}

type Removed = Awaited<ReturnType<typeof removeOrphans>>;
