import { quoteName } from '../sql/quoted-name.ts';
import type { Connection } from './connection.ts';
import type { Storage } from './types.ts';

/** One column as the schema has it. */
export interface ColumnShape {
  readonly name: string;
  readonly storage: Storage;
  /** Whether INSERT must name it: NOT NULL, and nothing fills it in. */
  readonly required: boolean;
  /** GENERATED ALWAYS: INSERT must not name it. */
  readonly generated: boolean;
  /** Whether its texts are equal exactly when their bytes are: not so under NOCASE and RTRIM. */
  readonly exact: boolean;
}

/** What ON CONFLICT may name: unique, over whole rows and plain columns. */
export interface UniqueKey {
  readonly columns: readonly string[];
  /** Whether all of it is under the collation BINARY. */
  readonly exact: boolean;
}

export interface TableShape {
  /** `table`, or what else has rows: `view`, `virtual`, `shadow`. */
  readonly kind: string;
  /** By their names in lower case: to SQLite, case does not count. */
  readonly columns: ReadonlyMap<string, ColumnShape>;
  readonly uniqueKeys: readonly UniqueKey[];
}

/** The names of SQLite's tables and columns are the same in either case, of ASCII letters only. */
export function nameKey(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

const tableQuery = `SELECT type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE`;
const columnsQuery = `SELECT name, type, "notnull", dflt_value IS NULL, pk, hidden FROM pragma_table_xinfo(?1)`;
const uniqueKeysQuery = `
  SELECT i.name, c.name, c.coll FROM pragma_index_list(?1) AS i, pragma_index_xinfo(i.name) AS c
  WHERE i."unique" AND NOT i.partial AND c.key`;

/** Reads what the schema knows of a table. @returns undefined when there is nothing of that name. */
export function readTableShape(connection: Connection, table: string): TableShape | undefined {
  const [found] = connection.all(tableQuery, [table]);
  if (found === undefined) return undefined;
  const [kind, withoutRowid, strict] = found;
  const columns = new Map<string, ColumnShape>();
  const primaryKey: { name: string; declared: string }[] = [];
  for (const [name, declared, notNull, noDefault, key, hidden] of connection.all(columnsQuery, [table])) {
    const column = String(name);
    if (key !== 0n) primaryKey.push({ name: column, declared: String(declared) });
    columns.set(nameKey(column), {
      name: column,
      storage: storageOf(String(declared), strict === 1n),
      required: (notNull === 1n || (key !== 0n && withoutRowid === 1n)) && noDefault === 1n,
      generated: hidden === 2n || hidden === 3n,
      exact: comparesBytes(connection, table, column),
    });
  }
  const uniqueKeys = readUniqueKeys(connection, table);
  const [alone, ...others] = primaryKey;
  // The number of the row itself, which no index shows.
  if (alone !== undefined && others.length === 0 && withoutRowid !== 1n && /^INTEGER$/i.test(alone.declared)) {
    uniqueKeys.push({ columns: [alone.name], exact: true });
  }
  return { kind: String(kind), columns, uniqueKeys };
}

function readUniqueKeys(connection: Connection, table: string): UniqueKey[] {
  const parts = new Map<unknown, { columns: string[]; exact: boolean; plain: boolean }>();
  for (const [index, column, collation] of connection.all(uniqueKeysQuery, [table])) {
    const key = parts.get(index) ?? { columns: [], exact: true, plain: true };
    parts.set(index, key);
    if (column === null) key.plain = false;
    else key.columns.push(String(column));
    if (!/^binary$/i.test(String(collation))) key.exact = false;
  }
  return [...parts.values()].filter(({ plain }) => plain);
}

/** The affinity of a declared type (sqlite.org/datatype3.html, 3.1): the first rule that fits. */
export function storageOf(declared: string, strict: boolean): Storage {
  if (/INT/i.test(declared)) return 'INTEGER';
  if (strict) return strictStorages[declared.toUpperCase()] ?? 'ANY';
  if (/CHAR|CLOB|TEXT/i.test(declared)) return 'TEXT';
  if (declared === '' || /BLOB/i.test(declared)) return 'ANY';
  return /REAL|FLOA|DOUB/i.test(declared) ? 'REAL' : 'NUMERIC';
}

const strictStorages: Readonly<Record<string, Storage>> = { REAL: 'REAL', TEXT: 'TEXT', BLOB: 'BLOB' };

/** No pragma tells a column's collation: the first part of a UNION lends it to the second one's text. */
function comparesBytes(connection: Connection, table: string, column: string): boolean {
  const [answer] = connection.all(
    `SELECT c = 'A' OR c = 'a ' FROM (SELECT ${quoteName(column)} AS c FROM ${quoteName(table)} WHERE 0 UNION ALL SELECT 'a')`,
  );
  return answer?.[0] === 0n;
}
