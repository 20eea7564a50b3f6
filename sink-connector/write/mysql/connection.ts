import {
  createConnection,
  type Connection,
  type ConnectionOptions,
  type ResultSetHeader,
  type RowDataPacket,
} from 'mysql2/promise';
import { z } from 'zod';
import { resolveSecrets } from '../../../config/secrets.ts';
import type { DialectOptions } from '../port.ts';
import { told } from './errors.ts';
import type { mysql } from './options.ts';

export type MysqlConfig = DialectOptions<z.output<typeof mysql>>;

/** How long a statement waits for a lock of a row, or of a table's definition, before the transaction is tried again, s. */
const lockTimeout = 10;
/** A statement that takes longer than this, ms, has lost its server: the connection is given up. */
const queryTimeout = 300_000;

/**
 * - STRICT_ALL_TABLES: a value that does not fit is an error and never cut;
 * - NO_BACKSLASH_ESCAPES: literals.ts relies on it;
 * - NO_AUTO_VALUE_ON_ZERO: a key 0 in an AUTO_INCREMENT column stays 0.
 */
const sqlMode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION';

const textRows = z.array(z.array(z.string().nullable()));
const textRow = z.tuple([z.string()]);

/** A row of a result, every column of which is read as a text: the driver's numbers would round. */
export type TextRow = readonly (string | null)[];

/** One connection, whose session is as the statements of this folder need it. */
export class MysqlConnection {
  readonly #connection: Connection;
  /** Bytes of a statement, at most; the server closes the connection over a larger one. */
  readonly maxPacket: number;
  #broken = false;

  private constructor(connection: Connection, maxPacket: number) {
    this.#connection = connection;
    this.maxPacket = maxPacket;
  }

  /** Opens a connection; references to secrets are resolved anew, so that a rotated password takes effect. */
  static async open(config: MysqlConfig, sink: string): Promise<MysqlConnection> {
    const connection = await createConnection({
      ...(await endpoint(config)),
      charset: 'utf8mb4',
      connectTimeout: 10_000,
      connectAttributes: { program_name: `afterwrite ${sink}` },
      // Statements are whole: the driver need not look for placeholders in megabytes of them.
      queryFormat: (sql) => sql,
      // Rows are counted that a statement hits, not those that it changes; the server reads no files of ours.
      flags: ['+FOUND_ROWS', '-LOCAL_FILES', '-IGNORE_SPACE'],
    });
    // A connection that breaks while it is idle says so here only; the next statement on it fails and is tried again.
    connection.on('error', () => undefined);
    try {
      await connection.query('SET NAMES utf8mb4');
      await connection.query(
        `SET SESSION sql_mode = '${sqlMode}', time_zone = '+00:00', autocommit = 1, foreign_key_checks = 1, ` +
          `unique_checks = 1, innodb_lock_wait_timeout = ${lockTimeout}, lock_wait_timeout = ${lockTimeout}`,
      );
      await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
      const opened = new MysqlConnection(connection, Infinity);
      const [row] = await opened.rows('SELECT @@max_allowed_packet');
      return new MysqlConnection(connection, Number(textRow.parse(row)[0]));
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  /** Runs a statement without a result. @returns the rows that it hit; an upsert counts 2 where it changes a row. */
  async run(sql: string): Promise<number> {
    const [{ affectedRows }] = await this.#ask(() => this.#connection.query<ResultSetHeader>({ sql }));
    return affectedRows;
  }

  async rows(sql: string): Promise<TextRow[]> {
    const options = {
      sql,
      rowsAsArray: true,
      typeCast: (field: { string(): string | null }) => field.string(),
    };
    const [rows] = await this.#ask(() => this.#connection.query<RowDataPacket[][]>(options));
    return textRows.parse(rows);
  }

  /** Never throws. */
  async close(): Promise<void> {
    // Behind a statement that got no answer, an orderly end would wait for ever.
    if (this.#broken) this.#connection.destroy();
    else await this.#connection.end().catch(() => undefined);
  }

  async #ask<T>(statement: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    // Not the driver's own time-out: that one goes on after the connection has broken, and holds up the process's end.
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`Statement timeout: no answer within ${queryTimeout / 1000} s`));
      }, queryTimeout);
    });
    try {
      return await Promise.race([statement(), late]);
    } catch (error) {
      this.#broken = true;
      throw told(error);
    } finally {
      clearTimeout(timer);
    }
  }
}

async function endpoint(config: MysqlConfig): Promise<ConnectionOptions> {
  const ssl = await tlsOptions(config);
  if (config.url !== undefined) {
    const { hostname, port, username, password, pathname } = new URL(await resolveSecrets(config.url));
    return {
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      ...(port !== '' && { port: Number(port) }),
      user: decodeURIComponent(username),
      password: decodeURIComponent(password),
      database: decodeURIComponent(pathname.slice(1)),
      ...ssl,
    };
  }
  const { host, port, user, password, database } = config;
  const parts = await resolveSecrets({ host, port, user, password, database });
  return { ...Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined)), ...ssl };
}

/** The driver looks at the server's name in its certificate only on request. */
async function tlsOptions({ ssl }: MysqlConfig): Promise<ConnectionOptions> {
  if (ssl === undefined || ssl === false) return {};
  if (ssl === true) return { ssl: { verifyIdentity: true } };
  const { ca, cert, key, rejectUnauthorized } = await resolveSecrets(ssl);
  return {
    ssl: {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      rejectUnauthorized,
      verifyIdentity: rejectUnauthorized,
    },
  };
}
