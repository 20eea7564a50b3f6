import { types } from 'cassandra-driver';
import type { ColumnType, ColumnValue } from '../../../schemas/index.ts';
import { uniqueName } from '../../support/names.ts';
import { startRelay } from '../../support/relay.ts';
import type { Scope } from '../../support/scope.ts';
import { startPrivate } from '../../support/servers.ts';
import { createKeyspace, type TestKeyspace } from '../../support/sink/keyspace.ts';
import { until } from '../../support/until.ts';
import type { ContractBinding, ContractDatabase, TestColumn, TestLogin } from '../binding.ts';

export const binding: ContractBinding = {
  kind: 'cassandra',
  traits: {
    nulInText: true,
    emptyIsNull: false,
    timestampUnit: 1000n,
    // Cassandra holds more: these are the farthest days that an event can have.
    days: { first: -9_999_999, last: 9_999_999 },
  },
  open: async (scope, server) =>
    new CassandraDatabase(scope, await createKeyspace(server === undefined ? {} : { address: server.address })),
  startServer: (scope) => startPrivate(scope, 'cassandra'),
};

const cqlTypes: Readonly<Record<string, string>> = {
  string: 'text',
  int: 'int',
  long: 'bigint',
  float: 'float',
  double: 'double',
  boolean: 'boolean',
  date: 'date',
  timestamp: 'timestamp',
  'timestamp-millis': 'timestamp',
  uuid: 'uuid',
  bytes: 'blob',
  json: 'text',
};

/** A keyspace of a Cassandra. */
class CassandraDatabase implements ContractDatabase {
  readonly sinkOptions: Readonly<Record<string, unknown>>;
  /** There are neither triggers in CQL nor locks. */
  readonly audit = undefined;
  readonly lockRow = undefined;
  readonly #scope: Scope;
  readonly #keyspace: TestKeyspace;

  constructor(scope: Scope, keyspace: TestKeyspace) {
    const { kind, contactPoints, localDataCenter, user, password } = keyspace.options;
    this.sinkOptions = { kind, contactPoints, localDataCenter, user, password, keyspace: keyspace.keyspace };
    this.#scope = scope;
    this.#keyspace = keyspace;
  }

  async rows(table: string, columns: readonly TestColumn[]): Promise<ColumnValue[][]> {
    const names = columns.map(({ name }) => `"${name}"`).join(', ');
    const rows = await this.#keyspace.rows(`SELECT ${names} FROM "${table}"`);
    return rows.map((row) => columns.map(({ name }) => valueOf(row[name])));
  }

  async run(statement: string): Promise<void> {
    await this.#keyspace.rows(statement);
  }

  async createTable(name: string, keyColumns: readonly TestColumn[], valueColumns: readonly TestColumn[]) {
    const typeOf = (type: ColumnType): string => cqlTypes[type] ?? 'decimal';
    const columns = [...keyColumns, ...valueColumns].map((column) => `"${column.name}" ${typeOf(column.type)}`);
    const key = keyColumns.map((column) => `"${column.name}"`).join(', ');
    await this.run(`CREATE TABLE "${name}" (${columns.join(', ')}, PRIMARY KEY (${key}))`);
  }

  /** An index holds values of 64 KiB, and the table takes no longer ones then. */
  async createChecked(): Promise<string> {
    await this.run('CREATE TABLE persons (person_id text PRIMARY KEY, first text, age int)');
    await this.run('CREATE INDEX ON persons (first)');
    return 'x'.repeat(66_000);
  }

  readonly createLogin = async (password: string, variable: string): Promise<TestLogin> => {
    const user = uniqueName('login');
    const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
    await this.run(`CREATE ROLE ${user} WITH LOGIN = true AND PASSWORD = ${quoted(password)}`);
    await this.run(`GRANT ALL ON KEYSPACE $keyspace TO ${user}`);
    this.#scope.after(() => this.run(`DROP ROLE ${user}`).catch(() => undefined));
    // Cassandra cannot end a connection.
    const relay = await startRelay(this.#scope, Number(this.#keyspace.address.split(':')[1]));
    return {
      user,
      sinkOptions: {
        ...this.sinkOptions,
        contactPoints: [`127.0.0.1:${relay.port}`],
        user,
        password: `\${env:${variable}}`,
      },
      changePassword: async (next) => {
        // Cassandra refuses to change one twice in 5 s, and a node remembers those that it knows for a moment.
        const change = `ALTER ROLE ${user} WITH PASSWORD = ${quoted(next)}`;
        await until('a changed password', () => this.run(change).then(() => true));
        await until('the password', () => this.#keyspace.canLogIn(user, next));
      },
      endConnections: () => {
        relay.cut();
        return Promise.resolve();
      },
    };
  };
}

function valueOf(value: unknown): ColumnValue {
  if (value === null || Buffer.isBuffer(value)) return value;
  if (value instanceof Date) return BigInt(value.getTime()) * 1000n;
  // Days since the epoch, as an unsigned integer with the epoch in its middle.
  if (value instanceof types.LocalDate) return value.toBuffer().readUInt32BE() - 2 ** 31;
  if (value instanceof types.Uuid || value instanceof types.BigDecimal) return value.toString();
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value;
  throw new TypeError(`the driver gives a ${typeof value}`);
}
