import type pg from 'pg';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import type { Capabilities, Dialect, FailureKind, Session, SetupOptions, TargetTable } from '../port.ts';
import { connect, type PostgresConfig } from './connection.ts';
import { classifyPostgresError } from './errors.ts';
import { PostgresSession } from './session.ts';
import { tableStatements, type TableStatements } from './statements.ts';
import { tableProblems } from './table-check.ts';
import { addMissingColumns, createMissingTables } from './table-setup.ts';
import { readTableShape } from './table-shape.ts';

/** PostgreSQL 12 and later. */
export class PostgresDialect implements Dialect {
  readonly kind = 'postgres';
  readonly capabilities: Capabilities = { commit: 'transaction' };
  readonly #config: PostgresConfig;
  readonly #sink: string;
  /** By table name; made from the columns' types that `prepare` saw last. */
  readonly #statements = new Map<string, TableStatements>();

  constructor(config: PostgresConfig, sink: string) {
    this.#config = config;
    this.#sink = sink;
  }

  async connect(): Promise<Session> {
    const client = await connect(this.#config, this.#sink);
    return new PostgresSession(client, this.#config.schema, this.#sink, (table) => this.#statementsOf(table));
  }

  async prepare(tables: readonly TargetTable[], { create, evolve }: SetupOptions): Promise<readonly string[]> {
    const client = await connect(this.#config, this.#sink);
    try {
      const problems = await createMissingTables(client, this.#config.schema, tables, create);
      if (evolve) problems.push(...(await addMissingColumns(client, this.#config.schema, tables)));
      for (const table of tables) problems.push(...(await this.#inspect(client, table, problems.length > 0 && create)));
      return problems;
    } finally {
      client.end().catch(() => undefined);
    }
  }

  classify(error: unknown): FailureKind {
    return classifyPostgresError(error);
  }

  /** @param told whether it was already said why tables are missing. */
  async #inspect(client: pg.Client, table: TargetTable, told: boolean): Promise<string[]> {
    const { schema } = this.#config;
    const shape = await readTableShape(client, schema, table.name);
    if (shape === undefined && told) return [];
    const problems = tableProblems(schema, table, shape);
    if (shape === undefined || problems.length > 0) return problems;
    const types = new Map([...shape.columns.values()].map(({ name, type }) => [name, type]));
    this.#statements.set(table.name, tableStatements(schema, table, types));
    return [];
  }

  #statementsOf(table: TargetTable): TableStatements {
    const statements = this.#statements.get(table.name);
    if (statements === undefined) throw new AfterwriteError('INTERNAL', `Table ${table.name} was never prepared`);
    return statements;
  }
}
