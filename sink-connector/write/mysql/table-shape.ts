import { isMissingRight } from './errors.ts';
import type { MysqlConnection } from './connection.ts';
import { quoteName, textLiteral } from './literals.ts';

/** One column as the server describes it. */
export interface ColumnShape {
  readonly name: string;
  /** Without its length and digits, lower case. */
  readonly type: string;
  /** Whether INSERT must name it: NOT NULL, and nothing fills it in. */
  readonly required: boolean;
  /** Computed: INSERT must not name it. */
  readonly generated: boolean;
  readonly autoIncrement: boolean;
  /** Of texts only. */
  readonly collation: string | undefined;
}

export interface TableShape {
  /** Views and sequences are none. */
  readonly isTable: boolean;
  readonly engine: string;
  readonly transactional: boolean;
  /** By name in lower case: names of columns are equal in any case. */
  readonly columns: ReadonlyMap<string, ColumnShape>;
  /** The columns of each unique index, in lower case; a part of a column, or an expression, as an empty name. */
  readonly uniqueKeys: readonly (readonly string[])[];
  /** Of SELECT, INSERT, UPDATE and DELETE, those that this user may not do. */
  readonly missingRights: readonly string[];
  /** This user, as GRANT wants it. */
  readonly user: string;
}

/** Reads what the server tells of a table. @returns undefined when there is none, or this user has no right on it. */
export async function readTableShape(connection: MysqlConnection, table: string): Promise<TableShape | undefined> {
  const where = `TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ${textLiteral(table)}`;
  const [found] = await connection.rows(
    'SELECT TABLE_TYPE, ENGINE, (SELECT TRANSACTIONS FROM information_schema.ENGINES AS e WHERE e.ENGINE = t.ENGINE), ' +
      `CURRENT_USER() FROM information_schema.TABLES AS t WHERE ${where}`,
  );
  if (found === undefined) return undefined;
  const [kind, engine, transactions, user] = found;
  const columns = await readColumns(connection, where);
  return {
    isTable: kind === 'BASE TABLE' || kind === 'SYSTEM VERSIONED',
    engine: engine ?? 'none',
    transactional: transactions === 'YES',
    columns: new Map(columns.map((column) => [column.name.toLowerCase(), column])),
    uniqueKeys: await readUniqueKeys(connection, where),
    missingRights: await readMissingRights(connection, table, columns[0]?.name ?? ''),
    user: (user ?? '').replace(
      /^(.*)@(.*)$/,
      (_, name: string, host: string) => `${textLiteral(name)}@${textLiteral(host)}`,
    ),
  };
}

async function readColumns(connection: MysqlConnection, where: string): Promise<ColumnShape[]> {
  const rows = await connection.rows(
    'SELECT COLUMN_NAME, DATA_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, COLLATION_NAME ' +
      `FROM information_schema.COLUMNS WHERE ${where} ORDER BY ORDINAL_POSITION`,
  );
  return rows.map(([name, type, nullable, byDefault, extra, collation]) => {
    const generated = /\b(VIRTUAL|STORED|PERSISTENT) GENERATED\b/i.test(extra ?? '');
    const autoIncrement = /\bauto_increment\b/i.test(extra ?? '');
    const filled = generated || autoIncrement || byDefault !== null;
    return {
      name: name ?? '',
      type: (type ?? '').toLowerCase(),
      required: nullable === 'NO' && !filled,
      generated,
      autoIncrement,
      collation: collation ?? undefined,
    };
  });
}

async function readUniqueKeys(connection: MysqlConnection, where: string): Promise<string[][]> {
  const rows = await connection.rows(
    'SELECT INDEX_NAME, IF(SUB_PART IS NULL, COLUMN_NAME, NULL) FROM information_schema.STATISTICS ' +
      `WHERE ${where} AND NON_UNIQUE = 0 ORDER BY INDEX_NAME, SEQ_IN_INDEX`,
  );
  const keys = new Map<string, string[]>();
  for (const [index, column] of rows) {
    keys.set(index ?? '', [...(keys.get(index ?? '') ?? []), (column ?? '').toLowerCase()]);
  }
  return [...keys.values()];
}

/** EXPLAIN needs the rights of what it explains, and does nothing; what else it may refuse does not matter here. */
async function readMissingRights(connection: MysqlConnection, table: string, column: string): Promise<string[]> {
  const [name, some] = [quoteName(table), quoteName(column)];
  const attempts = [
    ['SELECT', `SELECT ${some} FROM ${name}`],
    ['INSERT', `INSERT INTO ${name} (${some}) VALUES (NULL)`],
    ['UPDATE', `UPDATE ${name} SET ${some} = NULL WHERE FALSE`],
    ['DELETE', `DELETE FROM ${name} WHERE FALSE`],
  ] as const;
  const missing: string[] = [];
  for (const [right, statement] of attempts) {
    if (!(await mayRun(connection, `EXPLAIN ${statement}`))) missing.push(right);
  }
  return missing;
}

async function mayRun(connection: MysqlConnection, statement: string): Promise<boolean> {
  try {
    await connection.rows(statement);
    return true;
  } catch (error) {
    return !isMissingRight(error);
  }
}
