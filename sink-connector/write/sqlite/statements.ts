import type { TargetTable } from '../port.ts';
import { quoteName } from '../sql/quoted-name.ts';
import { createdType } from './types.ts';

/** Names of the bookkeeping tables. */
export const offsetsTable = 'afterwrite_offsets';
export const deletedTable = 'afterwrite_deleted';
export const outboxTable = 'afterwrite_acknowledgements';

/** The texts of all statements on one table; each writes one row, since SQLite has no round trip to save. */
export interface TableStatements {
  /** Parameters: key, values; with a guard also version, topic, record key. */
  readonly upsert: string;
  /** Parameters: key; with a guard also version. */
  readonly delete: string;
  /** Parameters: topic, record key, version. Undefined without a guard. */
  readonly rememberDeleted: string | undefined;
  /** A page of keys, with their versions. Parameters: how many rows. */
  readonly firstKeys: string;
  /** The next page. Parameters: how many rows, then the last key. */
  readonly nextKeys: string;
}

export function tableStatements(table: TargetTable): TableStatements {
  const { versionColumn: guard } = table;
  return {
    upsert: guard === undefined ? upsert(table) : guardedUpsert(table, quoteName(guard)),
    delete: deleteRow(table),
    rememberDeleted: guard === undefined ? undefined : rememberDeleted,
    firstKeys: keysPage(table, ''),
    nextKeys: keysPage(table, ` AND (${keyList(table)}) > (${places(2, table.keyColumns.length)})`),
  };
}

/**
 *   INSERT OR ABORT INTO t (k, c) VALUES (?1, ?2) ON CONFLICT (k) DO UPDATE SET c = excluded.c
 *
 * OR ABORT is for constraints that were declared with ON CONFLICT IGNORE, ROLLBACK or REPLACE: they would drop a row, the
 * transaction or another row without an error.
 */
function upsert(table: TargetTable): string {
  const columns = [...table.keyColumns, ...table.valueColumns].map(({ name }) => quoteName(name));
  const values = columns.slice(table.keyColumns.length);
  const update = values.length === 0 ? 'NOTHING' : `UPDATE SET ${assignments(values)}`;
  return (
    `INSERT OR ABORT INTO ${quoteName(table.name)} (${columns.join(', ')}) VALUES (${places(1, columns.length)}) ` +
    `ON CONFLICT (${keyList(table)}) DO ${update}`
  );
}

/**
 * As above, but a row changes only under a version above its own, and never under one that its key was deleted at. A
 * version that is NULL counts as 0: such a row was there before the guard.
 */
function guardedUpsert(table: TargetTable, guard: string): string {
  const columns = [...[...table.keyColumns, ...table.valueColumns].map(({ name }) => quoteName(name)), guard];
  const version = columns.length;
  return (
    `INSERT OR ABORT INTO ${quoteName(table.name)} AS t (${columns.join(', ')}) SELECT ${places(1, version)} ` +
    `WHERE NOT EXISTS (SELECT 1 FROM ${deletedTable} AS d ` +
    `WHERE d.topic = ?${version + 1} AND d.key = ?${version + 2} AND d.version >= ?${version}) ` +
    `ON CONFLICT (${keyList(table)}) DO UPDATE SET ${assignments(columns.slice(table.keyColumns.length))} ` +
    `WHERE COALESCE(t.${guard}, 0) < excluded.${guard}`
  );
}

function deleteRow(table: TargetTable): string {
  const conditions = table.keyColumns.map(({ name }, index) => `${quoteName(name)} = ?${index + 1}`);
  if (table.versionColumn !== undefined) {
    conditions.push(`COALESCE(${quoteName(table.versionColumn)}, 0) <= ?${conditions.length + 1}`);
  }
  return `DELETE FROM ${quoteName(table.name)} WHERE ${conditions.join(' AND ')}`;
}

const rememberDeleted =
  `INSERT INTO ${deletedTable} AS d (topic, key, version) VALUES (?1, ?2, ?3) ` +
  `ON CONFLICT (topic, key) DO UPDATE SET version = excluded.version WHERE d.version < excluded.version`;

/**
 * Rows whose key no event can have (NULL, or of another type) are left out, so that the last key of a page is one that
 * the next page can begin behind. Texts are read as blobs: see `Connection.all`.
 */
function keysPage(table: TargetTable, after: string): string {
  const columns = table.keyColumns.map(({ name, type }) =>
    type === 'string' ? `CAST(${quoteName(name)} AS BLOB)` : quoteName(name),
  );
  const known = table.keyColumns.map(
    ({ name, type }) => `typeof(${quoteName(name)}) = '${type === 'string' ? 'text' : 'integer'}'`,
  );
  const version = table.versionColumn === undefined ? 'NULL' : quoteName(table.versionColumn);
  return (
    `SELECT ${[...columns, version].join(', ')} FROM ${quoteName(table.name)} ` +
    `WHERE ${known.join(' AND ')}${after} ORDER BY ${keyList(table)} LIMIT ?1`
  );
}

/** Parameters from a number on: ?1, ?2. */
function places(first: number, count: number): string {
  return Array.from({ length: count }, (_, index) => `?${first + index}`).join(', ');
}

