import { AfterwriteError } from '../../../ops/errors/index.ts';
import type { Capabilities, Dialect, FailureKind, Session, SetupOptions, TargetTable } from '../port.ts';
import { Connection, databasePath, fileProblem } from './connection.ts';
import { classifySqliteError, resultCodes, SqliteProblem } from './errors.ts';
import type { SqliteConfig } from './options.ts';
import { SqliteSession, type TableWriting } from './session.ts';
import { tableStatements } from './statements.ts';
import { sameTables, tableProblems } from './table-check.ts';
import { makeMissing } from './table-setup.ts';
import { nameKey, readTableShape, type TableShape } from './table-shape.ts';
import { encoderOf } from './types.ts';
import { WriteTurn } from './write-lock.ts';

/** SQLite 3.37 and later, as the driver brings it. */
export class SqliteDialect implements Dialect {
  readonly kind = 'sqlite';
  readonly capabilities: Capabilities = { commit: 'transaction' };
  readonly #config: SqliteConfig;
  readonly #sink: string;
  readonly #turn = new WriteTurn();
  /** By table name; made from the columns that `prepare` saw last. */
  readonly #writing = new Map<string, TableWriting>();

  constructor(config: SqliteConfig, sink: string) {
    this.#config = config;
    this.#sink = sink;
  }

  async connect(): Promise<Session> {
    const path = await databasePath(this.#config);
    // Only `prepare` makes a file: one that is gone must not be begun anew while a sink runs.
    const problem = fileProblem(path, false);
    if (problem !== undefined) throw new SqliteProblem(resultCodes.CANTOPEN, problem);
    const connection = await Connection.open(path, this.#turn);
    return new SqliteSession(connection, this.#sink, (table) => this.#writingOf(table));
  }

  async prepare(tables: readonly TargetTable[], options: SetupOptions): Promise<readonly string[]> {
    const path = await databasePath(this.#config);
    const problem = fileProblem(path, options.create);
    if (problem !== undefined) return [problem];
    const connection = await Connection.open(path, this.#turn);
    try {
      await connection.begin();
      const problems = [...encodingProblems(connection), ...sameTables(tables)];
      if (problems.length > 0) return problems;
      problems.push(...makeMissing(connection, tables, options));
      const told = problems.length > 0 && options.create;
      for (const table of tables) problems.push(...this.#inspect(connection, table, told));
      connection.commit();
      return problems;
    } finally {
      connection.close();
    }
  }

  classify(error: unknown): FailureKind {
    return classifySqliteError(error);
  }

  /** @param told whether it was already said why tables are missing. */
  #inspect(connection: Connection, table: TargetTable, told: boolean): string[] {
    const shape = readTableShape(connection, table.name);
    if (shape === undefined && told) return [];
    const problems = tableProblems(table, shape);
    if (shape !== undefined && problems.length === 0) this.#writing.set(table.name, writing(table, shape));
    return problems;
  }

  #writingOf(table: TargetTable): TableWriting {
    const found = this.#writing.get(table.name);
    if (found === undefined) throw new AfterwriteError('INTERNAL', `Table ${table.name} was never prepared`);
    return found;
  }
}

function writing(table: TargetTable, { columns }: TableShape): TableWriting {
  const encoders = (of: TargetTable['valueColumns']) =>
    of.map(({ name, type }) => {
      const shape = columns.get(nameKey(name));
      const encoder = shape === undefined ? undefined : encoderOf(type, shape.storage);
      if (encoder === undefined)
        throw new AfterwriteError('INTERNAL', `Column ${name} of ${table.name} was not checked`);
      return encoder;
    });
  return {
    ...tableStatements(table),
    keyEncoders: encoders(table.keyColumns),
    valueEncoders: encoders(table.valueColumns),
  };
}

/** Keys are read as the bytes of their texts. */
function encodingProblems(connection: Connection): string[] {
  const encoding = connection.all('PRAGMA encoding')[0]?.[0];
  if (encoding === 'UTF-8') return [];
  return [
    `The database file holds texts as ${String(encoding)}: copy it into one that was made with PRAGMA encoding = 'UTF-8'`,
  ];
}
