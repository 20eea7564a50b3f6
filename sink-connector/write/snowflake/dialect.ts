import { AfterwriteError } from '../../../ops/errors/index.ts';
import type { Capabilities, Dialect, FailureKind, Session, SetupOptions, TargetTable } from '../port.ts';
import { SnowflakeConnection, type SnowflakeConfig } from './connection.ts';
import { classifySnowflakeError } from './errors.ts';
import { Names } from './names.ts';
import { SnowflakeSession } from './session.ts';
import { tableStatements, type TableStatements } from './statements.ts';
import { impossibleColumns, sameTables, tableProblems } from './table-check.ts';
import { doubledKeys, setUpTables } from './table-setup.ts';
import { readTableShape } from './table-shape.ts';

/** Snowflake, over the driver's own protocol. */
export class SnowflakeDialect implements Dialect {
  readonly kind = 'snowflake';
  readonly capabilities: Capabilities = { commit: 'transaction' };
  readonly #config: SnowflakeConfig;
  readonly #sink: string;
  readonly #names: Names;
  /** By table name; made from the columns' types that `prepare` saw last. */
  readonly #statements = new Map<string, TableStatements>();

  constructor(config: SnowflakeConfig, sink: string) {
    this.#config = config;
    this.#sink = sink;
    this.#names = new Names(config.identifiers, config.database, config.schema);
  }

  async connect(): Promise<Session> {
    const connection = await SnowflakeConnection.open(this.#config, this.#sink);
    return new SnowflakeSession(connection, this.#names, this.#sink, (table) => this.#statementsOf(table));
  }

  async prepare(tables: readonly TargetTable[], options: SetupOptions): Promise<readonly string[]> {
    const names = this.#names;
    const impossible = [...sameTables(names, tables), ...tables.flatMap((table) => impossibleColumns(names, table))];
    if (impossible.length > 0) return impossible;
    const connection = await SnowflakeConnection.open(this.#config, this.#sink);
    try {
      const problems = await setUpTables(connection, names, tables, options);
      const told = problems.length > 0 && options.create;
      for (const table of tables) problems.push(...(await this.#inspect(connection, table, told)));
      return problems;
    } finally {
      await connection.close();
    }
  }

  classify(error: unknown): FailureKind {
    return classifySnowflakeError(error);
  }

  /** @param told whether it was already said why tables are missing. */
  async #inspect(connection: SnowflakeConnection, table: TargetTable, told: boolean): Promise<string[]> {
    const names = this.#names;
    const shape = await readTableShape(connection, names, names.stored(table.name));
    if (shape === undefined && told) return [];
    const problems = tableProblems(names, table, shape);
    if (shape === undefined || problems.length > 0) return problems;
    // Only what was there before this sink can be there twice.
    if (!this.#statements.has(table.name)) problems.push(...(await doubledKeys(connection, names, table)));
    if (problems.length === 0) this.#statements.set(table.name, tableStatements(names, table, shape));
    return problems;
  }

  #statementsOf(table: TargetTable): TableStatements {
    const statements = this.#statements.get(table.name);
    if (statements === undefined) throw new AfterwriteError('INTERNAL', `Table ${table.name} was never prepared`);
    return statements;
  }
}
