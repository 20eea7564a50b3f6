import type { Client, types } from 'cassandra-driver';
import type { OffsetMove, OffsetReset, PartitionName, StoredOffset } from '../port.ts';
import { storedOffset } from '../sql/bookkeeping-rows.ts';
import { offsetStatements } from './statements.ts';

type Parameters = readonly (string | number | bigint)[];

/**
 * The rows of afterwrite_offsets of one sink. Every change is conditional (a lightweight transaction). One whose outcome
 * is not known ends in an error; whoever tries again reads the row with serial consistency first, which completes or
 * discards what was in progress.
 */
export class OffsetRows {
  readonly #client: Client;
  readonly #sink: string;
  readonly #serialRead: types.consistencies;
  readonly #statements: ReturnType<typeof offsetStatements>;

  constructor(client: Client, keyspace: string, sink: string, serialRead: types.consistencies) {
    this.#client = client;
    this.#sink = sink;
    this.#serialRead = serialRead;
    this.#statements = offsetStatements(keyspace);
  }

  async claim(
    partition: PartitionName,
    initial: { readonly clusterId: string; readonly nextOffset: bigint },
  ): Promise<StoredOffset> {
    for (;;) {
      const stored = await this.read(partition);
      if (stored === undefined) {
        const { clusterId, nextOffset } = initial;
        const first = [...this.#row(partition), clusterId, nextOffset];
        if ((await this.#apply(this.#statements.insert, first)) === 1)
          return { clusterId, nextOffset, epoch: 0n, owner: 1n, caughtUpAt: null };
        continue;
      }
      // Conditional on all that is returned: the owner before may have moved the offset since it was read.
      const owner = stored.owner + 1n;
      const takeOver = [owner, ...this.#row(partition), stored.owner, stored.epoch, stored.nextOffset];
      if ((await this.#apply(this.#statements.takeOver, takeOver)) === 1) return { ...stored, owner };
    }
  }

  async read(partition: PartitionName): Promise<StoredOffset | undefined> {
    const options = { prepare: true, consistency: this.#serialRead };
    const { rows } = await this.#client.execute(this.#statements.read, [...this.#row(partition)], options);
    return rows[0] === undefined ? undefined : storedOffset(rows[0].values());
  }

  /** What a quorum holds, in one query: a change in progress may be seen or not. */
  async readAll(): Promise<(PartitionName & StoredOffset)[]> {
    const { rows } = await this.#client.execute(this.#statements.readAll, [], { prepare: true, fetchSize: 0 });
    return rows.filter((row) => row.get('sink') === this.#sink).map((row) => storedOffset(row.values()));
  }

  async now(): Promise<Date> {
    const { rows } = await this.#client.execute(this.#statements.now, [], { prepare: true });
    const time: unknown = rows[0]?.get('now');
    if (!(time instanceof Date)) throw new Error('The node does not tell the time');
    return time;
  }

  async move({ from, to, caughtUp, owner, epoch, ...partition }: OffsetMove): Promise<number> {
    const statement = caughtUp ? this.#statements.moveToEnd : this.#statements.move;
    return await this.#apply(statement, [to, ...this.#row(partition), owner, epoch, from]);
  }

  async markCaughtUp({ to, owner, epoch, ...partition }: OffsetMove): Promise<number> {
    return await this.#apply(this.#statements.markCaughtUp, [...this.#row(partition), owner, epoch, to]);
  }

  async reset({ epoch, nextOffset, ...partition }: OffsetReset): Promise<number> {
    return await this.#apply(this.#statements.reset, [nextOffset, epoch + 1n, ...this.#row(partition), epoch]);
  }

  #row({ topic, partition }: PartitionName): [string, string, number] {
    return [this.#sink, topic, partition];
  }

  /** @returns the rows hit */
  async #apply(statement: string, parameters: Parameters): Promise<number> {
    const result = await this.#client.execute(statement, [...parameters], { prepare: true, isIdempotent: false });
    return result.wasApplied() ? 1 : 0;
  }
}
