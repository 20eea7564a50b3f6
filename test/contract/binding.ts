import type { RunningService } from '../../services/index.ts';
import type { ColumnType, ColumnValue } from '../../schemas/index.ts';
import type { Scope } from '../support/scope.ts';

/** What a kind of database offers to the suite. All of it goes through the database's own driver, never through the product. */
export interface ContractBinding {
  /** As a sink's configuration names it. */
  readonly kind: string;
  readonly traits: Traits;
  /**
   * A database of its own (a schema, a keyspace, a file) on the server that all tests share, or on another one. It goes
   * after the test.
   */
  open(scope: Scope, server?: RunningService): Promise<ContractDatabase>;
  /** A server of one's own, to kill and start again; undefined where the database is embedded. It ends with the test. */
  readonly startServer: ((scope: Scope) => Promise<RunningService>) | undefined;
}

/** Where databases differ in what they can hold. What is no trait is the same everywhere. */
export interface Traits {
  /** Texts hold the character NUL; elsewhere a row with one is refused. */
  readonly nulInText: boolean;
  /** An empty text, and no bytes, are the same as null. */
  readonly emptyIsNull: boolean;
  /** The finest time that a column of timestamps keeps, microseconds: 1 or 1000. */
  readonly timestampUnit: 1n | 1000n;
  /** The first and the last day that columns of dates and timestamps hold, days since the epoch. */
  readonly days: { readonly first: number; readonly last: number };
  /** How many digits a decimal has after the point, at most; 38 where it is not said. */
  readonly decimalScale?: number;
}

export interface TestColumn {
  readonly name: string;
  readonly type: ColumnType;
}

/** A database of one test. */
export interface ContractDatabase {
  /** `kind` and whatever else of the sink's options leads here. */
  readonly sinkOptions: Readonly<Record<string, unknown>>;
  /**
   * The rows of a table, in any order: columns as an event carries them (schemas/column-value.ts), whatever types the
   * table has. On a connection of its own: the server may have been killed since.
   * @throws when there is no such table or column
   */
  rows(table: string, columns: readonly TestColumn[]): Promise<readonly (readonly ColumnValue[])[]>;
  /** Runs a statement. Names without a schema are meant in this database. */
  run(statement: string): Promise<void>;
  /** Makes a table by hand, with the types that a person would choose. */
  createTable(name: string, keyColumns: readonly TestColumn[], valueColumns: readonly TestColumn[]): Promise<void>;
  /**
   * Makes `persons` by hand (person_id string, first string, age int), such that the database refuses a row for what
   * stands in `first`, and not before it is written. Integers are taken.
   * @returns a text that is refused
   */
  createChecked(): Promise<string>;
  /**
   * Makes `persons` by hand (person_id string, first string, age int, v long as the guard) and a table `audit` (seq int,
   * person_id string, v long) in which the database notes, in order, every version that a row of `persons` gets.
   * Undefined where the database cannot do so.
   */
  readonly audit: (() => Promise<void>) | undefined;
  /** Locks one row against writers, in a transaction of its own. Undefined where there are no such locks. */
  readonly lockRow: ((table: string, column: string, key: string) => Promise<HeldLock>) | undefined;
  /**
   * Makes a login with a password, and says the sink's options with which it comes here: the password is
   * `${env:variable}`. Undefined where there are no passwords, or where
   * the server cannot end a connection.
   */
  readonly createLogin: ((password: string, variable: string) => Promise<TestLogin>) | undefined;
}

export interface HeldLock {
  /** Returns when somebody waits for the lock. */
  waitedFor(): Promise<void>;
  /** Ends, from the server's side, the connection of whoever waits for it. */
  endWaiting(): Promise<void>;
  /** Locks another row of the table, which whoever waits has locked: the database ends one of the two, that one. */
  alsoLock(key: string): Promise<void>;
  release(): Promise<void>;
}

export interface TestLogin {
  /** Its name, as the sink's options have it. */
  readonly user: string;
  readonly sinkOptions: Readonly<Record<string, unknown>>;
  changePassword(password: string): Promise<void>;
  /** Ends all connections of this login from the server's side. */
  endConnections(): Promise<void>;
}
