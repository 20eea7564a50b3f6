import oracledb, { type Connection } from 'oracledb';
import type { ColumnType, ColumnValue } from '../../../schemas/index.ts';
import { uniqueName } from '../../support/names.ts';
import type { Scope } from '../../support/scope.ts';
import { shared, startPrivate } from '../../support/servers.ts';
import { until } from '../../support/until.ts';
import type { ContractBinding, ContractDatabase, HeldLock, TestColumn, TestLogin } from '../binding.ts';

export const binding: ContractBinding = {
  kind: 'oracle',
  traits: {
    nulInText: true,
    emptyIsNull: true,
    timestampUnit: 1n,
    // The years 1 to 9999.
    days: { first: -719_162, last: 2_932_896 },
  },
  open: async (scope, server) => await OracleDatabase.open(scope, server?.address ?? shared('oracle')),
  startServer: (scope) => startPrivate(scope, 'oracle'),
};

const sqlTypes: Readonly<Record<string, string>> = {
  string: 'CLOB',
  int: 'NUMBER(10)',
  long: 'NUMBER(19)',
  float: 'BINARY_FLOAT',
  double: 'BINARY_DOUBLE',
  boolean: 'NUMBER(1)',
  date: 'DATE',
  timestamp: 'TIMESTAMP(6)',
  'timestamp-millis': 'TIMESTAMP(6)',
  uuid: 'VARCHAR2(36)',
  bytes: 'BLOB',
  json: 'CLOB',
};
const keyText = 'VARCHAR2(1000 CHAR)';

/** What a user may do who has no tables of its own. */
const everywhere = ['CREATE', 'ALTER', 'SELECT', 'INSERT', 'UPDATE', 'DELETE'].map((right) => `${right} ANY TABLE`);

/** `user/password@host:port/service`, as AFTERWRITE_TEST_ORACLE says it. */
interface Address {
  readonly user: string;
  readonly password: string;
  readonly connectString: string;
}

function addressOf(text: string): Address {
  const [, user = '', password = '', connectString = ''] = /^([^/]+)\/(.+)@([^@]+)$/.exec(text) ?? [];
  return { user, password, connectString };
}

/** A user of an Oracle, gone with its tables after the test. */
export class OracleDatabase implements ContractDatabase {
  readonly sinkOptions: Readonly<Record<string, unknown>>;
  readonly #scope: Scope;
  readonly #administrator: Address;
  readonly #own: Address;

  private constructor(scope: Scope, administrator: Address, own: Address) {
    this.#scope = scope;
    this.#administrator = administrator;
    this.#own = own;
    this.sinkOptions = { kind: 'oracle', ...own };
  }

  /** @param text the address of a server, with a user that may make users */
  static async open(scope: Scope, text: string): Promise<OracleDatabase> {
    const administrator = addressOf(text);
    const user = uniqueName('sink');
    const own = { ...administrator, user, password: 'sink' };
    const database = new OracleDatabase(scope, administrator, own);
    await database.#makeUser(own, 'CREATE SESSION, CREATE TABLE, CREATE TRIGGER, UNLIMITED TABLESPACE');
    return database;
  }

  async rows(table: string, columns: readonly TestColumn[]): Promise<ColumnValue[][]> {
    const shown = columns.map(({ name, type }) => shownAs(quoted(name), type));
    const rows = await this.#ask(this.#own, `SELECT ${shown.join(', ')} FROM ${quoted(table)}`);
    return rows.map((row) => columns.map(({ type }, index) => valueOf(type, row[index])));
  }

  async run(statement: string): Promise<void> {
    await this.#ask(this.#own, statement.replace(/^(ALTER TABLE \S+ DROP) (?!COLUMN)/, '$1 COLUMN '));
  }

  async createTable(name: string, keyColumns: readonly TestColumn[], valueColumns: readonly TestColumn[]) {
    const typeOf = (type: ColumnType): string => sqlTypes[type] ?? type.replace('decimal', 'NUMBER');
    const columns = [
      ...keyColumns.map(
        (column) => `${quoted(column.name)} ${column.type === 'string' ? keyText : typeOf(column.type)}`,
      ),
      ...valueColumns.map((column) => `${quoted(column.name)} ${typeOf(column.type)}`),
    ];
    const key = keyColumns.map((column) => quoted(column.name)).join(', ');
    await this.run(`CREATE TABLE ${quoted(name)} (${columns.join(', ')}, PRIMARY KEY (${key}))`);
  }

  async createChecked(): Promise<string> {
    await this.run(`CREATE TABLE persons (person_id ${keyText} PRIMARY KEY, first NUMBER(10), age NUMBER(10))`);
    return 'no number';
  }

  readonly audit = async (): Promise<void> => {
    await this.run(
      'CREATE TABLE audit_log (seq NUMBER(19) GENERATED ALWAYS AS IDENTITY, person_id VARCHAR2(1000), v NUMBER(19))',
    );
    await this.run('CREATE VIEW "AUDIT" AS SELECT seq, person_id, v FROM audit_log');
    await this.run(`CREATE TABLE persons (person_id ${keyText} PRIMARY KEY, first CLOB, age NUMBER(10), v NUMBER(19))`);
    await this.run(
      'CREATE TRIGGER noted AFTER INSERT OR UPDATE ON persons FOR EACH ROW ' +
        'BEGIN INSERT INTO audit_log (person_id, v) VALUES (:NEW.person_id, :NEW.v); END;',
    );
  };

