import { AfterwriteError } from '../../../ops/errors/index.ts';
import type { Capabilities, Dialect, FailureKind, Session, SetupOptions, TargetTable } from '../port.ts';
import { MysqlConnection, type MysqlConfig } from './connection.ts';
import { classifyMysqlError } from './errors.ts';
import { MysqlSession } from './session.ts';
import { tableStatements, type TableStatements } from './statements.ts';
import { tableProblems } from './table-check.ts';
import { keyCollation, setUpTables } from './table-setup.ts';
import { readTableShape } from './table-shape.ts';

/** MySQL 8.0.17 and later, MariaDB 10.6 and later. Every statement is one that both take. */
export class MysqlDialect implements Dialect {
  readonly kind = 'mysql';
  readonly capabilities: Capabilities = { commit: 'transaction' };
  readonly #config: MysqlConfig;
  readonly #sink: string;
  /** By table name. */
  readonly #statements = new Map<string, TableStatements>();

  constructor(config: MysqlConfig, sink: string) {
    this.#config = config;
    this.#sink = sink;
  }

  async connect(): Promise<Session> {
    const connection = await MysqlConnection.open(this.#config, this.#sink);
    return new MysqlSession(connection, this.#sink, (table) => this.#statementsOf(table));
  }

  async prepare(tables: readonly TargetTable[], options: SetupOptions): Promise<readonly string[]> {
    const connection = await MysqlConnection.open(this.#config, this.#sink);
    try {
      const collation = await keyCollation(connection);
      if (collation === undefined) {
        return ['This server has no collation that tells all keys apart: use MySQL 8.0.17, MariaDB 10.6, or later'];
      }
      const problems = await setUpTables(connection, tables, collation, options);
      const told = problems.length > 0 && options.create;
      const needs = { collation, acceptUniqueKeys: this.#config.acceptUniqueKeys };
      for (const table of tables) {
        const shape = await readTableShape(connection, table.name);
        // Why it is missing was already said.
        const found = shape === undefined && told ? [] : tableProblems(table, shape, needs);
        problems.push(...found);
        if (shape !== undefined && found.length === 0) this.#statements.set(table.name, tableStatements(table));
      }
      return problems;
    } finally {
      await connection.close();
    }
  }

  classify(error: unknown): FailureKind {
    return classifyMysqlError(error);
  }

  #statementsOf(table: TargetTable): TableStatements {
    const statements = this.#statements.get(table.name);
    if (statements === undefined) throw new AfterwriteError('INTERNAL', `Table ${table.name} was never prepared`);
    return statements;
  }
}
