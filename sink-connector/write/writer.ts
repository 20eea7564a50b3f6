import { AfterwriteError } from '../../ops/errors/index.ts';
import { fault } from '../../ops/faults.ts';
import { retryUntilDone, type RetryOptions } from '../../ops/retry.ts';
import type { Change, Changes } from '../decode/change.ts';
import type { MergedChanges } from '../merge/last-event.ts';
import { databaseWords } from './dead-letter.ts';
import { applyInEventOrder, type RejectedChange } from './event-order.ts';
import type {
  Dialect,
  OffsetMove,
  OutboxRow,
  PartitionName,
  Session,
  SetupOptions,
  StoredKey,
  StoredOffset,
  TargetTable,
} from './port.ts';
import { outages, PatientSessions, placeOf, Refusal, type Attempt, type Place } from './patient-sessions.ts';

/** Rows of one partition and the offset behind them: one transaction. */
export interface WriteBatch {
  readonly table: TargetTable;
  readonly changes: MergedChanges;
  /** The same, unreduced and in the order of the log. */
  readonly events: Changes;
  readonly move: OffsetMove;
  /**
   * Makes what the outbox keeps of the batch; asked for at each attempt. @param failures why events were rejected, by their
   * offsets
   */
  readonly outbox?: ((failures: ReadonlyMap<number, string>) => readonly OutboxRow[]) | undefined;
}

/** Rows that go without an event, behind the fence of their partition: `move` stays where it is. */
export interface Removal {
  readonly table: TargetTable;
  /** Sorted by key. Those under a guard go only at their versions or below. */
  readonly deletes: readonly Change[];
  readonly move: OffsetMove;
}

/**
 * `missed`: as of a batch. `blocked`: rows of other tables name one of these, so none has gone; `cause` says which.
 */
export type RemovalOutcome =
  | { readonly kind: 'removed' }
  | { readonly kind: 'blocked'; readonly cause: AfterwriteError }
  | { readonly kind: 'missed'; readonly stored: StoredOffset | undefined };

/** What happens to events whose rows the database does not take. */
export interface RejectedRows {
  /** How many a partition passes over in one batch, and in a row with no event taken in between; 0: none at all. */
  readonly limit: number;
  /** Keeps them for people, durably, before the transaction without them is committed. May be told of one twice. */
  readonly send: (batch: WriteBatch, rejected: readonly RejectedChange[]) => Promise<void>;
}

/** The first rejected row stops its partition. */
const stopAtRejected: RejectedRows = { limit: 0, send: () => Promise.resolve() };

/**
 * `missed`: another owner or position stands in the offset row, so nothing was written; `stored` is what stands there.
 * `rejected`: the events that were, or would have been, passed over.
 */
export type WriteOutcome = { readonly rejected: readonly RejectedChange[] } & (
  { readonly kind: 'written' } | { readonly kind: 'missed'; readonly stored: StoredOffset | undefined }
);

/**
 * Writes batches, whatever the database: rows first, the offset row last, both in one transaction (rule 14). Outages are
 * waited for, until the signal of the options. A lost answer to COMMIT needs no care of its own: the repeated
 * transaction misses the offset row.
 */
export class DatabaseWriter {
  readonly #dialect: Dialect;
  readonly #sink: string;
  readonly #sessions: PatientSessions;
  /** Whether columns may be added, by the options of the first look at the tables. */
  #evolve = false;
  readonly #rejectedRows: RejectedRows;
  /** By partition: how many events were passed over since the last one that was taken, if any. */
  readonly #inRow = new Map<string, number>();

  constructor(dialect: Dialect, sink: string, rejectedRows = stopAtRejected) {
    this.#rejectedRows = rejectedRows;
    this.#dialect = dialect;
    this.#sink = sink;
    this.#sessions = new PatientSessions(dialect, sink);
  }

  /** Whether every change must have a version, because nothing else orders the writes of the database. */
  get ordersByVersion(): boolean {
    return this.#dialect.capabilities.commit === 'timestamp';
  }

  /** Whether every event is written, and not the last one of each key. */
  get keepsEveryEvent(): boolean {
    return this.#dialect.capabilities.appends === true;
  }

