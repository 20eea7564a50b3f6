import { AfterwriteError } from '../../../ops/errors/index.ts';
import type { FailureKind } from '../port.ts';

/**
 * Result codes by what they mean here (sqlite.org/rescode.html). An extended code that stands here decides before its
 * primary code, which is its low byte. What is not here (CORRUPT, NOTADB, MISUSE, INTERNAL) neither waiting nor another
 * row mends.
 */
const byResultCode: Readonly<Record<number, FailureKind>> = {
  1: 'structure', // ERROR: no such table or column, a foreign key that names no key
  3: 'access', // PERM
  4: 'data', // ABORT: a trigger gave up
  5: 'outage', // BUSY: another connection holds the write lock
  6: 'outage', // LOCKED
  7: 'outage', // NOMEM
  8: 'access', // READONLY: the file, its folder or its file system
  9: 'outage', // INTERRUPT
  10: 'outage', // IOERR
  13: 'outage', // FULL
  14: 'access', // CANTOPEN
  15: 'outage', // PROTOCOL: too many connections race for the write-ahead log
  17: 'structure', // SCHEMA
  18: 'data', // TOOBIG: a value or a row above SQLite's limit
  19: 'data', // CONSTRAINT
  20: 'data', // MISMATCH: no integer for an INTEGER PRIMARY KEY
  23: 'access', // AUTH
  264: 'outage', // READONLY_RECOVERY
  520: 'outage', // READONLY_CANTLOCK
  776: 'outage', // READONLY_ROLLBACK
  787: 'dependency', // CONSTRAINT_FOREIGNKEY
  1032: 'outage', // READONLY_DBMOVED
};

/** SQLITE_ERROR of an expression of a check, an index or a trigger over a value, and not of the statement. */
const dataMessages = /^(malformed JSON|JSON path error|integer overflow|bad JSON path)/;

/** The result codes of the problems that this program finds before SQLite does. */
export const resultCodes = { BUSY: 5, ERROR: 1, CANTOPEN: 14, MISMATCH: 20, DBMOVED: 1032 } as const;

/** A problem with its result code, as the driver's own errors have it. */
export class SqliteProblem extends Error {
  readonly rawCode: number;

  constructor(rawCode: number, message: string, cause?: unknown) {
    super(message, { cause });
    this.rawCode = rawCode;
  }
}

/** The one place that decides what an error of SQLite means. */
export function classifySqliteError(error: unknown): FailureKind {
  if (error instanceof AfterwriteError) return error.code === 'SECRET_UNRESOLVED' ? 'access' : 'unknown';
  const code = resultCodeOf(error);
  if (code === undefined || !(error instanceof Error)) return 'unknown';
  if (code === resultCodes.ERROR && dataMessages.test(error.message)) return 'data';
  return byResultCode[code] ?? byResultCode[code & 0xff] ?? 'unknown';
}

/** Whether somebody else holds a lock at this moment. */
export function isBusy(error: unknown): boolean {
  return ((resultCodeOf(error) ?? 0) & 0xff) === resultCodes.BUSY;
}

/** The extended result code. */
export function resultCodeOf(error: unknown): number | undefined {
  return error instanceof Error && 'rawCode' in error && typeof error.rawCode === 'number' ? error.rawCode : undefined;
}