  readonly lockRow = async (table: string, column: string, key: string): Promise<HeldLock> => {
    const connection = await connect(this.#own);
    this.#scope.after(() => connection.close().catch(() => undefined));
    const lock = async (value: string): Promise<void> => {
      await connection.execute(`SELECT 1 FROM ${quoted(table)} WHERE ${quoted(column)} = :1 FOR UPDATE`, [value]);
    };
    await lock(key);
    const waiting = async (): Promise<readonly unknown[][]> =>
      await this.#ask(
        this.#administrator,
        'SELECT w.sid, w.serial# FROM v$session w JOIN v$session b ON b.sid = w.blocking_session ' +
          `WHERE b.username = '${this.#own.user.toUpperCase()}'`,
      );
    return {
      waitedFor: async () => {
        await until('a connection that waits', async () => (await waiting()).length > 0, { everyMs: 100 });
      },
      endWaiting: async () => {
        for (const session of await waiting()) await this.#kill(session);
      },
      alsoLock: lock,
      release: async () => {
        await connection.commit();
      },
    };
  };

  readonly createLogin = async (password: string, variable: string): Promise<TestLogin> => {
    const login = { ...this.#own, user: uniqueName('login'), password };
    await this.#makeUser(login, `CREATE SESSION, UNLIMITED TABLESPACE, ${everywhere.join(', ')}`);
    return {
      user: login.user,
      sinkOptions: { ...this.sinkOptions, user: login.user, password: `\${env:${variable}}`, schema: this.#own.user },
      changePassword: async (next) => {
        await this.#ask(this.#administrator, `ALTER USER ${login.user} IDENTIFIED BY ${quotedSecret(next)}`);
      },
      endConnections: () => this.#endConnections(login.user),
    };
  };

  async #makeUser({ user, password }: Address, rights: string): Promise<void> {
    await this.#ask(this.#administrator, `CREATE USER ${user} IDENTIFIED BY ${quotedSecret(password)}`);
    this.#scope.after(() => this.#dropUser(user).catch(() => undefined));
    await this.#ask(this.#administrator, `GRANT ${rights} TO ${user}`);
  }

  /** Sessions end a moment after their clients, and a user that has one stays. */
  async #dropUser(user: string): Promise<void> {
    await this.#endConnections(user);
    await until('a user without sessions', async () => (await this.#sessionsOf(user)).length === 0);
    await this.#ask(this.#administrator, `DROP USER ${user} CASCADE`);
  }

  async #endConnections(user: string): Promise<void> {
    for (const session of await this.#sessionsOf(user)) await this.#kill(session).catch(() => undefined);
  }

  async #sessionsOf(user: string): Promise<readonly unknown[][]> {
    const query = `SELECT sid, serial# FROM v$session WHERE username = '${user.toUpperCase()}'`;
    return await this.#ask(this.#administrator, query);
  }

  async #kill([sid, serial]: readonly unknown[]): Promise<void> {
    await this.#ask(this.#administrator, `ALTER SYSTEM KILL SESSION '${String(sid)},${String(serial)}' IMMEDIATE`);
  }

  async #ask(address: Address, sql: string): Promise<unknown[][]> {
    const connection = await connect(address);
    try {
      const { rows } = await connection.execute<unknown[]>(sql, [], {
        autoCommit: true,
        fetchTypeHandler: ({ dbType }) => fetched(dbType),
      });
      return rows ?? [];
    } finally {
      await connection.close().catch(() => undefined);
    }
  }
}

/** As texts, but for bytes and floats. */
function fetched(dbType: unknown) {
  const converter = (value: unknown): unknown => value;
  if (dbType === oracledb.DB_TYPE_NUMBER || dbType === oracledb.DB_TYPE_CLOB)
    return { type: oracledb.STRING, converter };
  return dbType === oracledb.DB_TYPE_BLOB ? { type: oracledb.BUFFER, converter } : undefined;
}

async function connect(address: Address): Promise<Connection> {
  return await oracledb.getConnection({ ...address });
}

/** Names are in upper case, as the sink makes them by default. */
function quoted(name: string): string {
  return `"${name.toUpperCase()}"`;
}

function quotedSecret(password: string): string {
  return `"${password.replaceAll('"', '""')}"`;
}

/** SQL that gives a column as the driver can hand it on without loss. */
function shownAs(column: string, type: ColumnType): string {
  if (type === 'date') return `TO_CHAR(${column}, 'YYYY-MM-DD')`;
  if (type !== 'timestamp' && type !== 'timestamp-millis') return column;
  return `TO_CHAR(${column}, 'YYYY-MM-DD"T"HH24:MI:SS.FF6')`;
}

function valueOf(type: ColumnType, value: unknown): ColumnValue {
  if (value === null || Buffer.isBuffer(value)) return value;
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') throw new TypeError(`the driver gives a ${typeof value}`);
  switch (type) {
    case 'boolean':
      return value !== '0';
    case 'date':
      return Date.parse(`${value}T00:00:00Z`) / 86_400_000;
    case 'timestamp':
    case 'timestamp-millis':
      return BigInt(Date.parse(`${value.slice(0, 19)}Z`)) * 1000n + BigInt(value.slice(20));
    default:
      return value;
  }
}
