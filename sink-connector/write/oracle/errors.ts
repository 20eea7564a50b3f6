import { AfterwriteError } from '../../../ops/errors/index.ts';
import type { FailureKind } from '../port.ts';

/** Numbers of ORA- errors by what they mean here (Oracle Database Error Messages). A pair is a range, both ends in it. */
const byNumber: Readonly<Record<FailureKind, readonly (number | readonly [first: number, last: number])[]>> = {
  outage: [
    [17, 24], // sessions and processes: too many, no more
    28, // the session was killed
    51, // a resource was waited for too long
    54, // a lock, with NOWAIT or a time-out
    60, // deadlock
    257, // the archiver cannot write
    376, // a file cannot be read now
    603, // the session was ended because of an error
    1012, // not logged on any more
    1013, // interrupted
    1014, // shutdown in progress
    [1033, 1035], // starting, stopping, not there, for administrators only
    1041, // internal error of a broken connection
    [1089, 1092], // shutdown
    1109, // not open
    [1114, 1116], // files cannot be read or written
    1536, // the quota of a tablespace is used up
    1555, // snapshot too old
    [1628, 1632], // extents
    [1650, 1659], // a tablespace is full
    1683,
    1688,
    1691, // of LOBs
    2049, // a distributed lock
    [2391, 2399], // limits of a profile: sessions, idle time, connect time
    [3113, 3114], // the connection has ended
    [3135, 3137],
    4020, // deadlock in the library cache
    4021, // an object is locked
    [4030, 4031], // out of memory
    4061, // state of packages discarded
    4068,
    8103, // the object was truncated or moved meanwhile
    8177, // cannot serialize
    [12150, 12153], // Oracle Net
    [12157, 12161],
    12170,
    12203,
    [12500, 12537], // the listener: service not known yet, handlers, blocked
    [12540, 12547],
    [12560, 12592],
    [12606, 12609],
    16000, // open for reading only: a standby before or after a failover
    16456,

    [19502, 19504], // files cannot be written
    [19804, 19815], // the recovery area is full
    [25401, 25425], // failover
    27072,
    27102, // out of memory
    30006, // a lock, with a time-out
    30036, // undo is full
    [44203, 44204],
  ],
  access: [
    [1004, 1005], // no user, no password
    1017, // wrong user or password
    1045, // may not sign in
    1435, // no such user: the schema
    12154, // no such name
    [28000, 28003], // locked, expired
    [28007, 28011],
    28040, // no protocol for signing in that both know
    28365, // a wallet that is not open
    [28750, 28900], // TLS
    [29002, 29113],
  ],
  structure: [
    [900, 999], // SQL: what stands in it, names, missing rights
    1031, // a right is missing
    1418,
    1430, // the column is there already
    [1440, 1452],
    1702,
    1720,
    [1730, 1733],
    1747,
    1758,
    1779,
    1792,
    1950, // no rights on the tablespace
    [2260, 2289],
    4043, // no such object
    [14450, 14464], // temporary tables
    32795, // GENERATED ALWAYS AS IDENTITY
    38104, // columns that MERGE may not change
    [54012, 54017], // virtual columns
  ],
  data: [
    1, // another row has this unique value
    [1400, 1401], // NULL where none may be; too long
    1407,
    1424,
    [1426, 1427], // overflow
    1438, // more digits than the column has
    [1455, 1461], // conversions; a text where only a LONG may be
    1465, // no hexadecimal number
    1480,
    1481,
    1483,
    1489,
    [1722, 1723], // no number
    [1801, 1899], // no date
    2290, // check constraint
    6502, // value error in a trigger
    12899, // too long
    14400, // no partition for this value
    14402,
    [20000, 20999], // RAISE_APPLICATION_ERROR of a trigger
    22835, // a CLOB where only a text may be
    29275,
    29913,
    30926, // one row of the table twice
    [40441, 40478], // JSON
    40587,
  ],
  dependency: [
    2291, // no such parent
    2292, // children are there still
  ],
  unknown: [],
};

const kinds: readonly FailureKind[] = ['outage', 'access', 'structure', 'data', 'dependency'];

/** Errors of the driver (NJS-): a connection that broke or could not be made, and what a person must mend. */
const driverOutages: readonly number[] = [123, 500, 501, 503, 504, 509, 510, 511, 513, 518, 519, 521, 530, 536];
const driverRefusals: readonly number[] = [
  101, 116, 125, 136, 138, 140, 188, 505, 506, 507, 508, 512, 514, 515, 516, 517, 520, 522, 529, 531, 532, 533,
];

/** Errors of sockets and name servers. */
const socketErrors = /^(E[A-Z]+|EAI_[A-Z]+)$/;

/** What the server or the driver answered, under the code that people can look up. */
export class OracleError extends Error {
  /** Such as `ORA-00001` or `NJS-500`. */
  readonly code: string;

  constructor(message: string, code: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'OracleError';
    this.code = code;
  }

  /** Of the server; undefined for an error of the driver. */
  get number(): number | undefined {
    return this.code.startsWith('ORA-') ? Number(this.code.slice('ORA-'.length)) : undefined;
  }
}

/** A value that no statement can carry into its column. */
export class ValueRefused extends Error {
  readonly code = 'refused';
}

/**
 * The error of a statement as it is told: its own lines, without the driver's hints where to read more. In thin mode the
 * errors of single rows have no number, so that it is read from the message.
 */
export function told<Thrown>(error: Thrown): Thrown | OracleError {
  if (!(error instanceof Error) || error instanceof OracleError) return error;
  const message = error.message
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^Help: /.test(line))
    .join('; ');
  const code = /^((?:ORA|NJS|DPI)-\d+)/.exec(message)?.[1];
  return code === undefined ? error : new OracleError(message.replace(`${code}: `, ''), code);
}

/** The one place that decides what an error of Oracle or its driver means. */
export function classifyOracleError(error: unknown): FailureKind {
  if (error instanceof AfterwriteError) return error.code === 'SECRET_UNRESOLVED' ? 'access' : 'unknown';
  if (error instanceof ValueRefused) return 'data';
  if (error instanceof AggregateError)
    return error.errors.length > 0 ? classifyOracleError(error.errors[0]) : 'unknown';
  const named = told(error);
  if (named instanceof OracleError) {
    return named.number === undefined ? kindOfDriver(Number(named.code.slice(4))) : kindOfServer(named.number);
  }
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' && socketErrors.test(code) ? 'outage' : 'unknown';
}

function kindOfServer(number: number): FailureKind {
  return kinds.find((kind) => byNumber[kind].some((entry) => isAmong(number, entry))) ?? 'unknown';
}

function isAmong(number: number, entry: number | readonly [number, number]): boolean {
  return typeof entry === 'number' ? number === entry : number >= entry[0] && number <= entry[1];
}

function kindOfDriver(number: number): FailureKind {
  if (driverOutages.includes(number)) return 'outage';
  return driverRefusals.includes(number) ? 'access' : 'unknown';
}

/** Numbers of errors that statements of the setup meet when another worker was faster. */
const alreadyThere: readonly number[] = [955, 1430];

export function isAlreadyThere(error: unknown): boolean {
  return error instanceof OracleError && alreadyThere.includes(error.number ?? 0);
}

/** Whether another row with this key was faster. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof OracleError && error.number === 1;
}
