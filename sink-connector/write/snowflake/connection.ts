import { createPrivateKey } from 'node:crypto';
import type { Binds, Connection, ConnectionOptions, RowStatement } from 'snowflake-sdk';
import { z } from 'zod';
import { resolveSecrets } from '../../../config/secrets.ts';
import { loadDriver } from '../optional-driver.ts';
import type { DialectOptions } from '../port.ts';
import { quoteName } from '../sql/quoted-name.ts';
import { classifySnowflakeError, NoAnswer } from './errors.ts';
import { textLiteral } from './names.ts';
import type { snowflake } from './options.ts';
import { Reachability } from './reachability.ts';

export type SnowflakeConfig = DialectOptions<z.output<typeof snowflake>>;

/** How long a statement waits for a lock before the transaction is tried again, s. */
const lockTimeout = 10;
/** A statement that takes longer than this, s, is ended by the server. */
const statementTimeout = 300;
/** A statement without an answer for longer than this, ms, has lost its server: the connection is given up. */
const answerTimeout = 360_000;
/** How long a connection may take to say goodbye, ms. */
const goodbyeTakes = 2000;

/**
 * What the statements of this folder rely on, whatever the account's or the user's own settings are. Names in quotes
 * keep their case, statements commit by themselves outside BEGIN, an error undoes its own statement alone, and a
 * statement whose worker is gone ends.
 */
const session = (sink: string): string =>
  `ALTER SESSION SET TIMEZONE = 'UTC', AUTOCOMMIT = TRUE, TRANSACTION_ABORT_ON_ERROR = FALSE, ` +
  `QUOTED_IDENTIFIERS_IGNORE_CASE = FALSE, ERROR_ON_NONDETERMINISTIC_MERGE = TRUE, ABORT_DETACHED_QUERY = TRUE, ` +
  `TIMESTAMP_INPUT_FORMAT = 'AUTO', DATE_INPUT_FORMAT = 'AUTO', LOCK_TIMEOUT = ${lockTimeout}, ` +
  `STATEMENT_TIMEOUT_IN_SECONDS = ${statementTimeout}, QUERY_TAG = ${textLiteral(`afterwrite ${sink}`)}`;

const textRow = z.array(z.string().nullable());
const textRows = z.array(textRow);
const namedRows = z.array(z.record(z.string(), z.unknown()));

/** A row of a result, every column of which is read as a text: the driver's numbers would round. */
export type TextRow = readonly (string | null)[];

const asTexts = ['Boolean', 'Number', 'Date', 'JSON', 'Buffer'] as const;

/** One session of Snowflake. Statements are asked one after the other. */
export class SnowflakeConnection {
  readonly #connection: Connection;
  readonly #reachability: Reachability;

  private constructor(connection: Connection, reachability: Reachability) {
    this.#connection = connection;
    this.#reachability = reachability;
  }

