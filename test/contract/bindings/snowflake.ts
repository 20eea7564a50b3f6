import type { Binds, Connection } from 'snowflake-sdk';
import { z } from 'zod';
import { resolveSecrets } from '../../../config/secrets.ts';
import type { ColumnType, ColumnValue } from '../../../schemas/index.ts';
import { loadSnowflake } from '../../../sink-connector/write/snowflake/connection.ts';
import { uniqueName } from '../../support/names.ts';
import type { Scope } from '../../support/scope.ts';
import { shared, startPrivate } from '../../support/servers.ts';
import type { ContractBinding, ContractDatabase, TestColumn, TestLogin } from '../binding.ts';

const driver = await loadSnowflake();

/** AFTERWRITE_TEST_SNOWFLAKE: the address of the emulator, or, as JSON, the options of a sink on an account. */
const accountOptions = z.object({
  account: z.string(),
  url: z.string().optional(),
  user: z.string(),
  password: z.string().optional(),
  privateKey: z.string().optional(),
  role: z.string().optional(),
  warehouse: z.string(),
  database: z.string(),
});
type AccountOptions = z.infer<typeof accountOptions>;

/** Whether the server is the emulator: some tests are about what only it lets itself be told. */
export function isEmulated(settings: string): boolean {
  return !settings.startsWith('{');
}

/** Where a server is, as the options of a sink. */
export function optionsOf(settings: string): AccountOptions {
  if (!isEmulated(settings)) return accountOptions.parse(JSON.parse(settings));
  const login = { user: 'afterwrite', password: 'afterwrite', warehouse: 'TEST' };
  return { account: 'emulator', url: settings, ...login, database: 'AFTERWRITE' };
}

export const binding: ContractBinding = {
  kind: 'snowflake',
  traits: {
    nulInText: true,
    emptyIsNull: false,
    timestampUnit: 1n,
    // The years 1582, when the Gregorian calendar began, to 9999: those that Snowflake's manual warrants.
    days: { first: -141_427, last: 2_932_896 },
    decimalScale: 37,
  },
  open: async (scope, server) =>
    server === undefined
      ? await SnowflakeDatabase.open(scope, shared('snowflake'))
      : await SnowflakeDatabase.open(scope, server.address, { goesWithServer: true }),
  startServer: (scope) => startPrivate(scope, 'snowflake'),
};

const sqlTypes: Readonly<Record<string, string>> = {
  string: 'VARCHAR',
  int: 'INTEGER',
  long: 'INTEGER',
  float: 'FLOAT',
  double: 'FLOAT',
  boolean: 'BOOLEAN',
  date: 'DATE',
  timestamp: 'TIMESTAMP_TZ',
  'timestamp-millis': 'TIMESTAMP_TZ',
  uuid: 'VARCHAR(36)',
  bytes: 'BINARY',
  json: 'VARIANT',
};

/** A schema of the emulator, or of an account, gone after the test. */
export class SnowflakeDatabase implements ContractDatabase {
  readonly sinkOptions: Readonly<Record<string, unknown>>;
  readonly schema: string;
  readonly #scope: Scope;
  readonly #options: AccountOptions;
  readonly #emulated: boolean;
  #connection: Promise<Connection> | undefined;

  private constructor(scope: Scope, settings: string, schema: string) {
    this.#scope = scope;
    this.#options = optionsOf(settings);
    this.#emulated = isEmulated(settings);
    this.schema = schema;
    this.sinkOptions = { kind: 'snowflake', ...this.#options, schema };
  }

  /**
   * @param settings the emulator's address, or an account: see `optionsOf`
   * @param goesWithServer the server ends before the test does, and all of its data with it
   */
  static async open(scope: Scope, settings: string, { goesWithServer = false } = {}): Promise<SnowflakeDatabase> {
    const database = new SnowflakeDatabase(scope, settings, uniqueName('sink').toUpperCase());
    await database.run(`CREATE SCHEMA IF NOT EXISTS ${database.#schemaName}`);
    scope.after(async () => {
      if (!goesWithServer)
        await database.run(`DROP SCHEMA IF EXISTS ${database.#schemaName} CASCADE`).catch(() => undefined);
      await database.#disconnect();
    });
    return database;
  }

  get #schemaName(): string {
    return `${this.#options.database}.${this.schema}`;
  }

  async rows(table: string, columns: readonly TestColumn[]): Promise<ColumnValue[][]> {
    const shown = columns.map(({ name, type }) => shownAs(quoted(name), type));
    const tables = table === 'afterwrite_offsets' ? await this.#offsetsTables() : [table.toUpperCase()];
    const selects = tables.map((name) => `SELECT ${shown.join(', ')} FROM ${this.#schemaName}."${name}"`);
    if (selects.length === 0) return [];
    const rows = await this.#rows(selects.join(' UNION ALL '));
    return rows.map((row) => columns.map(({ type }, index) => valueOf(type, row[index] ?? null)));
  }

  async run(statement: string): Promise<void> {
    await this.#rows(statement);
  }

  /** Runs a statement. @returns its rows, every column as a text */
  async query(statement: string, binds: Binds = []): Promise<(string | null)[][]> {
    return await this.#rows(statement, binds);
  }

