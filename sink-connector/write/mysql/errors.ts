import { AfterwriteError } from '../../../ops/errors/index.ts';
import type { FailureKind } from '../port.ts';

/**
 * Error numbers of MySQL and MariaDB by what they mean here (server error message references of both). From 1900 on the
 * two count apart; of those, only numbers that mean nothing else in the other one stand here.
 */
const byNumber: Readonly<Record<FailureKind, readonly number[]>> = {
  outage: [
    3, // disk full, on write
    5, // out of memory
    28, // no space left on device
    1020, // the row has changed since it was read
    1021, // disk full
    1023, // error on close
    1026, // error on write
    1030, // error of the storage engine
    1037, // out of memory
    1038, // out of sort memory
    1040, // too many connections
    1041, // out of memory
    1053, // shutdown in progress
    1077, // normal shutdown
    1079, // shutdown complete
    1114, // the table is full: the disk is
    1129, // host blocked after many connection errors
    1135, // no thread can be made
    1152, // aborted connection
    1158, // communication errors
    1159,
    1160,
    1161,
    1180, // error during COMMIT
    1181, // error during ROLLBACK
    1184, // aborted connection
    1192, // the session holds locks
    1203, // too many connections of this user
    1205, // lock wait timeout
    1206, // the lock table is full
    1213, // deadlock
    1223, // a global read lock
    1226, // the user's resources are used up
    1290, // read-only server, among others: before or after a failover
    1317, // query interrupted
    1412, // the table definition has changed
    1436, // thread stack overrun
    1478, // the definition of a table is being changed
    1613, // XA: rolled back because of a time-out
    1614, // XA: rolled back because of a deadlock
    1637, // too many transactions
    1792, // read-only transaction
    1836, // read-only mode
    1927, // connection killed
    1969, // statement timeout (MariaDB)
    3024, // statement timeout (MySQL)
    3100, // replication refused the transaction
    3101,
    3572, // NOWAIT
    4031, // disconnected for inactivity (MySQL)
  ],
  access: [
    1043, // bad handshake
    1044, // no right to the database
    1045, // wrong user or password
    1046, // no database chosen
    1049, // no such database
    1130, // not from this host
    1131, // anonymous users may not change passwords
    1227, // a right for everything is missing
    1251, // the client does not know the way to sign in
    1524, // sign-in plugin not loaded
    1698, // access denied, without a password
    1820, // the password must be changed first
    1862, // the password has expired
    3118, // account locked (MySQL)
    3159, // only secure connections (MySQL)
    4151, // account locked (MariaDB)
  ],
  structure: [
    1054, // no such column
    1061, // double index
    1071, // key too long
    1072, // no such column for a key
    1109, // no such table in the statement
    1110, // column twice
    1136, // column count
    1142, // no right to the table
    1143, // no right to the column
    1146, // no such table
    1165, // INSERT DELAYED
    1168,
    1170, // TEXT in a key without a length
    1176, // no such key
    1235, // not supported
    1267, // collations that do not go together
    1270,
    1271,
    1286, // no such storage engine
    1347, // no table
    1356, // view of what is gone
    1364, // no default
    1370, // no right to the routine
    1425, // scale of a decimal too large
    1426, // precision of a decimal too large
    1427,
    1471, // not insertable
    1665, // binary log in statements does not go with READ COMMITTED
    1785, // table without transactions under GTIDs
    1906, // generated column (MariaDB)
    3105, // generated column (MySQL)
    3750, // a primary key is required (MySQL)
  ],
  data: [
    1048, // NULL where none may be
    1062, // another row has this unique value
    1118, // row too large
    1153, // packet too large
    1169, // unique constraint
    1242,
    1263,
    1264, // out of range
    1265, // truncated
    1292, // incorrect value
    1300, // invalid characters
    1301, // larger than max_allowed_packet
    1365, // division by zero
    1366, // incorrect value
    1367, // illegal value
    1369, // check option of a view
    1406, // too long
    1411,
    1416, // no geometry
    1423, // NOT NULL without a default
    1441, // date out of range
    1526, // no partition for this value
    1586, // unique value, with the key's name
    1642, // SIGNAL of a trigger
    1643,
    1644,
    1690, // out of range
    1761, // a child row's unique value
    1762,
    1859, // unique value, key unknown
    3140, // invalid JSON (MySQL)
    3141,
    3144, // JSON of another character set
    3156, // invalid JSON for a cast
    3157, // JSON too deep
    3158, // JSON key NULL
    3819, // check constraint (MySQL)
    3854, // a text that the column's character set has not
    4025, // check constraint (MariaDB)
  ],
  dependency: [
    1216, // no such parent
    1217, // children are there still
    1451,
    1452,
  ],
  unknown: [],
};

