import { AfterwriteError } from '../../../ops/errors/index.ts';
import type { FailureKind } from '../port.ts';
import { ServerLost } from './reachability.ts';

/** Numbers of Snowflake's errors by what they mean here; numbers that are not listed go by their SQLSTATE. */
const byNumber: ReadonlyMap<number, FailureKind> = new Map([
  ...kinds('outage', [
    603, // internal error
    604, // statement cancelled
    606, // no active warehouse: suspended, and it does not resume by itself; or gone
    608, // the warehouse is resuming or suspending
    610, // the warehouse is suspended
    625, // the lock was not released in time
    630, // statement timeout
    90073, // the warehouse cannot be resumed: its resource monitor has reached its quota
    390104, // session: token invalid
    390108,
    390110,
    390111, // session gone
    390112, // session token expired
    390113,
    390114, // authentication token expired
    390115,
  ]),
  ...kinds('access', [
    390201, // no such database, or no right to it
    250001, // the driver could not log in
  ]),
  ...kinds('structure', [
    904, // no such column
    1003, // syntax
    2002, // exists already
    2003, // does not exist, or no right to it
    2043,
    3001, // no right
    90105, // no current database
    90106, // no current schema
  ]),
  ...kinds('data', [
    100035, // no timestamp
    100037, // no boolean
    100038, // no number
    100039, // number out of range
    100040, // no date
    100046,
    100069, // no JSON
    100072, // NULL where none may be
    100078, // text too long
    100090, // two rows for one
    100132, // number out of range
  ]),
]);

/** Ranges that hold errors of one kind; what stands in the list above counts first. */
const byRange: readonly (readonly [first: number, last: number, kind: FailureKind])[] = [
  [100_000, 100_999, 'data'],
  [390_100, 395_999, 'access'],
];

/** Classes of SQLSTATE. */
const byClass: Readonly<Record<string, FailureKind>> = {
  '08': 'outage', // connection exception
  '22': 'data', // data exception
  '23': 'data', // integrity constraint violation
  '28': 'access', // invalid authorization
  '40': 'outage', // transaction rolled back
  '42': 'structure', // syntax error or access rule violation
  '53': 'outage', // insufficient resources
  '54': 'data', // program limit exceeded
  '57': 'outage', // operator intervention
  '58': 'outage', // system error
  XX: 'outage', // internal error
};

/** Errors that the driver makes itself (its error_code.d.ts). */
const driverOutages: readonly number[] = [
  401001, // no connection
  401003, // an answer that is none
  401004, // session token invalid
  402001, // a part of a result cannot be fetched
  402002,
  405503, // connection terminated
  406502,
  407002,
];
const responseFailure = 401002;
/** Options that it refuses, and TLS certificates. */
const driverRefusals = [
  [404_000, 404_999],
  [412_000, 413_999],
] as const;

/** Errors of sockets and name servers, and of keys and certificates. */
const socketErrors = /^(E[A-Z]+|EAI_[A-Z]+)$/;
const keyErrors = /^ERR_(OSSL|CRYPTO|INVALID_ARG)|CERT|TLS|SSL/;

/** A row that no bind can carry. */
export class RowTooLarge extends Error {
  constructor(bytes: number, limit: number) {
    super(`a row of ${bytes} bytes as JSON is more than Snowflake takes at once (${limit} bytes)`);
  }
}

/** A statement got no answer. */
export class NoAnswer extends Error {}

function kinds(kind: FailureKind, numbers: readonly number[]): (readonly [number, FailureKind])[] {
  return numbers.map((number) => [number, kind] as const);
}

/** The one place that decides what an error of Snowflake or of its driver means. */
export function classifySnowflakeError(error: unknown): FailureKind {
  if (error instanceof AfterwriteError) return error.code === 'SECRET_UNRESOLVED' ? 'access' : 'unknown';
  if (error instanceof RowTooLarge) return 'data';
  if (error instanceof ServerLost || error instanceof NoAnswer) return 'outage';
  if (!(error instanceof Error)) return 'unknown';
  const code = 'code' in error ? error.code : undefined;
  if (typeof code === 'string' && !/^\d+$/.test(code)) {
    if (keyErrors.test(code)) return 'access';
    return socketErrors.test(code) ? 'outage' : 'unknown';
  }
  const number = Number(code ?? NaN);
  if (number === responseFailure) return classifyStatus(error);
  if (driverOutages.includes(number)) return 'outage';
  if (driverRefusals.some(([first, last]) => number >= first && number <= last)) return 'access';
  return (
    byNumber.get(number) ??
    byRange.find(([first, last]) => number >= first && number <= last)?.[2] ??
    byClass[sqlStateOf(error).slice(0, 2)] ??
    'unknown'
  );
}

/** An answer that is no answer of the service: 429 and 503 end by themselves, 403 is a network policy or a proxy. */
function classifyStatus(error: Error): FailureKind {
  const response: unknown = Reflect.get(error, 'response');
  const status: unknown = typeof response === 'object' && response !== null ? Reflect.get(response, 'statusCode') : 0;
  return status === 403 || status === 407 ? 'access' : 'outage';
}

function sqlStateOf(error: Error): string {
  const state: unknown = Reflect.get(error, 'sqlState');
  return typeof state === 'string' ? state : '';
}

/** Whether a right to a table is what is missing. */
export function isMissingRight(error: unknown): boolean {
  return error instanceof Error && 'code' in error && Number(error.code) === 3001;
}
