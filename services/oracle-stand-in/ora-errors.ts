/** What Oracle would answer: a number and its words. */
export class OraError extends Error {
  readonly number: number;
  /** Rows of an array that were done before it. */
  readonly rowsBefore: number;

  constructor(number: number, words: string, rowsBefore = 0) {
    super(`ORA-${String(number).padStart(5, '0')}: ${words}`);
    this.number = number;
    this.rowsBefore = rowsBefore;
  }
}

interface Translation {
  readonly number: number;
  readonly words: (message: string) => string;
}

const named = (message: string): string => /"([^"]+)"/.exec(message)?.[1] ?? '?';
const told = (number: number, words: string | Translation['words']): Translation => ({
  number,
  words: typeof words === 'string' ? () => words : words,
});

/** SQLSTATEs of H2, and where one has several meanings its error codes (org.h2.api.ErrorCode), as Oracle's numbers. */
const translations: Readonly<Record<string, Translation>> = {
  '23505': told(1, (message) => `unique constraint (${/"([^"]+?) ON /.exec(message)?.[1] ?? named(message)}) violated`),
  '23502': told(1400, (message) => `cannot insert NULL into (${named(message)})`),
  '23503': told(2292, 'integrity constraint violated - child record found'),
  '23506': told(2291, 'integrity constraint violated - parent key not found'),
  '23513': told(2290, (message) => `check constraint (${named(message)}) violated`),
  '22001': told(12899, (message) => `value too large for column ${named(message)}`),
  '22003': told(1438, 'value larger than specified precision allowed for this column'),
  '22018': told(1722, 'invalid number'),
  '22007': told(1858, 'a non-numeric character was found where a numeric was expected'),
  '22025': told(1424, 'missing or illegal character following the escape character'),
  '40001': told(60, 'deadlock detected while waiting for resource'),
  HYT00: told(30006, 'resource busy; acquire with WAIT timeout expired'),
  '57014': told(28, 'your session has been killed'),
  '42S01': told(955, 'name is already used by an existing object'),
  '42S02': told(942, 'table or view does not exist'),
  '42S03': told(942, 'table or view does not exist'),
  '42S04': told(942, 'table or view does not exist'),
  '42S21': told(1430, (message) => `column being added already exists in table (${named(message)})`),
  '42S22': told(904, (message) => `"${named(message)}": invalid identifier`),
  '42000': told(900, (message) => `invalid SQL statement [H2: ${message.slice(0, 200)}]`),
  '42001': told(900, (message) => `invalid SQL statement [H2: ${message.slice(0, 200)}]`),
  '90040': told(1031, 'insufficient privileges'),
  '90096': told(1031, 'insufficient privileges'),
  '90063': told(1086, (message) => `savepoint '${named(message)}' never established in this session or is invalid`),
  '90079': told(1918, (message) => `user '${named(message)}' does not exist`),
  '90033': told(1920, (message) => `user name '${named(message)}' conflicts with another user or role name`),
  '90121': told(3113, 'end-of-file on communication channel'),
};

/**
 * An error of H2 as Oracle's.
 * @param state its SQLSTATE @param code its error code
 * @returns for what is not listed, ORA-00600 with H2's own words: nothing is made up
 */
export function oraErrorOf(state: string, code: number, message: string, rowsBefore: number): OraError {
  const found = translations[state] ?? translations[String(code)];
  if (found !== undefined) return new OraError(found.number, found.words(message), rowsBefore);
  return new OraError(600, `internal error code [H2 ${state}/${code}: ${message.slice(0, 300)}]`, rowsBefore);
}
