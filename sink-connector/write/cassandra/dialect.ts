import type { Client } from 'cassandra-driver';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import type { Capabilities, Dialect, FailureKind, Session, SetupOptions, TargetTable } from '../port.ts';
import { connect, serialRead, type CassandraConfig } from './connection.ts';
import { classifyCassandraError } from './errors.ts';
import { OffsetRows } from './offset-rows.ts';
import { OutboxRows } from './outbox.ts';
import { RowStatements } from './row-statements.ts';
import { CassandraSession } from './session.ts';
import { tableProblems } from './table-check.ts';
import { setUpTables } from './table-setup.ts';
import { readTableShape } from './table-shape.ts';

/** Cassandra 4.0 and later. */
export class CassandraDialect implements Dialect {
  readonly kind = 'cassandra';
  readonly capabilities: Capabilities = { commit: 'timestamp' };
  readonly #config: CassandraConfig;
  readonly #sink: string;
  /** By table name; made from the columns' types that `prepare` saw last. */
  readonly #rows = new Map<string, RowStatements>();

  constructor(config: CassandraConfig, sink: string) {
    this.#config = config;
    this.#sink = sink;
  }

  async connect(): Promise<Session> {
    const client = await connect(this.#config, this.#sink);
    const { keyspace, concurrency } = this.#config;
    const offsets = new OffsetRows(client, keyspace, this.#sink, serialRead(this.#config));
    const outbox = new OutboxRows(client, keyspace, this.#sink, concurrency);
    return new CassandraSession(client, { offsets, outbox }, concurrency, (table) => this.#rowsOf(table));
  }

  async prepare(tables: readonly TargetTable[], options: SetupOptions): Promise<readonly string[]> {
    const client = await connect(this.#config, this.#sink);
    try {
      const problems = await setUpTables(client, this.#config, tables, options);
      const told = problems.length > 0;
      for (const table of tables) problems.push(...(await this.#inspect(client, table, told)));
      return problems;
    } finally {
      await client.close();
    }
  }

  classify(error: unknown): FailureKind {
    return classifyCassandraError(error);
  }

  /** @param told whether it was already said what is missing. */
  async #inspect(client: Client, table: TargetTable, told: boolean): Promise<string[]> {
    const { keyspace, nulls, ttl } = this.#config;
    const shape = await readTableShape(client, keyspace, table.name);
    if (shape === undefined && told) return [];
    const problems = tableProblems(keyspace, table, shape);
    if (ttl === 'expiry' && table.expiryColumn === undefined) {
      problems.push(
        `The mapping ${table.mapping} does not tell when its keys expire, as ttl: expiry asks for: give it an ` +
          `expiryColumn, or leave it out of this sink's mappings`,
      );
    }
    if (shape === undefined || problems.length > 0) return problems;
    const types = new Map([...shape.columns.values()].map(({ name, type }) => [name, type]));
    this.#rows.set(table.name, new RowStatements(keyspace, table, types, { nulls, ttl }));
    return [];
  }

  #rowsOf(table: TargetTable): RowStatements {
    const rows = this.#rows.get(table.name);
    if (rows === undefined) throw new AfterwriteError('INTERNAL', `Table ${table.name} was never prepared`);
    return rows;
  }
}
