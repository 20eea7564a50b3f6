import type { Client } from 'cassandra-driver';

export interface ColumnShape {
  readonly name: string;
  /** As CQL writes it. */
  readonly type: string;
  readonly kind: 'partition_key' | 'clustering' | 'regular' | 'static';
}

export interface TableShape {
  /** A materialized view cannot be written. */
  readonly isView: boolean;
  readonly columns: ReadonlyMap<string, ColumnShape>;
}

const columnsQuery =
  'SELECT column_name, type, kind FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?';
const viewQuery = 'SELECT view_name FROM system_schema.views WHERE keyspace_name = ? AND view_name = ?';
const keyspaceQuery = 'SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?';

/** Reads what the schema knows of a table. @returns undefined when there is none of that name. */
export async function readTableShape(client: Client, keyspace: string, table: string): Promise<TableShape | undefined> {
  const { rows } = await client.execute(columnsQuery, [keyspace, table]);
  if (rows.length === 0) return undefined;
  const columns = rows.map((row) => ({
    name: String(row.get('column_name')),
    type: String(row.get('type')),
    kind: kindOf(String(row.get('kind'))),
  }));
  const views = await client.execute(viewQuery, [keyspace, table]);
  return { isView: views.rows.length > 0, columns: new Map(columns.map((column) => [column.name, column])) };
}

export async function keyspaceExists(client: Client, keyspace: string): Promise<boolean> {
  const { rows } = await client.execute(keyspaceQuery, [keyspace]);
  return rows.length === 1;
}

function kindOf(kind: string): ColumnShape['kind'] {
  return kind === 'partition_key' || kind === 'clustering' || kind === 'static' ? kind : 'regular';
}
