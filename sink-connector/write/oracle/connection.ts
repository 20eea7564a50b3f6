import type oracledb from 'oracledb';
import type { z } from 'zod';
import { resolveSecrets } from '../../../config/secrets.ts';
import { loadDriver } from '../optional-driver.ts';
import type { DialectOptions } from '../port.ts';
import { classifyOracleError, OracleError, told } from './errors.ts';
import { namingOf, type Naming } from './names.ts';
import type { oracle } from './options.ts';
import type { BindKind, BindValue } from './types.ts';

export type OracleConfig = DialectOptions<z.output<typeof oracle>>;

type Driver = typeof oracledb;

/** A statement that takes longer than this, ms, is given up with its connection: Oracle waits for locks without end. */
const callTimeout = 300_000;

/** What the statements of this folder rely on. */
export const sessionSettings =
  "ALTER SESSION SET NLS_NUMERIC_CHARACTERS = '.,' NLS_CALENDAR = 'GREGORIAN' NLS_COMP = BINARY NLS_SORT = BINARY " +
  "TIME_ZONE = '+00:00'";

/** What unqualified names mean in a session. */
export function setSchema(schema: string, naming: Naming): string {
  return `ALTER SESSION SET CURRENT_SCHEMA = ${naming.quoted(schema)}`;
}

/** Bytes of a text and of bytes in a bind of SQL, at most; larger ones are sent as LOBs. */
export const longestText = 4000;
export const longestBytes = 2000;
/** The server keeps a plan for each of few lengths of binds, and not for each batch's own. */
const lengths: readonly number[] = [128, 1000, longestText];

/** A column of binds. */
export interface BindColumn {
  readonly kind: BindKind | 'clob' | 'blob';
  /** Bytes of the largest text. */
  readonly size: number;
}

/** A value as a query gives it: numbers as texts. */
export type ResultValue = string | Date | Buffer | null;

/** One connection, whose session is as the statements of this folder need it. */
export class OracleConnection {
  readonly #driver: Driver;
  readonly #connection: oracledb.Connection;

  private constructor(driver: Driver, connection: oracledb.Connection) {
    this.#driver = driver;
    this.#connection = connection;
  }

  /** Opens a connection; references to secrets are resolved anew, so that a rotated password takes effect. */
  static async open(config: OracleConfig, sink: string): Promise<OracleConnection> {
    const { default: driver } = await loadDriver('oracle', 'oracledb', () => import('oracledb'));
    const { connectString, user, password, walletLocation, walletPassword } = config;
    const address = await resolveSecrets({ connectString, user, password, walletLocation, walletPassword });
    try {
      const connection = await driver.getConnection({
        connectString: address.connectString,
        user: address.user,
        password: address.password,
        ...(address.walletLocation !== undefined && { walletLocation: address.walletLocation }),
        ...(address.walletPassword !== undefined && { walletPassword: address.walletPassword }),
        transportConnectTimeout: 10,
        // Minutes between two signs of life, or a connection whose server is gone would be waited for.
        expireTime: 1,
      });
      const opened = new OracleConnection(driver, connection);
      try {
        connection.callTimeout = callTimeout;
        connection.module = `afterwrite ${sink}`;
        await opened.run(sessionSettings);
        if (config.schema !== undefined) await opened.run(setSchema(config.schema, namingOf(config.names)));
        return opened;
      } catch (error) {
        await opened.close();
        throw error;
      }
    } catch (error) {
      throw withLogin(error, address.user);
    }
  }

  /** Runs a statement without a result. @returns the rows that it hit */
  async run(sql: string, binds: readonly BindValue[] = []): Promise<number> {
    const { rowsAffected } = await this.#ask(() => this.#connection.execute(sql, [...binds]));
    return rowsAffected ?? 0;
  }

  /**
   * Runs a statement once for each row. Rows that the database does not take leave the others be, which a rollback has
   * to undo.
   * @throws OracleError of the first row that is refused for what is no fault of its own; else of the first one at all
   */
  async runEach(sql: string, columns: readonly BindColumn[], rows: readonly (readonly BindValue[])[]): Promise<void> {
    const options = { bindDefs: columns.map((column) => this.#bindOf(column)), batchErrors: true };
    const { batchErrors = [] } = await this.#ask(() =>
      this.#connection.executeMany(
        sql,
        rows.map((row) => [...row]),
        options,
      ),
    );
    const errors = batchErrors.map(told);
    const error = errors.find((each) => classifyOracleError(each) !== 'data') ?? errors[0];
    if (error !== undefined) throw error;
  }

  /** Rows of a query, with numbers as texts, since the driver's would round, and CLOBs as texts. */
  async rows(sql: string, binds: readonly BindValue[] = []): Promise<ResultValue[][]> {
    const text = this.#driver.STRING;
    const { rows = [] } = await this.#ask(() =>
      this.#connection.execute<ResultValue[]>(sql, [...binds], {
        fetchArraySize: 1000,
        prefetchRows: 1000,
        fetchTypeHandler: ({ dbType }) =>
          dbType === this.#driver.DB_TYPE_NUMBER
            ? { type: text, converter: (value) => value }
            : dbType === this.#driver.DB_TYPE_CLOB
              ? { type: text }
              : undefined,
      }),
    );
    return rows;
  }

  async commit(): Promise<void> {
    await this.#ask(() => this.#connection.commit());
  }

  async rollback(): Promise<void> {
    await this.#ask(() => this.#connection.rollback());
  }

  /** Never throws. */
  async close(): Promise<void> {
    await this.#connection.close().catch(() => undefined);
  }

  #bindOf({ kind, size }: BindColumn): oracledb.BindDefinition {
    const driver = this.#driver;
    switch (kind) {
      case 'text':
        return { type: driver.STRING, maxSize: lengths.find((length) => size <= length) ?? longestText };
      case 'bytes':
        return { type: driver.BUFFER, maxSize: longestBytes };
      case 'clob':
        return { type: driver.DB_TYPE_CLOB };
      case 'blob':
        return { type: driver.DB_TYPE_BLOB };
      case 'number':
        return { type: driver.NUMBER };
      case 'float':
        return { type: driver.DB_TYPE_BINARY_FLOAT };
      case 'double':
        return { type: driver.DB_TYPE_BINARY_DOUBLE };
    }
  }

  async #ask<T>(statement: () => Promise<T>): Promise<T> {
    try {
      return await statement();
    } catch (error) {
      throw told(error);
    }
  }
}

/** The server does not say whose login it refuses. */
function withLogin(error: unknown, user: string): unknown {
  const named = told(error);
  return named instanceof OracleError && classifyOracleError(named) === 'access'
    ? new OracleError(`${named.message} (user ${user})`, named.code, error)
    : named;
}
