import { AfterwriteError } from '../../../ops/errors/index.ts';
import type { Capabilities, Dialect, FailureKind, Session, SetupOptions, TargetTable } from '../port.ts';
import { OracleConnection, type OracleConfig } from './connection.ts';
import { classifyOracleError } from './errors.ts';
import { namingOf } from './names.ts';
import { RowBinder } from './rows.ts';
import { OracleSession, type PreparedTable } from './session.ts';
import { tableStatements } from './statements.ts';
import { tableProblems, type Making } from './table-check.ts';
import { setUpTables } from './table-setup.ts';
import { readCharset, readPlace, readTableShape } from './table-shape.ts';

/** Oracle Database 19c and later, by the driver's thin mode. */
export class OracleDialect implements Dialect {
  readonly kind = 'oracle';
  readonly capabilities: Capabilities = { commit: 'transaction' };
  readonly #config: OracleConfig;
  readonly #sink: string;
  readonly #making: Making;
  /** By table name. */
  readonly #prepared = new Map<string, PreparedTable>();

  constructor(config: OracleConfig, sink: string) {
    this.#config = config;
    this.#sink = sink;
    this.#making = { naming: namingOf(config.names), textLength: config.textLength };
  }

  async connect(): Promise<Session> {
    const connection = await OracleConnection.open(this.#config, this.#sink);
    return new OracleSession(connection, this.#sink, (table) => this.#preparedOf(table));
  }

  async prepare(tables: readonly TargetTable[], options: SetupOptions): Promise<readonly string[]> {
    const connection = await OracleConnection.open(this.#config, this.#sink);
    try {
      const charset = await readCharset(connection);
      if (charset !== 'AL32UTF8') {
        return [
          `The character set of this database is ${charset}, which cannot hold every text: it has to be AL32UTF8`,
        ];
      }
      const place = await readPlace(connection);
      const problems = await setUpTables(connection, place, tables, this.#making, options);
      const told = problems.length > 0 && options.create;
      for (const table of tables) {
        const shape = await readTableShape(connection, place, this.#making.naming.stored(table.name));
        // Why it is missing was already said.
        const found = shape === undefined && told ? [] : tableProblems(table, shape, this.#making);
        problems.push(...found);
        if (shape !== undefined && found.length === 0) this.#prepare(table);
      }
      return problems;
    } finally {
      await connection.close();
    }
  }

  classify(error: unknown): FailureKind {
    return classifyOracleError(error);
  }

  #prepare(table: TargetTable): void {
    const statements = tableStatements(table, this.#making.naming);
    this.#prepared.set(table.name, { statements, binder: new RowBinder(table, this.#config) });
  }

  #preparedOf(table: TargetTable): PreparedTable {
    const prepared = this.#prepared.get(table.name);
    if (prepared === undefined) throw new AfterwriteError('INTERNAL', `Table ${table.name} was never prepared`);
    return prepared;
  }
}
