import { AfterwriteError } from '../../../ops/errors/index.ts';
import type { FailureKind } from '../port.ts';

/** SQLSTATE classes and codes by what they mean here (PostgreSQL manual, appendix A). The longest prefix decides. */
const bySqlState: Readonly<Record<string, FailureKind>> = {
  '08': 'outage', // connection exception
  '09': 'data', // triggered action exception
  '0A': 'structure', // feature not supported: not by this kind of table
  '21': 'data', // cardinality violation: two keys that the table holds to be one
  '22': 'data', // data exception: out of range, invalid text, too long
  '23': 'data', // integrity constraint violation
  '23503': 'dependency', // foreign key: the other row is not there yet, or still there
  '25006': 'outage', // read-only transaction: a standby before or after a failover
  '25P03': 'outage', // idle_in_transaction_session_timeout
  '25P04': 'outage', // transaction_timeout
  '28': 'access', // invalid authorization: unknown user, wrong password, pg_hba
  '3D000': 'access', // no such database
  '3F000': 'structure', // no such schema
  '40': 'outage', // serialization failure, deadlock
  '38': 'data', // a function of a trigger refused
  '39': 'data',
  '42': 'structure', // undefined table or column, type mismatch, missing right
  '44': 'data', // WITH CHECK OPTION violation
  '53': 'outage', // out of disk, memory, connections
  '54': 'data', // program limit exceeded: an index row that is too large
  '55006': 'outage', // object in use
  '55P03': 'outage', // lock_timeout
  '57': 'outage', // shutdown, crash, start-up, statement cancelled
  '58': 'outage', // input/output error of the server's system
  P0: 'data', // RAISE EXCEPTION in a trigger
};

/** Errors of sockets and name servers, and those in which a TLS handshake ends because somebody must act. */
const socketErrors = /^(E[A-Z]+|EAI_[A-Z]+)$/;
const tlsErrors = /CERT|TLS|SSL/;

/** Errors that the driver makes itself: they have a message and nothing else. */
const driverOutages = /Connection terminated|not queryable|timeout|Client was closed/i;
const driverRefusals = /SASL|SSL|password/i;

/** The one place that decides what an error of PostgreSQL or of its driver means. */
export function classifyPostgresError(error: unknown): FailureKind {
  if (error instanceof AfterwriteError) return error.code === 'SECRET_UNRESOLVED' ? 'access' : 'unknown';
  if (!(error instanceof Error)) return 'unknown';
  if (error instanceof AggregateError)
    return error.errors.length > 0 ? classifyPostgresError(error.errors[0]) : 'unknown';
  const code = codeOf(error);
  if (code !== undefined) return classifyCode(code);
  if (driverOutages.test(error.message)) return 'outage';
  return driverRefusals.test(error.message) ? 'access' : 'unknown';
}

function classifyCode(code: string): FailureKind {
  if (/^[0-9A-Z]{5}$/.test(code) && !socketErrors.test(code)) {
    return bySqlState[code] ?? bySqlState[code.slice(0, 2)] ?? 'unknown';
  }
  if (tlsErrors.test(code)) return 'access';
  return socketErrors.test(code) ? 'outage' : 'unknown';
}

/** The SQLSTATE, or the code of a socket's error. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
