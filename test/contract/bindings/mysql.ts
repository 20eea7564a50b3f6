import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import type { ColumnType, ColumnValue } from '../../../schemas/index.ts';
import { uniqueName } from '../../support/names.ts';
import type { Scope } from '../../support/scope.ts';
import { shared, startPrivate } from '../../support/servers.ts';
import { until } from '../../support/until.ts';
import type { ContractBinding, ContractDatabase, HeldLock, TestColumn, TestLogin } from '../binding.ts';

export const binding: ContractBinding = {
  kind: 'mysql',
  traits: {
    nulInText: true,
    emptyIsNull: false,
    timestampUnit: 1n,
    // The years 1 to 9999: a year 0 is no leap year to the server, and a longer one no date.
    days: { first: -719_162, last: 2_932_896 },
  },
  open: async (scope, server) => await MysqlDatabase.open(scope, server?.address ?? shared('mariadb')),
  startServer: (scope) => startPrivate(scope, 'mariadb'),
};

const sqlTypes: Readonly<Record<string, string>> = {
  string: 'LONGTEXT',
  int: 'INT',
  long: 'BIGINT',
  float: 'FLOAT',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  date: 'DATE',
  timestamp: 'DATETIME(6)',
  'timestamp-millis': 'DATETIME(6)',
  uuid: 'CHAR(36)',
  bytes: 'LONGBLOB',
  json: 'JSON',
};
const keyText = 'VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin';

/** A database of a MariaDB, gone after the test. */
export class MysqlDatabase implements ContractDatabase {
  readonly sinkOptions: Readonly<Record<string, unknown>>;
  readonly #scope: Scope;
  readonly #url: URL;

  private constructor(scope: Scope, url: URL) {
    this.#scope = scope;
    this.#url = url;
    this.sinkOptions = { kind: 'mysql', url: url.href };
  }

  /** @param address of a server, with its superuser */
  static async open(scope: Scope, address: string): Promise<MysqlDatabase> {
    const url = new URL(address);
    const server = new MysqlDatabase(scope, url);
    const name = uniqueName('sink');
    await server.run(`CREATE DATABASE ${name}`);
    // A test that failed may have left a transaction open: better a database too many than a test that never ends.
    const drop = `SET STATEMENT lock_wait_timeout = 10 FOR DROP DATABASE ${name}`;
    scope.after(() => server.run(drop).catch(() => undefined));
    return new MysqlDatabase(scope, new URL(`/${name}`, url));
  }

  async rows(table: string, columns: readonly TestColumn[]): Promise<ColumnValue[][]> {
    const shown = columns.map(({ name, type }) => shownAs(`\`${name}\``, type));
    const rows = await this.#rows(`SELECT ${shown.join(', ')} FROM \`${table}\``);
    return rows.map((row) => columns.map(({ type }, index) => valueOf(type, row[index])));
  }

  async run(statement: string): Promise<void> {
    await this.#rows(statement);
  }

  async createTable(name: string, keyColumns: readonly TestColumn[], valueColumns: readonly TestColumn[]) {
    const typeOf = (type: ColumnType): string => sqlTypes[type] ?? type;
    const columns = [
      ...keyColumns.map(({ name: key, type }) => `\`${key}\` ${type === 'string' ? keyText : typeOf(type)} NOT NULL`),
      ...valueColumns.map((column) => `\`${column.name}\` ${typeOf(column.type)}`),
    ];
    const key = keyColumns.map((column) => `\`${column.name}\``).join(', ');
    await this.run(`CREATE TABLE \`${name}\` (${columns.join(', ')}, PRIMARY KEY (${key}))`);
  }

  async createChecked(): Promise<string> {
    await this.run(`CREATE TABLE persons (person_id ${keyText} PRIMARY KEY, first INT, age INT)`);
    return 'no number';
  }

  readonly audit = async (): Promise<void> => {
    await this.run('CREATE TABLE audit (seq INT AUTO_INCREMENT PRIMARY KEY, person_id VARCHAR(255), v BIGINT)');
    await this.run(`CREATE TABLE persons (person_id ${keyText} PRIMARY KEY, first LONGTEXT, age INT, v BIGINT)`);
    const note = 'INSERT INTO audit (person_id, v) VALUES (NEW.person_id, NEW.v);';
    await this.run(`CREATE TRIGGER noted AFTER INSERT ON persons FOR EACH ROW ${note}`);
    // An upsert that the guard holds back assigns the row to itself.
    const same = 'NEW.v <=> OLD.v AND NEW.first <=> OLD.first AND NEW.age <=> OLD.age';
    await this.run(
      `CREATE TRIGGER changed AFTER UPDATE ON persons FOR EACH ROW BEGIN IF NOT (${same}) THEN ${note} END IF; END`,
    );
  };

