import type { TargetTable } from '../port.ts';
import { qualifiedName, quoteName } from '../sql/quoted-name.ts';
import { createdType } from './types.ts';

/** Names of the bookkeeping tables, in the schema of the sink's tables. */
export const offsetsTable = 'afterwrite_offsets';
export const deletedTable = 'afterwrite_deleted';
export const outboxTable = 'afterwrite_acknowledgements';

/** The SQL type of each column of a table that a statement names, as the table has it, without its length. */
export type ColumnTypes = ReadonlyMap<string, string>;

/** The texts of all statements on one table. They depend on its columns only, so they are made once. */
export interface TableStatements {
  /** Parameters: one array a column (keys, values, then versions and record keys and the topic when guarded). */
  readonly upsert: string;
  /** Parameters: one array a key column; with a guard, also the versions. */
  readonly delete: string;
  /** Parameters: topic, record keys, versions. Undefined without a guard. */
  readonly rememberDeleted: string | undefined;
  /** A page of the keys that stand there, and of their versions, all as texts. Parameters: how many rows. */
  readonly firstKeys: string;
  /** The next page. Parameters: how many rows, then the last key as texts. */
  readonly nextKeys: string;
}

export function tableStatements(schema: string, table: TargetTable, types: ColumnTypes): TableStatements {
  return {
    upsert: table.versionColumn === undefined ? upsert(schema, table, types) : guardedUpsert(schema, table, types),
    delete: deleteRows(schema, table, types),
    rememberDeleted: table.versionColumn === undefined ? undefined : rememberDeleted(schema),
    firstKeys: keysPage(schema, table, ''),
    nextKeys: keysPage(schema, table, `WHERE (${keyList(table)}) > (${keyParameters(table, types)}) `),
  };
}

/**
 *   INSERT INTO t (k, c) SELECT * FROM unnest($1::text[], $2::integer[])
 *   ON CONFLICT (k) DO UPDATE SET c = EXCLUDED.c
 */
function upsert(schema: string, table: TargetTable, types: ColumnTypes): string {
  const columns = [...table.keyColumns, ...table.valueColumns].map(({ name }) => name);
  const values = table.valueColumns.map(({ name }) => quoteName(name));
  const update = values.length === 0 ? 'NOTHING' : `UPDATE SET ${assignments(values)}`;
  return (
    `INSERT INTO ${qualifiedName(schema, table.name)} (${columns.map(quoteName).join(', ')}) ` +
    `SELECT * FROM unnest(${arrays(columns, types)}) ` +
    `ON CONFLICT (${keyList(table)}) DO ${update}`
  );
}

/**
 * As above, but a row changes only under a version above its own, and never under one that its key was deleted at. A
 * version that is NULL counts as 0: such a row was there before the guard.
 */
function guardedUpsert(schema: string, table: TargetTable, types: ColumnTypes): string {
  const version = table.versionColumn ?? '';
  const columns = [...table.keyColumns, ...table.valueColumns].map(({ name }) => name);
  const written = [...columns, version];
  const names = written.map((_, index) => `c${index}`);
  const parameters = `${arrays(written, types)}, $${written.length + 1}::bytea[]`;
  const guard = quoteName(version);
  return (
    `INSERT INTO ${qualifiedName(schema, table.name)} AS t (${written.map(quoteName).join(', ')}) ` +
    `SELECT ${names.map((name) => `u.${name}`).join(', ')} FROM unnest(${parameters}) AS u(${names.join(', ')}, record_key) ` +
    `WHERE NOT EXISTS (SELECT FROM ${qualifiedName(schema, deletedTable)} AS d ` +
    `WHERE d.topic = $${written.length + 2} AND d.key = u.record_key AND d.version >= u.c${written.length - 1}) ` +
    `ON CONFLICT (${keyList(table)}) DO UPDATE SET ` +
    `${assignments([...table.valueColumns.map(({ name }) => quoteName(name)), guard])} ` +
    `WHERE COALESCE(t.${guard}, 0) < EXCLUDED.${guard}`
  );
}

/** DELETE FROM t USING unnest($1::text[]) AS u(c0) WHERE t.k = u.c0 */
function deleteRows(schema: string, table: TargetTable, types: ColumnTypes): string {
  const guard = table.versionColumn;
  const keys = table.keyColumns.map(({ name }) => name);
  const columns = guard === undefined ? keys : [...keys, guard];
  const conditions = keys.map((name, index) => `t.${quoteName(name)} = u.c${index}`);
  if (guard !== undefined) conditions.push(`COALESCE(t.${quoteName(guard)}, 0) <= u.c${keys.length}`);
  return (
    `DELETE FROM ${qualifiedName(schema, table.name)} AS t ` +
    `USING unnest(${arrays(columns, types)}) AS u(${columns.map((_, index) => `c${index}`).join(', ')}) ` +
    `WHERE ${conditions.join(' AND ')}`
  );
}

function rememberDeleted(schema: string): string {
  return (
    `INSERT INTO ${qualifiedName(schema, deletedTable)} AS d (topic, key, version) ` +
    `SELECT $1, u.key, u.version FROM unnest($2::bytea[], $3::bigint[]) AS u(key, version) ` +
    `ON CONFLICT (topic, key) DO UPDATE SET version = EXCLUDED.version WHERE d.version < EXCLUDED.version`
  );
}