  async createTable(name: string, keyColumns: readonly TestColumn[], valueColumns: readonly TestColumn[]) {
    const columns = [
      ...keyColumns.map((column) => `${quoted(column.name)} ${typeOf(column.type)} NOT NULL`),
      ...valueColumns.map((column) => `${quoted(column.name)} ${typeOf(column.type)}`),
    ];
    const key = keyColumns.map((column) => quoted(column.name)).join(', ');
    await this.run(`CREATE TABLE ${quoted(name)} (${columns.join(', ')}, PRIMARY KEY (${key}))`);
  }

  async createChecked(): Promise<string> {
    await this.run('CREATE TABLE persons (person_id VARCHAR PRIMARY KEY, first INTEGER, age INTEGER)');
    return 'no number';
  }

  /** There are no triggers. */
  readonly audit = undefined;

  /** A table is locked, and not a row. */
  readonly lockRow = undefined;

  get createLogin() {
    return this.#emulated ? this.#createLogin : undefined;
  }

  readonly #createLogin = async (password: string, variable: string): Promise<TestLogin> => {
    const user = uniqueName('LOGIN').toUpperCase();
    const setPassword = async (verb: string, next: string): Promise<void> => {
      await this.run(`${verb} PASSWORD = '${next.replaceAll("'", "''")}'`);
    };
    await setPassword(`CREATE USER ${user}`, password);
    this.#scope.after(() => this.run(`DROP USER ${user}`).catch(() => undefined));
    return {
      user,
      sinkOptions: { ...this.sinkOptions, user, password: `\${env:${variable}}` },
      changePassword: (next) => setPassword(`ALTER USER ${user} SET`, next),
      // No statement of Snowflake, but one of the emulator.
      endConnections: () => this.run(`ALTER USER ${user} END SESSIONS`),
    };
  };

  async #offsetsTables(): Promise<string[]> {
    const rows = await this.#rows(
      `SELECT TABLE_NAME FROM ${this.#options.database}.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = '${this.schema}'`,
    );
    return rows.map(([name]) => name ?? '').filter((name) => name.startsWith('AFTERWRITE_OFFSETS_'));
  }

  /** On the connection of before, or another one where its server was killed since. */
  async #rows(sqlText: string, binds: Binds = []): Promise<(string | null)[][]> {
    this.#connection ??= this.#connect();
    try {
      return await execute(await this.#connection, sqlText, binds);
    } catch (error) {
      if (!isLost(error)) throw error;
      this.#connection = this.#connect();
      return await execute(await this.#connection, sqlText, binds);
    }
  }

  async #connect(): Promise<Connection> {
    const { url, user, privateKey, password, ...rest } = await resolveSecrets(this.#options);
    const connection = driver.createConnection({
      ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
      account: rest.account,
      accessUrl: url ?? `https://${rest.account}.snowflakecomputing.com`,
      username: user,
      schema: this.schema,
      representNullAsStringNull: false,
      sfRetryMaxLoginRetries: 0,
      ...(password !== undefined && { password }),
      ...(privateKey !== undefined && { authenticator: 'SNOWFLAKE_JWT', privateKey }),
    });
    await new Promise<void>((resolve, reject) => {
      connection.connect((error) => {
        if (error) reject(error);
        else resolve();
      });
    });
    return connection;
  }

  async #disconnect(): Promise<void> {
    const connection = await this.#connection?.catch(() => undefined);
    if (connection === undefined) return;
    await new Promise<void>((resolve) => {
      connection.destroy(() => {
        resolve();
      });
    });
  }
}

const textRows = z.array(z.array(z.string().nullable()));

async function execute(connection: Connection, sqlText: string, binds: Binds): Promise<(string | null)[][]> {
  return await new Promise((resolve, reject) => {
    connection.execute({
      sqlText,
      binds,
      rowMode: 'array',
      fetchAsString: ['Boolean', 'Number', 'Date', 'JSON', 'Buffer'],
      complete: (error, _, rows) => {
        if (error) reject(error);
        else resolve(textRows.parse(rows ?? []));
      },
    });
  });
}

/** Sessions do not outlive the emulator. */
function isLost(error: unknown): boolean {
  return error instanceof Error && 'code' in error && [401001, 401004, 407002].includes(Number(error.code));
}

function quoted(name: string): string {
  return `"${name.toUpperCase()}"`;
}

function typeOf(type: ColumnType): string {
  return sqlTypes[type] ?? type.replace('decimal', 'NUMBER');
}

/** SQL that gives a column as a text without loss. */
function shownAs(column: string, type: ColumnType): string {
  switch (type) {
    case 'bytes':
      return `HEX_ENCODE(${column})`;
    case 'timestamp':
    case 'timestamp-millis':
      return `TO_VARCHAR(DATE_PART(EPOCH_MICROSECOND, ${column}))`;
    case 'json':
      return `TO_JSON(${column})`;
    default:
      return `TO_VARCHAR(${column})`;
  }
}

function valueOf(type: ColumnType, value: string | null): ColumnValue {
  if (value === null) return null;
  switch (type) {
    case 'boolean':
      return value === 'true';
    case 'bytes':
      return Buffer.from(value, 'hex');
    case 'float':
    case 'double':
      return Number(value);
    case 'date':
      return Date.parse(`${value}T00:00:00Z`) / 86_400_000;
    default:
      return value;
  }
}
