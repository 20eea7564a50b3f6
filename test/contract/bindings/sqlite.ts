import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import type { ColumnType, ColumnValue } from '../../../schemas/index.ts';
import type { Scope } from '../../support/scope.ts';
import type { ContractBinding, ContractDatabase, TestColumn } from '../binding.ts';

export const binding: ContractBinding = {
  kind: 'sqlite',
  traits: {
    nulInText: true,
    emptyIsNull: false,
    timestampUnit: 1n,
    // The years 0 to 9999, which SQLite's own functions read.
    days: { first: -719_528, last: 2_932_896 },
  },
  open: (scope) => Promise.resolve(new SqliteDatabase(scope)),
  startServer: undefined,
};

const sqlTypes: Readonly<Record<string, string>> = {
  string: 'TEXT',
  int: 'INT',
  long: 'BIGINT',
  float: 'REAL',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  date: 'DATE',
  timestamp: 'DATETIME',
  'timestamp-millis': 'TIMESTAMP',
  uuid: 'CHAR(36)',
  bytes: 'BLOB',
  json: 'TEXT',
};

class SqliteDatabase implements ContractDatabase {
  readonly sinkOptions: { readonly kind: 'sqlite'; readonly path: string };
  readonly lockRow = undefined;
  readonly createLogin = undefined;
  /** One for all that a test asks: the driver closes a connection only when the statements on it are collected, too. */
  readonly #database: Database.Database;

  constructor(scope: Scope) {
    const folder = mkdtempSync(join(tmpdir(), 'afterwrite-sqlite-'));
    scope.after(() => rm(folder, { recursive: true, force: true }));
    this.sinkOptions = { kind: 'sqlite', path: join(folder, 'sink.db') };
    this.#database = new Database(this.sinkOptions.path);
    scope.after(() => {
      this.#database.close();
      return Promise.resolve();
    });
    // The file is there, as a schema of a server would be.
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 10000');
  }

  rows(table: string, columns: readonly TestColumn[]): Promise<ColumnValue[][]> {
    const shown = columns.map(({ name, type }) => shownAs(`"${name}"`, type));
    const rows = this.#database
      // A name in double quotes that is no column would be a text, were it not for the table's name.
      .prepare(`SELECT ${shown.join(', ')} FROM "${table}" AS t`)
      .raw()
      .safeIntegers()
      .all([]);
    return Promise.resolve(
      rows.map((row) => columns.map(({ type }, index) => valueOf(type, Array.isArray(row) ? row[index] : undefined))),
    );
  }

  run(statement: string): Promise<void> {
    this.#database.exec(statement);
    return Promise.resolve();
  }

  async createTable(name: string, keyColumns: readonly TestColumn[], valueColumns: readonly TestColumn[]) {
    const columns = [...keyColumns, ...valueColumns].map(
      (column) => `"${column.name}" ${sqlTypes[column.type] ?? 'TEXT'}`,
    );
    const key = keyColumns.map((column) => `"${column.name}"`).join(', ');
    await this.run(`CREATE TABLE "${name}" (${columns.join(', ')}, PRIMARY KEY (${key}))`);
  }

  async createChecked(): Promise<string> {
    await this.run(
      `CREATE TABLE persons (person_id TEXT PRIMARY KEY, first TEXT CHECK (first <> 'no number'), age INTEGER)`,
    );
    return 'no number';
  }

  readonly audit = async (): Promise<void> => {
    const note = 'BEGIN INSERT INTO audit (person_id, v) VALUES (NEW.person_id, NEW.v); END';
    await this.run(`
      CREATE TABLE audit (seq INTEGER PRIMARY KEY AUTOINCREMENT, person_id TEXT, v INTEGER);
      CREATE TABLE persons (person_id TEXT PRIMARY KEY, first TEXT, age INTEGER, v INTEGER);
      CREATE TRIGGER inserted AFTER INSERT ON persons ${note};
      CREATE TRIGGER updated AFTER UPDATE ON persons ${note}`);
  };
}

/** SQL that gives a column as an event has it. */
function shownAs(column: string, type: ColumnType): string {
  const of = `t.${column}`;
  switch (type) {
    case 'string':
      return `CAST(${of} AS BLOB)`;
    case 'date':
      return `unixepoch(${of}) / 86400`;
    case 'timestamp':
    case 'timestamp-millis':
      return `unixepoch(substr(${of}, 1, 19)) * 1000000 + CAST(substr(${of}, 21) AS INTEGER)`;
    default:
      return of;
  }
}

function valueOf(type: ColumnType, value: unknown): ColumnValue {
  if (value === null) return null;
  if (Buffer.isBuffer(value)) return type === 'string' ? value.toString() : value;
  if (type === 'boolean') return value === 1n;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string') return value;
  throw new TypeError(`SQLite gave a ${typeof value}`);
}