/** SELECT k::text FROM t WHERE (k) > ($2::text) ORDER BY k LIMIT $1 */
function keysPage(schema: string, table: TargetTable, after: string): string {
  const version = table.versionColumn === undefined ? 'NULL' : quoteName(table.versionColumn);
  const texts = [...table.keyColumns.map(({ name }) => quoteName(name)), version].map((column) => `${column}::text`);
  return (
    `SELECT ${texts.join(', ')} FROM ${qualifiedName(schema, table.name)} ` +
    `${after}ORDER BY ${keyList(table)} LIMIT $1`
  );
}

function keyParameters(table: TargetTable, types: ColumnTypes): string {
  return table.keyColumns.map(({ name }, index) => `$${index + 2}::${types.get(name) ?? 'text'}`).join(', ');
}

function arrays(columns: readonly string[], types: ColumnTypes): string {
  return columns.map((name, index) => `$${index + 1}::${types.get(name) ?? 'text'}[]`).join(', ');
}

function assignments(quotedColumns: readonly string[]): string {
  return quotedColumns.map((column) => `${column} = EXCLUDED.${column}`).join(', ');
}

function keyList(table: TargetTable): string {
  return table.keyColumns.map(({ name }) => quoteName(name)).join(', ');
}

/** CREATE TABLE of a target table. */
export function createTable(schema: string, table: TargetTable): string {
  const columns = [
    ...table.keyColumns.map(({ name, type }) => `${quoteName(name)} ${createdType(type)} NOT NULL`),
    ...table.valueColumns.map(({ name, type }) => `${quoteName(name)} ${createdType(type)}`),
    ...(table.versionColumn === undefined ? [] : [`${quoteName(table.versionColumn)} BIGINT`]),
    `PRIMARY KEY (${keyList(table)})`,
  ];
  return `CREATE TABLE IF NOT EXISTS ${qualifiedName(schema, table.name)} (${columns.join(', ')})`;
}

/** CREATE TABLE of the bookkeeping tables, by name. */
export function createBookkeeping(schema: string): Readonly<Record<string, string>> {
  return {
    [offsetsTable]:
      `CREATE TABLE IF NOT EXISTS ${qualifiedName(schema, offsetsTable)} (` +
      `sink TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, cluster_id TEXT NOT NULL, ` +
      `next_offset BIGINT NOT NULL, epoch BIGINT NOT NULL, owner BIGINT NOT NULL, caught_up_at TIMESTAMPTZ, ` +
      `PRIMARY KEY (sink, topic, partition))`,
    [deletedTable]:
      `CREATE TABLE IF NOT EXISTS ${qualifiedName(schema, deletedTable)} (` +
      `topic TEXT NOT NULL, key BYTEA NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (topic, key))`,
    [outboxTable]:
      `CREATE TABLE IF NOT EXISTS ${qualifiedName(schema, outboxTable)} (` +
      `sink TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, log_offset BIGINT NOT NULL, ` +
      `version BIGINT NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (sink, topic, partition, log_offset))`,
  };
}

/** Statements on the outbox. Parameters 1 to 3 are always sink, topic, partition. */
export function outboxStatements(schema: string) {
  const table = qualifiedName(schema, outboxTable);
  const row = 'sink = $1 AND topic = $2 AND partition = $3';
  return {
    /** $4 offsets, $5 versions, $6 entries: an array each. */
    keep:
      `INSERT INTO ${table} (sink, topic, partition, log_offset, version, entry) ` +
      `SELECT $1, $2, $3::integer, u.o, u.v, u.e FROM unnest($4::bigint[], $5::bigint[], $6::text[]) AS u(o, v, e) ` +
      `ON CONFLICT (sink, topic, partition, log_offset) DO UPDATE SET version = EXCLUDED.version, entry = EXCLUDED.entry`,
    /** $4 how many. */
    read: `SELECT log_offset, version, entry FROM ${table} WHERE ${row} ORDER BY log_offset LIMIT $4`,
    /** $4 offsets. */
    drop: `DELETE FROM ${table} WHERE ${row} AND log_offset = ANY ($4::bigint[])`,
  };
}

/** Statements on the offset rows. Parameters 1 to 3 are always sink, topic, partition. */
export function offsetStatements(schema: string) {
  const table = qualifiedName(schema, offsetsTable);
  const row = 'sink = $1 AND topic = $2 AND partition = $3';
  const owned = `${row} AND owner = $4 AND epoch = $5 AND next_offset = $6`;
  const columns = 'cluster_id, next_offset, epoch, owner, caught_up_at, topic, partition';
  return {
    /** $4 cluster id, $5 first offset. */
    claim:
      `INSERT INTO ${table} AS o (sink, topic, partition, cluster_id, next_offset, epoch, owner) ` +
      `VALUES ($1, $2, $3, $4, $5, 0, 1) ` +
      `ON CONFLICT (sink, topic, partition) DO UPDATE SET owner = o.owner + 1 RETURNING ${columns}`,
    read: `SELECT ${columns} FROM ${table} WHERE ${row}`,
    now: 'SELECT now() AS now',
    /** $1 sink. */
    readAll: `SELECT ${columns} FROM ${table} WHERE sink = $1`,
    /** $4 epoch, $5 next offset. */
    reset: `UPDATE ${table} SET next_offset = $5, epoch = epoch + 1 WHERE ${row} AND epoch = $4`,
    /** $4 owner, $5 epoch, $6 from, $7 to, $8 whether that is the end of the partition. */
    move:
      `UPDATE ${table} SET next_offset = $7, ` +
      `caught_up_at = CASE WHEN $8 THEN now() ELSE caught_up_at END WHERE ${owned}`,
    /** $4 owner, $5 epoch, $6 next offset. */
    markCaughtUp: `UPDATE ${table} SET caught_up_at = now() WHERE ${owned}`,
  };
}
