import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import Database from 'libsql';
import { resolveSecrets } from '../../../config/secrets.ts';
import { AfterwriteError, reasonOf } from '../../../ops/errors/index.ts';
import { resultCodes, SqliteProblem } from './errors.ts';
import type { SqliteConfig } from './options.ts';
import { onceUnlocked, type WriteTurn } from './write-lock.ts';

/** What a parameter may be. The driver ends the process when it is given a boolean. */
export type SqlValue = string | number | bigint | Buffer | null;

export type SqlRow = readonly SqlValue[];

/**
 * FULL syncs the write-ahead log at each commit: what is committed survives a power loss. No busy_timeout: see
 * `onceUnlocked`.
 */
const settings = 'PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 0';

/** Where the file is; references to secrets are resolved anew. @throws CONFIG_INVALID */
export async function databasePath(config: SqliteConfig): Promise<string> {
  const path = await resolveSecrets(config.path);
  if (path === '' || path === ':memory:') {
    throw new AfterwriteError('CONFIG_INVALID', `The path of the SQLite database is "${path}", which names no file`);
  }
  // An absolute path is never taken for an address or for one of SQLite's special names.
  return resolve(path);
}

/** Why there is no file to open, with the remedy; undefined when there is one, or one can be made. */
export function fileProblem(path: string, create: boolean): string | undefined {
  if (existsSync(path)) return undefined;
  if (!create) return `The database file ${path} is missing: set create: true, or put it there`;
  return existsSync(dirname(path))
    ? undefined
    : `The folder of the database file ${path} is missing: run mkdir -p ${dirname(path)}`;
}

/**
 * One connection to the file, and what the driver needs to be told: rows are always read to their end, since a
 * statement that is not keeps its lock, and a transaction is rolled back before the connection is closed, since its
 * statements keep it open.
 */
export class Connection {
  readonly #database: Database.Database;
  readonly #path: string;
  readonly #file: string | undefined;
  readonly #turn: WriteTurn;
  readonly #statements = new Map<string, Database.Statement>();
  #endTurn: (() => void) | undefined;

  private constructor(path: string, turn: WriteTurn) {
    this.#path = path;
    this.#turn = turn;
    this.#database = openFile(path);
    this.#file = fileIdentity(path);
  }

  /** Opens the file, and makes it when it is missing: see `fileProblem`. */
  static async open(path: string, turn: WriteTurn): Promise<Connection> {
    const connection = new Connection(path, turn);
    try {
      const [row] = await onceUnlocked(() => connection.all('PRAGMA journal_mode = WAL'));
      if (row?.[0] !== 'wal') {
        throw new Error(`The file system of ${path} cannot hold a write-ahead log: put the file on a local disk`);
      }
      connection.exec(settings);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Begins to write, when it is this connection's turn and no other process writes. */
  async begin(): Promise<void> {
    this.#endTurn = await this.#turn.take();
    if (fileIdentity(this.#path) !== this.#file) {
      throw new SqliteProblem(resultCodes.DBMOVED, `The file ${this.#path} was moved or deleted while it was open`);
    }
    await onceUnlocked(() => {
      this.exec('BEGIN IMMEDIATE');
    });
  }

  commit(): void {
    this.exec('COMMIT');
    this.#endTurn?.();
  }

  rollback(): void {
    this.exec('ROLLBACK');
    this.#endTurn?.();
  }

  /** False after an error that made SQLite roll back by itself, such as a full disk. */
  get inTransaction(): boolean {
    // Asked about a closed connection, the driver ends the process.
    return this.#database.open && this.#database.inTransaction;
  }

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  /** Runs a statement that gives no rows. @returns how many rows it changed. */
  run(sql: string, parameters: SqlRow = []): number {
    return this.#prepared(sql).run(parameters).changes;
  }

  /** All rows of a statement. Integers are bigints; a text ends before its first NUL, so ask for a blob if one may be in it. */
  all(sql: string, parameters: SqlRow = []): SqlRow[] {
    return this.#prepared(sql).raw().safeIntegers().all(parameters).filter(isRow);
  }

  /** Never throws. */
  close(): void {
    try {
      if (this.inTransaction) this.exec('ROLLBACK');
      this.#statements.clear();
      if (this.#database.open) this.#database.close();
    } catch {
      // It is given up, whatever state it is in.
    } finally {
      this.#endTurn?.();
    }
  }

  #prepared(sql: string): Database.Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function openFile(path: string): Database.Database {
  try {
    return new Database(path);
  } catch (cause) {
    // The driver has no code for this, and SQLite no other reason.
    throw new SqliteProblem(resultCodes.CANTOPEN, `The file ${path} cannot be opened: ${reasonOf(cause)}`, cause);
  }
}

/** Tells a file from another one that takes its place. */
function fileIdentity(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? undefined : `${stat.dev} ${stat.ino}`;
}

function isRow(row: unknown): row is SqlRow {
  return Array.isArray(row);
}
