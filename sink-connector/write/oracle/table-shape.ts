import type { OracleConnection, ResultValue } from './connection.ts';

/** One column as the data dictionary has it. */
export interface ColumnShape {
  /** Without its length and digits, such as `VARCHAR2` or `TIMESTAMP WITH TIME ZONE`. */
  readonly type: string;
  /** Whether INSERT must name it: NOT NULL, and nothing fills it in. */
  readonly required: boolean;
  /** A virtual column, or one of GENERATED ALWAYS AS IDENTITY: INSERT must not name it. */
  readonly generated: boolean;
  /** How its texts are compared; undefined where that is by their bytes. */
  readonly collation: string | undefined;
}

export interface TableShape {
  /** As the data dictionary says it: TABLE, VIEW … */
  readonly kind: string;
  /** Rows go with the session or the transaction. */
  readonly temporary: boolean;
  /** By name. */
  readonly columns: ReadonlyMap<string, ColumnShape>;
  /** The columns of each primary key and unique constraint that is enabled and checked at once. */
  readonly uniqueKeys: readonly (readonly string[])[];
  /** Of SELECT, INSERT, UPDATE and DELETE, those that this user may not do. */
  readonly missingRights: readonly string[];
  readonly user: string;
}

/** Where the tables are, and who looks. */
export interface SchemaPlace {
  readonly schema: string;
  readonly user: string;
  /** Rights that this user has on the tables of all schemas. */
  readonly farRights: readonly string[];
}

/** All queries of the data dictionary. Binds: schema, table. */
export const shapeQueries = {
  place: "SELECT SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA'), SYS_CONTEXT('USERENV', 'SESSION_USER') FROM dual",
  farRights: "SELECT privilege FROM session_privs WHERE privilege LIKE '% ANY TABLE'",
  charset: 'SELECT "VALUE" FROM nls_database_parameters WHERE parameter = \'NLS_CHARACTERSET\'',
  table:
    "SELECT object_type, temporary FROM all_objects WHERE owner = :1 AND object_name = :2 AND object_type IN ('TABLE', 'VIEW', 'MATERIALIZED VIEW', 'SYNONYM')",
  columns:
    'SELECT column_name, data_type, nullable, default_length, virtual_column, identity_column, collation ' +
    "FROM all_tab_cols WHERE owner = :1 AND table_name = :2 AND hidden_column = 'NO' ORDER BY column_id",
  uniqueKeys:
    'SELECT k.constraint_name, k.column_name FROM all_constraints c JOIN all_cons_columns k ' +
    'ON k.owner = c.owner AND k.constraint_name = c.constraint_name ' +
    "WHERE c.owner = :1 AND c.table_name = :2 AND c.constraint_type IN ('P', 'U') AND c.status = 'ENABLED' " +
    "AND c.validated = 'VALIDATED' AND c.deferrable = 'NOT DEFERRABLE' ORDER BY k.constraint_name, k.position",
  rights: 'SELECT privilege FROM all_tab_privs WHERE table_schema = :1 AND table_name = :2',
} as const;

/** The character set in which the database keeps texts: another one than AL32UTF8 would lose characters, silently. */
export async function readCharset(connection: OracleConnection): Promise<string> {
  const [[charset] = []] = await connection.rows(shapeQueries.charset);
  return text(charset);
}

export async function readPlace(connection: OracleConnection): Promise<SchemaPlace> {
  const [[schema, user] = []] = await connection.rows(shapeQueries.place);
  const rights = await connection.rows(shapeQueries.farRights);
  return {
    schema: text(schema),
    user: text(user),
    farRights: rights.map(([right]) => text(right).replace(/ ANY TABLE$/, '')),
  };
}

/**
 * Reads what the data dictionary tells of a table. @param table as it is stored there
 * @returns undefined when there is none, or this user has no right on it
 */
export async function readTableShape(
  connection: OracleConnection,
  place: SchemaPlace,
  table: string,
): Promise<TableShape | undefined> {
  const binds = [place.schema, table];
  const [found] = await connection.rows(shapeQueries.table, binds);
  if (found === undefined) return undefined;
  const columns = await connection.rows(shapeQueries.columns, binds);
  return {
    kind: text(found[0]),
    temporary: found[1] === 'Y',
    columns: new Map(columns.map((row) => [text(row[0]), columnShape(row)])),
    uniqueKeys: grouped(await connection.rows(shapeQueries.uniqueKeys, binds)),
    missingRights: place.schema === place.user ? [] : await readMissingRights(connection, place, binds),
    user: place.user,
  };
}

function columnShape(row: readonly ResultValue[]): ColumnShape {
  const [, type, nullable, defaultLength, virtual, identity, collation] = row;
  const generated = virtual === 'YES';
  const filled = generated || defaultLength !== null || identity === 'YES';
  const compares = text(collation);
  return {
    // TIMESTAMP(6) WITH TIME ZONE
    type: text(type).replace(/\(\d+\)/g, ''),
    required: nullable === 'N' && !filled,
    generated,
    // USING_NLS_COMP is what the session says, which is BINARY.
    collation: ['', 'BINARY', 'USING_NLS_COMP'].includes(compares) ? undefined : compares,
  };
}

function grouped(rows: readonly (readonly ResultValue[])[]): string[][] {
  const keys = new Map<string, string[]>();
  for (const [name, column] of rows) keys.set(text(name), [...(keys.get(text(name)) ?? []), text(column)]);
  return [...keys.values()];
}

async function readMissingRights(
  connection: OracleConnection,
  { farRights }: SchemaPlace,
  binds: readonly string[],
): Promise<string[]> {
  const granted = (await connection.rows(shapeQueries.rights, binds)).map(([right]) => text(right));
  return ['SELECT', 'INSERT', 'UPDATE', 'DELETE'].filter(
    (right) => !granted.includes(right) && !farRights.includes(right),
  );
}

function text(value: ResultValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
