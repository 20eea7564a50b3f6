import type pg from 'pg';

/** One column as the catalogue has it. */
export interface ColumnShape {
  readonly name: string;
  /** Without a length, and quoted and qualified where that is needed: right for a cast. */
  readonly type: string;
  /** Whether INSERT must name it: NOT NULL, and nothing fills it in. */
  readonly required: boolean;
  /** GENERATED ALWAYS: INSERT must not name it. */
  readonly generated: boolean;
  /** False for a collation under which two different texts are equal. */
  readonly deterministic: boolean;
}

export interface TableShape {
  /** `r` and `p` (partitioned) are tables; see pg_class.relkind. */
  readonly kind: string;
  readonly columns: ReadonlyMap<string, ColumnShape>;
  /** The columns of each index that ON CONFLICT may name: unique, immediate, over whole rows and plain columns. */
  readonly uniqueKeys: readonly (readonly string[])[];
  /** Of SELECT, INSERT, UPDATE and DELETE, those that this user may not do. */
  readonly missingRights: readonly string[];
  /** This user, quoted where that is needed. */
  readonly user: string;
}

/** Tables, and partitioned ones: what rows can be written to. */
export const writableKinds: readonly string[] = ['r', 'p'];

// The type modifier −1 keeps `bpchar` from becoming char(1), and leaves out lengths: a cast to varchar(3) would cut a
// value silently, where the assignment to the column refuses it.
const columnsQuery = `
  SELECT a.attname AS name, format_type(a.atttypid, -1) AS type,
         a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS required,
         a.attgenerated <> '' OR a.attidentity = 'a' AS generated,
         COALESCE(co.collisdeterministic, true) AS deterministic
  FROM pg_attribute a LEFT JOIN pg_collation co ON co.oid = a.attcollation
  WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
  ORDER BY a.attnum`;

const uniqueKeysQuery = `
  SELECT array_agg(a.attname::text) AS columns
  FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
  WHERE i.indrelid = $1 AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
  GROUP BY i.indexrelid`;

const tableQuery = `
  SELECT c.oid, c.relkind AS kind, quote_ident(current_user) AS user, ARRAY(
    SELECT r FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS r WHERE NOT has_table_privilege(c.oid, r)
  ) AS missing
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = $2`;

/** Reads what the catalogue knows of a table. @returns undefined when there is no relation of that name. */
export async function readTableShape(
  client: pg.Client,
  schema: string,
  table: string,
): Promise<TableShape | undefined> {
  const found = await client.query<{ oid: number; kind: string; user: string; missing: string[] }>(tableQuery, [
    schema,
    table,
  ]);
  const [relation] = found.rows;
  if (relation === undefined) return undefined;
  const columns = await client.query<ColumnShape>(columnsQuery, [relation.oid]);
  const uniqueKeys = await client.query<{ columns: string[] }>(uniqueKeysQuery, [relation.oid]);
  return {
    kind: relation.kind,
    columns: new Map(columns.rows.map((column) => [column.name, column])),
    uniqueKeys: uniqueKeys.rows.map((row) => row.columns),
    missingRights: relation.missing,
    user: relation.user,
  };
}