function assignments(quotedColumns: readonly string[]): string {
  return quotedColumns.map((column) => `${column} = excluded.${column}`).join(', ');
}

function keyList(table: TargetTable): string {
  return table.keyColumns.map(({ name }) => quoteName(name)).join(', ');
}

/** CREATE TABLE of a target table. STRICT: what does not fit a column is refused, and never turned into what does. */
export function createTable(table: TargetTable): string {
  const columns = [
    ...table.keyColumns.map(({ name, type }) => `${quoteName(name)} ${createdType(type)} NOT NULL`),
    ...[...nullableColumns(table)].map(([name, type]) => `${quoteName(name)} ${type}`),
    `PRIMARY KEY (${keyList(table)})`,
  ];
  return `CREATE TABLE ${quoteName(table.name)} (${columns.join(', ')}) STRICT`;
}

export function addColumn(table: TargetTable, name: string, type: string): string {
  return `ALTER TABLE ${quoteName(table.name)} ADD COLUMN ${quoteName(name)} ${type}`;
}

/** The columns beside the key, with the types that they are created with. */
export function nullableColumns(table: TargetTable): Map<string, string> {
  return new Map([
    ...table.valueColumns.map(({ name, type }) => [name, createdType(type)] as const),
    ...(table.versionColumn === undefined ? [] : [[table.versionColumn, createdType('long')] as const]),
  ]);
}

/** CREATE TABLE of the bookkeeping tables, by name. */
export const bookkeeping: Readonly<Record<string, string>> = {
  [offsetsTable]:
    `CREATE TABLE ${offsetsTable} (sink TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, ` +
    `cluster_id TEXT NOT NULL, next_offset INTEGER NOT NULL, epoch INTEGER NOT NULL, owner INTEGER NOT NULL, ` +
    `caught_up_at TEXT, PRIMARY KEY (sink, topic, partition)) STRICT, WITHOUT ROWID`,
  [deletedTable]:
    `CREATE TABLE ${deletedTable} (topic TEXT NOT NULL, key BLOB NOT NULL, version INTEGER NOT NULL, ` +
    `PRIMARY KEY (topic, key)) STRICT, WITHOUT ROWID`,
  [outboxTable]:
    `CREATE TABLE ${outboxTable} (sink TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, ` +
    `log_offset INTEGER NOT NULL, version INTEGER NOT NULL, entry TEXT NOT NULL, ` +
    `PRIMARY KEY (sink, topic, partition, log_offset)) STRICT, WITHOUT ROWID`,
};

const row = 'sink = ?1 AND topic = ?2 AND partition = ?3';
const owned = `${row} AND owner = ?4 AND epoch = ?5 AND next_offset = ?6`;
const offsetColumns = 'cluster_id, next_offset, epoch, owner, caught_up_at, topic, partition';
const now = `strftime('%Y-%m-%d %H:%M:%f', 'now')`;

/** Statements on the offset rows. Parameters 1 to 3 are always sink, topic, partition. */
export const offsetStatements = {
  /** ?4 cluster id, ?5 first offset. */
  claim:
    `INSERT INTO ${offsetsTable} (sink, topic, partition, cluster_id, next_offset, epoch, owner) ` +
    `VALUES (?1, ?2, ?3, ?4, ?5, 0, 1) ` +
    `ON CONFLICT (sink, topic, partition) DO UPDATE SET owner = owner + 1 RETURNING ${offsetColumns}`,
  read: `SELECT ${offsetColumns} FROM ${offsetsTable} WHERE ${row}`,
  /** ?1 sink. */
  readAll: `SELECT ${offsetColumns} FROM ${offsetsTable} WHERE sink = ?1`,
  /** ?4 epoch, ?5 next offset. */
  reset: `UPDATE ${offsetsTable} SET next_offset = ?5, epoch = epoch + 1 WHERE ${row} AND epoch = ?4`,
  /** ?4 owner, ?5 epoch, ?6 from, ?7 to, ?8 whether that is the end of the partition. */
  move:
    `UPDATE ${offsetsTable} SET next_offset = ?7, ` +
    `caught_up_at = CASE WHEN ?8 THEN ${now} ELSE caught_up_at END WHERE ${owned}`,
  now: `SELECT ${now}`,
  /** ?4 owner, ?5 epoch, ?6 next offset. */
  markCaughtUp: `UPDATE ${offsetsTable} SET caught_up_at = ${now} WHERE ${owned}`,
};

/** Statements on the outbox. Parameters 1 to 3 are always sink, topic, partition. */
export const outboxStatements = {
  /** ?4 offset, ?5 version, ?6 entry. */
  keep:
    `INSERT INTO ${outboxTable} (sink, topic, partition, log_offset, version, entry) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ` +
    `ON CONFLICT (sink, topic, partition, log_offset) DO UPDATE SET version = excluded.version, entry = excluded.entry`,
  /** ?4 how many. */
  read: `SELECT log_offset, version, entry FROM ${outboxTable} WHERE ${row} ORDER BY log_offset LIMIT ?4`,
  /** ?4 offset. */
  drop: `DELETE FROM ${outboxTable} WHERE ${row} AND log_offset = ?4`,
};