  /** Opens a session; references to secrets are resolved anew, so that a rotated password or key takes effect. */
  static async open(config: SnowflakeConfig, sink: string): Promise<SnowflakeConnection> {
    const driver = await loadSnowflake();
    const options = await connectionOptions(config);
    const connection = driver.createConnection(options);
    const reachability = new Reachability(options.accessUrl);
    await settled<unknown>((callback) => {
      connection.connect((error, opened) => {
        callback(error, opened);
      });
    }).catch((error: unknown) => {
      // The service does not say whose login it refuses.
      throw error instanceof Error && classifySnowflakeError(error) === 'access'
        ? Object.assign(error, { detail: `user ${options.username ?? ''}` })
        : error;
    });
    const opened = new SnowflakeConnection(connection, reachability);
    try {
      await reachability.learn();
      await opened.rows(session(sink));
      return opened;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /** Runs a statement that changes rows. @returns how many */
  async run(sqlText: string, binds: Binds = []): Promise<number> {
    return await this.#ask<number>((callback) =>
      this.#connection.execute({
        sqlText,
        binds,
        complete: (error, statement) => {
          const count = 'getNumUpdatedRows' in statement ? statement.getNumUpdatedRows() : 0;
          callback(error, count ?? 0);
        },
      }),
    );
  }

  async rows(sqlText: string, binds: Binds = []): Promise<TextRow[]> {
    const rows = await this.#ask<unknown>((callback) =>
      this.#connection.execute({
        sqlText,
        binds,
        rowMode: 'array',
        fetchAsString: [...asTexts],
        complete: (error, _, found) => {
          callback(error, found);
        },
      }),
    );
    return textRows.parse(rows);
  }

  /** The rows of a SHOW, whose columns have names and no places that stay. */
  async show(sqlText: string): Promise<Readonly<Record<string, unknown>>[]> {
    const rows = await this.#ask<unknown>((callback) =>
      this.#connection.execute({
        sqlText,
        complete: (error, _, found) => {
          callback(error, found);
        },
      }),
    );
    return namedRows.parse(rows);
  }

  /** The rows of a large result, as they come. */
  async *stream(sqlText: string): AsyncGenerator<TextRow> {
    const statement = await this.#ask<RowStatement | undefined>((callback) =>
      this.#connection.execute({
        sqlText,
        rowMode: 'array',
        fetchAsString: [...asTexts],
        streamResult: true,
        complete: (error, asked) => {
          callback(error, 'streamRows' in asked ? asked : undefined);
        },
      }),
    );
    if (statement === undefined) return;
    for await (const row of statement.streamRows()) yield textRow.parse(row);
  }

  /** Ends the session, and with it its transaction. Never throws. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, goodbyeTakes);
      const goodbye = (): void => {
        clearTimeout(late);
        resolve();
      };
      try {
        this.#connection.destroy(goodbye);
      } catch {
        goodbye();
      }
    });
  }

  async #ask<T>(statement: (callback: Callback<T>) => unknown): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new NoAnswer(`No answer within ${answerTimeout / 1000} s`));
      }, answerTimeout);
    });
    try {
      return await this.#reachability.whileReachable(Promise.race([settled(statement), late]));
    } finally {
      clearTimeout(timer);
    }
  }
}

type Callback<T> = (error: Error | null | undefined, result: T) => void;

async function settled<T>(action: (callback: Callback<T>) => unknown): Promise<T> {
  return await new Promise((resolve, reject) => {
    action((error, result) => {
      if (error === undefined || error === null) resolve(result);
      else reject(error);
    });
  });
}

/** The driver. @throws DRIVER_MISSING */
export async function loadSnowflake() {
  // It brings the client of AWS, which warns on standard error of versions of Node that it will not run on some day.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const { default: driver } = await loadDriver('snowflake', 'snowflake-sdk', () => import('snowflake-sdk'));
  // Its log would be a file in the folder where the sink was started.
  driver.configure({ logLevel: 'OFF', additionalLogToConsole: false });
  return driver;
}

async function connectionOptions(config: SnowflakeConfig): Promise<ConnectionOptions & { readonly accessUrl: string }> {
  const { account, url, user, password, privateKey, privateKeyPassphrase, role, ...place } =
    await resolveSecrets(config);
  const { warehouse, database, schema, identifiers } = place;
  return {
    account,
    accessUrl: url ?? `https://${account}.snowflakecomputing.com`,
    username: user,
    ...(privateKey === undefined
      ? password !== undefined && { password }
      : { authenticator: 'SNOWFLAKE_JWT', privateKey: plainKey(privateKey, privateKeyPassphrase) }),
    ...(role !== undefined && { role }),
    warehouse,
    database: identifiers === 'exact' ? quoteName(database) : database,
    schema: identifiers === 'exact' ? quoteName(schema) : schema,
    application: 'afterwrite',
    // Secrets are read again for each attempt, so attempts are ours.
    sfRetryMaxLoginRetries: 0,
    // A null is no text.
    representNullAsStringNull: false,
  };
}

/** The driver takes a key that is not encrypted. */
function plainKey(pem: string, passphrase: string | undefined): string {
  const key = createPrivateKey({ key: pem, format: 'pem', ...(passphrase !== undefined && { passphrase }) });
  return key.export({ format: 'pem', type: 'pkcs8' }).toString();
}
