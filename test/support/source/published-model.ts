import type { Change, FoldOutput, RemovalPolicy, RowReading, RowView } from '../../../source-connector/fold/change.ts';
import { unpackHash } from '../../../source-connector/packed-hash.ts';
import type { OutgoingBatch } from '../../../source-connector/send/port.ts';
import type { Journal } from '../../../source-connector/shard.ts';
import { canonicalText } from '../recordings.ts';

/** The whole hash as its row, so that what is published must at each moment be what Redis holds. */
export class WholeHashView implements RowView<never> {
  readonly name = 'whole hash';
  readonly readsExpiry = false;
  readonly keepsAbsent = false;
  readonly fieldNames = 'all';

  mappedFields(hash: Buffer): Buffer {
    return hash;
  }

  read(_key: Buffer, hash: Buffer): RowReading<never> {
    return { kind: 'row', row: Buffer.from(JSON.stringify([...fieldsOf(hash)].sort(([a], [b]) => (a < b ? -1 : 1)))) };
  }

  policy(): RemovalPolicy {
    return 'delete';
  }
}

/** The fields of a packed hash in canonical text. */
export function fieldsOf(hash: Buffer): Map<string, string> {
  return new Map(unpackHash(hash).map(([name, value]) => [canonicalText(name), canonicalText(value)]));
}

interface PublishedChange {
  /** Which link of the recording brought it, and at which offset. */
  readonly link: number;
  readonly offset: number;
  readonly where: string;
  /** The row's JSON, or null after a delete. */
  readonly row: string | null;
  /** The batch that it went into, as long as that may be lost. */
  readonly batch: OutgoingBatch | undefined;
}

/** Thrown in the middle of a command or a snapshot, as if the process ended there. */
export class Crash extends Error {}

/** Keeps every change that fold puts out, with its offset. */
export class PublishedModel implements FoldOutput<never, WholeHashView>, Journal {
  at = 0;
  replid = '';
  link = 0;
  #offset = 0;
  /** Steps until a crash: one is a command that touches captured keys, or a change. */
  crashAfter = Infinity;
  command = '';
  version = 0;
  /** The batch that a change is put into, so that batches fill as they do in the product. */
  batch: (() => OutgoingBatch) | undefined;
  readonly problems: string[] = [];
  #changes: PublishedChange[] = [];
  readonly #now = new Map<string, string | null>();

  get offset(): number {
    return this.#offset;
  }

  set offset(offset: number) {
    this.#offset = offset;
    this.#step();
  }

  change(change: Change<WholeHashView>): void {
    this.#step();
    this.version++;
    const where = `${change.db}/${canonicalText(change.key)}`;
    const row = change.after === null ? null : change.after.toString();
    const last = this.#now.get(where) ?? null;
    const before = change.before === null ? null : change.before.toString();
    if (before !== last)
      this.problems.push(`offset ${this.offset}, ${where}: before is ${before}, but ${last} was published`);
    if (row === last) this.problems.push(`offset ${this.offset}, ${where}: published without a difference`);
    const batch = this.batch?.();
    batch?.append('changes', 0, Buffer.from(where), change.after);
    this.#now.set(where, row);
    this.#changes.push({ link: this.link, offset: this.offset, where, row, batch });
  }

  rejected(): void {
    this.problems.push('a hash was rejected');
  }

  marked(): void {
    this.problems.push('a mark was set, although every policy says delete');
  }

  removed(): void {
    // Counted elsewhere.
  }

  effect(): void {
    this.problems.push('an operation was carried out, although there is none');
  }

  raiseVersion(): void {
    // Its versions only count.
  }

  beginSnapshot(replid: string, offset: number): void {
    this.replid = replid;
    this.offset = offset;
  }

  endSnapshot(): void {
    // The rows of a snapshot are told apart by their offset.
  }

  beginTransaction(): void {
    // Not looked at.
  }

  endTransaction(): void {
    // Not looked at.
  }

  /** Forgets what a crash takes with it: the changes of batches that were not committed. */
  forget(wasCommitted: (batch: OutgoingBatch) => boolean): void {
    this.#changes = this.#changes
      .filter(({ batch }) => batch === undefined || wasCommitted(batch))
      .map((change) => ({ ...change, batch: undefined }));
    this.#now.clear();
    for (const { where, row } of this.#changes) this.#now.set(where, row);
  }

  #step(): void {
    if (--this.crashAfter < 0) throw new Crash('crashed');
  }

  /**
   * Walks through the changes of a link and those before it: `upTo(offset)` applies all up to there; the map is by
   * `db/key`, rows as JSON.
   */
  replay(link: number): { upTo(offset: number): ReadonlyMap<string, string | null> } {
    const rows = new Map<string, string | null>();
    let next = 0;
    return {
      upTo: (offset) => {
        for (
          let change = this.#changes[next];
          change !== undefined && (change.link < link || (change.link === link && change.offset <= offset));
          change = this.#changes[++next]
        ) {
          rows.set(change.where, change.row);
        }
        return rows;
      },
    };
  }
}