  readonly lockRow = async (table: string, column: string, key: string): Promise<HeldLock> => {
    const connection = await this.#connect();
    this.#scope.after(() => connection.end().catch(() => undefined));
    await connection.query('START TRANSACTION');
    const lock = async (value: string): Promise<void> => {
      await connection.query(`SELECT 1 FROM \`${table}\` WHERE \`${column}\` = ${connection.escape(value)} FOR UPDATE`);
    };
    // InnoDB ends the transaction that has changed less.
    const weight = uniqueName('weight');
    await this.run(`CREATE TABLE ${weight} (id INT AUTO_INCREMENT PRIMARY KEY)`);
    await connection.query(`INSERT INTO ${weight} VALUES ${Array.from({ length: 100 }, () => '(NULL)').join()}`);
    await lock(key);
    const waiting = async (): Promise<unknown[]> =>
      await this.#rows(
        `SELECT r.trx_mysql_thread_id FROM information_schema.INNODB_LOCK_WAITS AS w
         JOIN information_schema.INNODB_TRX AS r ON r.trx_id = w.requesting_trx_id
         JOIN information_schema.INNODB_TRX AS b ON b.trx_id = w.blocking_trx_id
         WHERE b.trx_mysql_thread_id = ${connection.threadId}`,
      );
    return {
      waitedFor: async () => {
        // These tables are a copy that InnoDB renews only when nobody has read it for 100 ms.
        await until('a connection that waits', async () => (await waiting()).length > 0, { everyMs: 200 });
      },
      endWaiting: async () => {
        for (const id of await waiting()) await this.run(`KILL CONNECTION ${String(id)}`);
      },
      alsoLock: lock,
      release: async () => {
        await connection.query('COMMIT');
      },
    };
  };

  readonly createLogin = async (password: string, variable: string): Promise<TestLogin> => {
    const user = uniqueName('login');
    const account = `${user}@'127.0.0.1'`;
    const { host, pathname } = this.#url;
    await this.run(`CREATE USER ${account} IDENTIFIED BY '${password.replaceAll("'", "''")}'`);
    await this.run(`GRANT ALL ON ${pathname.slice(1)}.* TO ${account}`);
    this.#scope.after(() => this.run(`DROP USER ${account}`).catch(() => undefined));
    return {
      user,
      sinkOptions: { ...this.sinkOptions, url: `mysql://${user}:\${env:${variable}}@${host}${pathname}` },
      changePassword: async (next) => {
        await this.run(`ALTER USER ${account} IDENTIFIED BY '${next.replaceAll("'", "''")}'`);
      },
      endConnections: async () => {
        const ids = await this.#rows(`SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '${user}'`);
        for (const id of ids) await this.run(`KILL CONNECTION ${String(id)}`);
      },
    };
  };

  async #rows(sql: string): Promise<unknown[][]> {
    const connection = await this.#connect();
    try {
      const [rows] = await connection.query<RowDataPacket[][]>({ sql, rowsAsArray: true });
      return Array.isArray(rows) ? rows : [];
    } finally {
      connection.destroy();
    }
  }

  async #connect(): Promise<Connection> {
    const connection = await createConnection({ uri: this.#url.href, timezone: 'Z' });
    connection.on('error', () => undefined);
    return connection;
  }
}

/** SQL that gives a column as mysql2 can hand it on without loss. */
function shownAs(column: string, type: ColumnType): string {
  switch (type) {
    case 'boolean':
    case 'bytes':
      return column;
    case 'float':
    case 'double':
      // Of a FLOAT itself the server shows six digits.
      return `${column} + 0e0`;
    default:
      return `CONVERT(${column} USING utf8mb4)`;
  }
}

function valueOf(type: ColumnType, value: unknown): ColumnValue {
  if (value === null || typeof value === 'boolean' || Buffer.isBuffer(value)) return value;
  if (typeof value === 'number') return type === 'boolean' ? value !== 0 : value;
  if (typeof value !== 'string') throw new TypeError(`mysql2 gives a ${typeof value}`);
  switch (type) {
    case 'date':
      return Date.parse(`${value}T00:00:00Z`) / 86_400_000;
    case 'timestamp':
    case 'timestamp-millis': {
      const [seconds = '', fraction = '0'] = value.split('.');
      return BigInt(Date.parse(`${seconds.replace(' ', 'T')}Z`)) * 1000n + BigInt(fraction.padEnd(6, '0'));
    }
    default:
      return value;
  }
}
