import { errors, types } from 'cassandra-driver';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import type { FailureKind } from '../port.ts';

const { responseErrorCodes: codes } = types;

/** Errors that a node answers, by their code (native protocol v5, section 8). */
const byCode: ReadonlyMap<number, FailureKind> = new Map([
  [codes.serverError, 'outage'], // also what a node says whose disk is full; see oversized
  [codes.badCredentials, 'access'],
  [codes.unavailableException, 'outage'], // too few replicas are alive
  [codes.overloaded, 'outage'],
  [codes.isBootstrapping, 'outage'],
  [codes.truncateError, 'outage'],
  [codes.writeTimeout, 'outage'], // of a conditional statement, too: whether it was applied is read again
  [codes.readTimeout, 'outage'],
  [codes.readFailure, 'outage'],
  [codes.functionFailure, 'data'],
  [codes.writeFailure, 'outage'],
  [0x1600, 'outage'], // CDC_WRITE_FAILURE: the space for change capture is full
  [0x1700, 'outage'], // CAS_WRITE_UNKNOWN
  [codes.syntaxError, 'structure'],
  [codes.unauthorized, 'access'],
  [codes.configError, 'structure'],
  [codes.alreadyExists, 'structure'],
  [codes.unprepared, 'structure'], // the driver prepares it again by itself, unless the table has changed
  [codes.clientWriteFailure, 'outage'], // the driver's own: it could not write to its socket
]);

/** This is said of a table that has changed, of options that do not fit it, and of a value that cannot be stored. */
const invalid: number = codes.invalid;
const invalidStructure =
  /unconfigured table|undefined column|unknown identifier|keyspace .* does not exist|non-primary-key column|cannot be dropped|consistency level|maximum supported expiration/i;
/** A guardrail against full disks says so, and not that the row is bad. */
const diskFull = /disk usage exceeds/i;
/** A row beyond half a segment of the commit log is refused by an exception that has no code of its own. */
const oversized = /is too large for the maximum size/i;

const tlsErrors = /CERT|TLS|SSL/;
const socketErrors = /^(E[A-Z]+|EAI_[A-Z]+)$/;

/** What a node answered, under a code that people can look up, such as `0x2200 INVALID`: the driver has the bare number. */
export class NodeError extends Error {
  readonly code: string;
  readonly answer: errors.ResponseError;

  constructor(answer: errors.ResponseError) {
    super(answer.message);
    this.name = 'NodeError';
    this.code = `0x${answer.code.toString(16).padStart(4, '0').toUpperCase()}${nameOf(answer.code)}`;
    this.answer = answer;
  }
}

/**
 * A value that a column or key cannot hold, found before the driver is asked. The driver says of it a TypeError or a
 * RangeError, as it would of a fault of this program or of its own, which is not the row's.
 */
export class UnstorableValue extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnstorableValue';
  }
}

/** The error of a statement as it is told. */
export function told(error: unknown): unknown {
  return error instanceof errors.ResponseError ? new NodeError(error) : error;
}

/** As the protocol's specification has it: SERVER_ERROR, INVALID. */
function nameOf(code: number): string {
  const name = Object.entries(codes).find(([, value]) => Number(value) === code)?.[0];
  return name === undefined ? '' : ` ${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** The one place that decides what an error of Cassandra or of its driver means. */
export function classifyCassandraError(error: unknown): FailureKind {
  if (error instanceof AfterwriteError) return error.code === 'SECRET_UNRESOLVED' ? 'access' : 'unknown';
  if (error instanceof UnstorableValue) return 'data';
  if (error instanceof NodeError) return classifyResponse(error.answer);
  if (error instanceof errors.ResponseError) return classifyResponse(error);
  if (error instanceof errors.NoHostAvailableError) return classifyHosts(causesOf(error));
  if (error instanceof errors.AuthenticationError) return 'access';
  if (error instanceof errors.OperationTimedOutError || error instanceof errors.BusyConnectionError) return 'outage';
  if (!(error instanceof Error)) return 'unknown';
  // The connection broke under a statement that the driver must not repeat by itself: a conditional one.
  if (Reflect.get(error, 'isSocketError') === true) return 'outage';
  // Such as a connection that is gone between its choice and its use.
  if (error instanceof errors.DriverInternalError) return 'outage';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  // A fault of a program. Node's own, of a number out of range, has a code, too.
  if (error instanceof TypeError || error instanceof RangeError) return 'unknown';
  if (tlsErrors.test(code)) return 'access';
  return socketErrors.test(code) ? 'outage' : 'unknown';
}

function classifyResponse({ code, message }: errors.ResponseError): FailureKind {
  if (diskFull.test(message)) return 'outage';
  if (code === invalid) return invalidStructure.test(message) ? 'structure' : 'data';
  return oversized.test(message) ? 'data' : (byCode.get(code) ?? 'unknown');
}

/** One node that refuses the login, or knows another table, decides: the others would do the same. */
function classifyHosts(causes: readonly unknown[]): FailureKind {
  const kinds = causes.map(classifyCassandraError);
  return (['access', 'structure'] as const).find((kind) => kinds.includes(kind)) ?? 'outage';
}

/** Why each node was given up, where an error says that all were. */
export function causesOf(error: unknown): readonly unknown[] {
  const inner: unknown = error instanceof errors.NoHostAvailableError ? error.innerErrors : undefined;
  return typeof inner === 'object' && inner !== null ? Object.values(inner) : [];
}