const kinds: readonly FailureKind[] = ['outage', 'access', 'structure', 'data', 'dependency'];
const kindOf: ReadonlyMap<number, FailureKind> = new Map(
  kinds.flatMap((kind) => byNumber[kind].map((number) => [number, kind] as const)),
);

/** For numbers that are not listed: classes of SQLSTATE. */
const byClass: Readonly<Record<string, FailureKind>> = {
  '08': 'outage', // connection exception
  '22': 'data', // data exception
  '23': 'data', // integrity constraint violation
  '28': 'access', // invalid authorization
  '40': 'outage', // transaction rolled back
  '42': 'structure', // syntax error or access rule violation
  '45': 'data', // SIGNAL of a trigger
};

/** Errors that the driver, sockets and name servers make: they have a code, and no number of the server. */
const accessCodes = /CERT|TLS|SSL|^AUTH_|^MYSQL_CLEAR_PASSWORD|^HANDSHAKE_/;
const outageCodes = /^(E[A-Z]+|EAI_[A-Z]+|PROTOCOL_[A-Z_]+)$/;
const outageWords = /closed state|connection is closed|Connection lost|timeout/i;

/** What the server answered, under the number that people can look up: the driver names some of MariaDB's after MySQL's. */
export class ServerError extends Error {
  /** As the servers' own clients print it, such as `4025 (23000)`. */
  readonly code: string;
  readonly errno: number;
  readonly sqlState: string;

  constructor(message: string, errno: number, sqlState: string) {
    super(message);
    this.name = 'ServerError';
    this.errno = errno;
    this.sqlState = sqlState;
    this.code = `${errno} (${sqlState})`;
  }
}

/** The error of a statement as it is told; one that is no answer of the server stays what it is. */
export function told(error: unknown): unknown {
  const number = numberOf(error);
  if (!(error instanceof Error) || number === undefined || number <= 0) return error;
  return new ServerError(error.message, number, textOf(error, 'sqlState') ?? 'HY000');
}

/** A row that no statement can carry to this server. */
export class RowTooLarge extends Error {
  constructor(bytes: number, limit: number) {
    super(`a row of ${bytes} bytes is more than max_allowed_packet lets through (${limit} bytes)`);
  }
}

/** Somebody else sets up tables and does not come to an end. */
export class SetupIsLocked extends Error {}

/** The one place that decides what an error of MySQL, MariaDB or their driver means. */
export function classifyMysqlError(error: unknown): FailureKind {
  if (error instanceof AfterwriteError) return error.code === 'SECRET_UNRESOLVED' ? 'access' : 'unknown';
  if (error instanceof RowTooLarge) return 'data';
  if (error instanceof SetupIsLocked) return 'outage';
  if (error instanceof AggregateError) return error.errors.length > 0 ? classifyMysqlError(error.errors[0]) : 'unknown';
  if (!(error instanceof Error)) return 'unknown';
  const number = numberOf(error);
  if (number !== undefined && number > 0) {
    return kindOf.get(number) ?? byClass[textOf(error, 'sqlState')?.slice(0, 2) ?? ''] ?? 'unknown';
  }
  const code = textOf(error, 'code') ?? '';
  if (accessCodes.test(code)) return 'access';
  return outageCodes.test(code) || outageWords.test(error.message) ? 'outage' : 'unknown';
}

/** Whether a right to a table or column is what is missing. */
export function isMissingRight(error: unknown): boolean {
  return [1142, 1143].includes(numberOf(error) ?? 0);
}

/** The server's number of an error. Errors of sockets have negative ones, of the system. */
function numberOf(error: unknown): number | undefined {
  return error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? error.errno : undefined;
}

function textOf(error: Error, name: 'code' | 'sqlState'): string | undefined {
  const value: unknown = Reflect.get(error, name);
  return typeof value === 'string' ? value : undefined;
}