  /**
   * Looks at every table before the first event is read, and makes what is missing where the options allow it. Columns
   * that go missing later are made again in the same way.
   * @throws TABLE_UNFIT with all problems; DATABASE_ACCESS
   */
  async prepare(tables: readonly TargetTable[], options: SetupOptions, retry: RetryOptions): Promise<void> {
    this.#evolve = options.evolve;
    const where = { sink: this.#sink };
    const problems = await retryUntilDone(async () => {
      try {
        return await this.#dialect.prepare(tables, options);
      } catch (error) {
        throw this.#sessions.describe(error, this.#sessions.kindOf(error), where);
      }
    }, retry);
    if (problems.length > 0) throw new AfterwriteError('TABLE_UNFIT', problems.join('\n'), { where });
  }

  /** Takes a partition over: whoever wrote it before cannot any more. */
  async claim(
    partition: PartitionName,
    initial: { readonly clusterId: string; readonly nextOffset: bigint },
    retry: RetryOptions,
  ): Promise<StoredOffset> {
    return await this.#sessions.patiently(partition, retry, (session) => session.claim(partition, initial));
  }

  /** The time by the database's clock, which offset rows are stamped with. */
  async now(partition: PartitionName, retry: RetryOptions): Promise<Date> {
    return await this.#sessions.patiently(partition, retry, (session) => session.now());
  }

  /**
   * Looks at the keys of all rows of a table, page by page, over one connection that is free again when the look ends.
   * After an outage the look begins again. @throws WRITE_REFUSED, and what `look` throws
   */
  async readKeys<T>(
    partition: PartitionName,
    table: TargetTable,
    look: (pages: AsyncIterable<readonly StoredKey[]>) => Promise<T>,
    retry: RetryOptions,
  ): Promise<T> {
    return await this.#sessions.patiently(partition, retry, (session) => look(session.keys(table)));
  }

  /** The offset rows of all partitions. One attempt. */
  async readOffsets(): Promise<readonly (PartitionName & StoredOffset)[]> {
    return await this.#sessions.once((session) => session.readOffsets());
  }

  /** The first rows of a partition's outbox. */
  async readOutbox(partition: PartitionName, limit: number, retry: RetryOptions): Promise<readonly OutboxRow[]> {
    return await this.#sessions.patiently(partition, retry, (session) => session.readOutbox(partition, limit));
  }

  async dropFromOutbox(partition: PartitionName, rows: readonly OutboxRow[], retry: RetryOptions): Promise<void> {
    await this.#sessions.patiently(partition, retry, (session) => session.dropFromOutbox(partition, rows));
  }

  /** Notes that nothing is lacking but what follows `to`. One attempt. @returns whether it is still owned. */
  async markCaughtUp(move: OffsetMove): Promise<boolean> {
    return (await this.#sessions.once((session) => session.markCaughtUp(move))) === 1;
  }

  /**
   * Writes a batch once, however often it takes. Rows that the database does not take are found, kept elsewhere and
   * passed over, as far as the limit allows.
   * @throws ROW_REJECTED, WRITE_REFUSED, TABLE_UNFIT, and what keeping them throws: the offset has not moved.
   */
  async write(batch: WriteBatch, retry: RetryOptions): Promise<WriteOutcome> {
    try {
      return await this.#writeMerged(batch, retry);
    } catch (error) {
      if (!(error instanceof Refusal) || error.kind === 'unknown')
        throw this.#sessions.described(error, whereOf(batch));
    }
    // Somebody may have changed the table since its columns were read: look again, once.
    await this.prepare([batch.table], { create: false, evolve: this.#evolve }, retry);
    try {
      return await this.#writeMerged(batch, retry);
    } catch (error) {
      if (!(error instanceof Refusal) || (error.kind !== 'data' && error.kind !== 'dependency')) {
        throw this.#sessions.described(error, whereOf(batch));
      }
    }
    try {
      return await this.#writeInEventOrder(batch, retry);
    } catch (error) {
      throw this.#sessions.described(error, whereOf(batch));
    }
  }

  /**
   * Deletes rows in one transaction, or none of them. Where rows are written at their versions, nothing could be undone:
   * there the fence is looked at before, and a row that was written since is newer than what is deleted.
   * @throws WRITE_REFUSED
   */
  async remove({ table, deletes, move }: Removal, retry: RetryOptions): Promise<RemovalOutcome> {
    const isUndone = this.#dialect.capabilities.commit === 'transaction';
    const action = async (session: Session): Promise<boolean> => {
      if (!isUndone && (await session.moveOffset(move)) !== 1) return false;
      return await transact(session, move, async () => {
        await session.apply(table, { upserts: [], deletes });
        fault('sink.rows-written');
      });
    };
    try {
      if (await this.#sessions.persist(move, retry, action, outages)) return { kind: 'removed' };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const described = this.#sessions.describe(error.cause, error.kind, { table: table.name, ...placeOf(move) });
      if (error.kind !== 'dependency') throw described;
      return { kind: 'blocked', cause: described };
    }
    return {
      kind: 'missed',
      stored: await this.#sessions.patiently(move, retry, (session) => session.readOffset(move)),
    };
  }

  async close(): Promise<void> {
    await this.#sessions.close();
  }

  async #writeMerged(batch: WriteBatch, retry: RetryOptions): Promise<WriteOutcome> {
    const { table, changes } = batch;
    const apply = async (session: Session): Promise<void> => {
      await session.apply(table, changes);
      fault('sink.rows-written');
      await keepInOutbox(session, batch, []);
    };
    // What the order of the events mends, must not be waited for.
    const attempt: Attempt<boolean> = (session, attempts) => transact(session, stillTrue(batch.move, attempts), apply);
    const hit = await this.#sessions.persist(batch.move, retry, attempt, outages);
    if (hit) this.#inRow.delete(nameOf(batch.move));
    return hit ? { kind: 'written', rejected: [] } : await this.#missed(batch, [], retry);
  }

  async #writeInEventOrder(batch: WriteBatch, retry: RetryOptions): Promise<WriteOutcome> {
    let rejected: readonly RejectedChange[] = [];
    const before = this.#inRow.get(nameOf(batch.move)) ?? 0;
    const limit = this.#rejectedRows.limit - before;
    const apply = async (session: Session): Promise<void> => {
      rejected = await applyInEventOrder(batch.events, {
        attempt: (changes) => session.attempt(batch.table, changes),
        isRejection: (error) => this.#sessions.kindOf(error) === 'data',
        limit,
      });
      if (rejected.length > limit) throw rowRejected(batch, rejected, before);
      fault('sink.rows-written');
      if (rejected.length > 0) await this.#rejectedRows.send(batch, rejected);
      fault('sink.dead-letters-written');
      await keepInOutbox(session, batch, rejected);
    };
    const attempt: Attempt<boolean> = (session, attempts) => transact(session, stillTrue(batch.move, attempts), apply);
    const hit = await this.#sessions.persist(batch.move, retry, attempt);
    if (hit) this.#inRow.set(nameOf(batch.move), rejected.length < batch.events.length ? 0 : before + rejected.length);
    return hit ? { kind: 'written', rejected } : await this.#missed(batch, rejected, retry);
  }

  async #missed({ move }: WriteBatch, rejected: readonly RejectedChange[], retry: RetryOptions): Promise<WriteOutcome> {
    return {
      kind: 'missed',
      stored: await this.#sessions.persist(move, retry, (session) => session.readOffset(move)),
      rejected,
    };
  }
}

async function keepInOutbox(
  session: Session,
  { outbox, move }: WriteBatch,
  rejected: readonly RejectedChange[],
): Promise<void> {
  if (outbox === undefined) return;
  const failures = new Map(rejected.map(({ change, cause }) => [change.offset, databaseWords(cause)]));
  await session.keepInOutbox(move, outbox(failures));
  fault('sink.outbox-written');
}

/** What was the end of the partition when the batch was read may not be it any more after an outage. */
function stillTrue(move: OffsetMove, attempts: number): OffsetMove {
  return attempts === 0 ? move : { ...move, caughtUp: false };
}

/** @returns whether the offset row was hit; otherwise nothing was written. */
async function transact(
  session: Session,
  move: OffsetMove,
  apply: (session: Session) => Promise<void>,
): Promise<boolean> {
  await session.begin();
  fault('sink.begun');
  await apply(session);
  const hit = await session.moveOffset(move);
  fault('sink.offset-moved');
  if (hit !== 1) {
    await session.rollback();
    return false;
  }
  fault('sink.before-commit');
  await session.commit();
  fault('sink.committed');
  return true;
}

function rowRejected(batch: WriteBatch, rejected: readonly RejectedChange[], before: number): AfterwriteError {
  const [first] = rejected;
  const count = before + rejected.length;
  const rows = count > 1 ? `${count} rows or more, this one among them` : 'a row';
  return new AfterwriteError('ROW_REJECTED', `The database does not take ${rows}: ${databaseWords(first?.cause)}`, {
    where: { ...whereOf(batch), key: first?.change.keyValues.join(', '), offset: first?.change.offset },
    cause: first?.cause,
  });
}

function nameOf({ topic, partition }: PartitionName): string {
  return `${topic} ${partition}`;
}

function whereOf({ table, move, changes }: WriteBatch): Place {
  return {
    table: table.name,
    topic: move.topic,
    partition: move.partition,
    offsets: `${move.from}–${move.to - 1n}`,
    rows: changes.upserts.length + changes.deletes.length,
  };
}
