import pg from 'pg';
import type { ColumnType, ColumnValue } from '../../../schemas/index.ts';
import { uniqueName } from '../../support/names.ts';
import type { Scope } from '../../support/scope.ts';
import { shared, startPrivate } from '../../support/servers.ts';
import { createDatabase, type TestDatabase } from '../../support/sink/database.ts';
import { until } from '../../support/until.ts';
import type { ContractBinding, ContractDatabase, HeldLock, TestColumn, TestLogin } from '../binding.ts';

export const binding: ContractBinding = {
  kind: 'postgres',
  traits: {
    nulInText: false,
    emptyIsNull: false,
    timestampUnit: 1n,
    // 4714-11-24 BC, and the last day that JavaScript's dates and four digits of a year hold.
    days: { first: -2_440_588, last: 2_932_896 },
  },
  open: async (scope, server) =>
    new PostgresDatabase(scope, await createDatabase(scope, server?.address ?? shared('postgres'))),
  startServer: (scope) => startPrivate(scope, 'postgres'),
};

const sqlTypes: Readonly<Record<string, string>> = {
  string: 'TEXT',
  int: 'INTEGER',
  long: 'BIGINT',
  float: 'REAL',
  double: 'DOUBLE PRECISION',
  boolean: 'BOOLEAN',
  date: 'DATE',
  timestamp: 'TIMESTAMPTZ',
  'timestamp-millis': 'TIMESTAMPTZ',
  uuid: 'UUID',
  bytes: 'BYTEA',
  json: 'JSONB',
};

/** A schema of a PostgreSQL. */
export class PostgresDatabase implements ContractDatabase {
  readonly sinkOptions: TestDatabase['sinkOptions'];
  readonly #scope: Scope;
  readonly #database: TestDatabase;

  constructor(scope: Scope, database: TestDatabase) {
    this.sinkOptions = database.sinkOptions;
    this.#scope = scope;
    this.#database = database;
  }

  async rows(table: string, columns: readonly TestColumn[]): Promise<ColumnValue[][]> {
    const shown = columns.map(({ name, type }, index) => `${shownAs(`"${name}"`, type)} AS c${index}`);
    const rows = await this.#database.rows(`SELECT ${shown.join(', ')} FROM $schema."${table}"`);
    return rows.map((row) => columns.map((_, index) => valueOf(row[`c${index}`])));
  }

  async run(statement: string): Promise<void> {
    await this.#database.rows(`SET search_path = $schema; ${statement}`);
  }

  async createTable(name: string, keyColumns: readonly TestColumn[], valueColumns: readonly TestColumn[]) {
    const columns = [...keyColumns, ...valueColumns].map(
      (column) => `"${column.name}" ${sqlTypes[column.type] ?? column.type.replace('decimal', 'NUMERIC')}`,
    );
    const key = keyColumns.map((column) => `"${column.name}"`).join(', ');
    await this.run(`CREATE TABLE "${name}" (${columns.join(', ')}, PRIMARY KEY (${key}))`);
  }

  async createChecked(): Promise<string> {
    await this.run('CREATE TABLE persons (person_id TEXT PRIMARY KEY, first TEXT, age INTEGER)');
    return 'a\0b';
  }

  readonly audit = async (): Promise<void> => {
    await this.run(`
      CREATE TABLE audit (seq SERIAL, person_id TEXT, v BIGINT);
      CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO ${this.#database.schema}.audit (person_id, v) VALUES (NEW.person_id, NEW.v); RETURN NULL; END $$;
      CREATE TABLE persons (person_id TEXT PRIMARY KEY, first TEXT, age INTEGER, v BIGINT);
      CREATE TRIGGER note AFTER INSERT OR UPDATE ON persons FOR EACH ROW EXECUTE FUNCTION note()`);
  };

  readonly lockRow = async (table: string, column: string, key: string): Promise<HeldLock> => {
    const client = await this.#connect();
    await client.query('BEGIN');
    const lock = async (value: string): Promise<void> => {
      await client.query(
        `SELECT FROM ${this.#database.schema}."${table}" WHERE "${column}" = ${pg.escapeLiteral(value)} FOR UPDATE`,
      );
    };
    await lock(key);
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const waiting = `FROM pg_stat_activity WHERE ${rows[0]?.pid ?? 0} = ANY (pg_blocking_pids(pid))`;
    return {
      waitedFor: async () => {
        await until('a connection that waits', async () => (await this.#database.rows(`SELECT ${waiting}`)).length > 0);
      },
      endWaiting: async () => {
        await this.#database.rows(`SELECT pg_terminate_backend(pid) ${waiting}`);
      },
      // Who has waited longest looks for deadlocks first, and ends itself.
      alsoLock: lock,
      release: async () => {
        await client.query('COMMIT');
      },
    };
  };

  readonly createLogin = async (password: string, variable: string): Promise<TestLogin> => {
    const user = uniqueName('login');
    const { url, sinkOptions } = this.#database;
    await this.#database.rows(`CREATE ROLE ${user} SUPERUSER LOGIN PASSWORD ${pg.escapeLiteral(password)}`);
    this.#scope.after(async () => {
      // Where the server is private, it went with the test.
      await this.#database.rows(`DROP OWNED BY ${user}; DROP ROLE ${user}`).catch(() => undefined);
    });
    const { host, pathname } = new URL(url);
    return {
      user,
      sinkOptions: { ...sinkOptions, url: `postgres://${user}:\${env:${variable}}@${host}${pathname}` },
      changePassword: async (next) => {
        await this.#database.rows(`ALTER ROLE ${user} PASSWORD ${pg.escapeLiteral(next)}`);
      },
      endConnections: async () => {
        await this.#database.rows(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${user}'`);
      },
    };
  };

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client(this.#database.url);
    client.on('error', () => undefined);
    await client.connect();
    this.#scope.after(() => client.end().catch(() => undefined));
    return client;
  }
}

/** SQL that gives a column as node-postgres can hand it on without loss. */
function shownAs(column: string, type: ColumnType): string {
  switch (type) {
    case 'boolean':
    case 'bytes':
      return column;
    case 'date':
      return `(${column} - DATE '1970-01-01')`;
    case 'timestamp':
    case 'timestamp-millis':
      return `(extract(epoch FROM ${column}) * 1000000)::numeric(30, 0)::text`;
    default:
      return `${column}::text`;
  }
}

function valueOf(value: unknown): ColumnValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || Buffer.isBuffer(value)) return value;
  if (typeof value === 'string') return value;
  throw new TypeError(`node-postgres gives a ${typeof value}`);
}
