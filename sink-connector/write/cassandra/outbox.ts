import type { Client } from 'cassandra-driver';
import type { OutboxRow, PartitionName } from '../port.ts';
import { outboxRow } from '../sql/bookkeeping-rows.ts';
import { told } from './errors.ts';
import { eachInFlight } from './in-flight.ts';
import { outboxStatements } from './statements.ts';

/** The rows of afterwrite_acknowledgements of one sink. */
export class OutboxRows {
  readonly #client: Client;
  readonly #sink: string;
  readonly #concurrency: number;
  readonly #statements: ReturnType<typeof outboxStatements>;

  constructor(client: Client, keyspace: string, sink: string, concurrency: number) {
    this.#client = client;
    this.#sink = sink;
    this.#concurrency = concurrency;
    this.#statements = outboxStatements(keyspace);
  }

  async keep({ topic, partition }: PartitionName, rows: readonly OutboxRow[]): Promise<void> {
    const parametersOf = ({ offset, version, entry }: OutboxRow) => [
      ...[this.#sink, topic, partition],
      ...[offset, version, entry, version],
    ];
    await this.#each(
      rows.filter(({ offset }) => offset >= 0n),
      this.#statements.keep,
      parametersOf,
    );
    await this.#each(
      rows.filter(({ offset }) => offset < 0n),
      this.#statements.keep,
      parametersOf,
    );
  }

  async read({ topic, partition }: PartitionName, limit: number): Promise<OutboxRow[]> {
    const { rows } = await this.#client.execute(this.#statements.read, [this.#sink, topic, partition, limit], {
      prepare: true,
      fetchSize: limit,
    });
    return rows.map((row) => outboxRow(row.values()));
  }

  async drop({ topic, partition }: PartitionName, rows: readonly OutboxRow[]): Promise<void> {
    await this.#each(rows, this.#statements.drop, ({ offset, version }) => [
      ...[version, this.#sink, topic, partition],
      offset,
    ]);
  }

  async #each(
    rows: readonly OutboxRow[],
    statement: string,
    parametersOf: (row: OutboxRow) => readonly (string | number | bigint)[],
  ): Promise<void> {
    try {
      await eachInFlight(rows, this.#concurrency, async (row) => {
        await this.#client.execute(statement, [...parametersOf(row)], { prepare: true, isIdempotent: true });
      });
    } catch (error) {
      throw told(error);
    }
  }
}
