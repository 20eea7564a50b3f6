import type { TargetTable } from '../port.ts';
import { qualifiedName, quoteName } from '../sql/quoted-name.ts';
import { createdType } from './types.ts';

/** Names of the bookkeeping tables, in the keyspace of the sink's tables. */
export const offsetsTable = 'afterwrite_offsets';
export const outboxTable = 'afterwrite_acknowledgements';

/** The texts of all statements on one table. They depend on its columns only, so they are made once. */
export interface TableStatements {
  /** Parameters: keys, values, the version again with a version column, version. */
  readonly insert: string;
  /** The same, with the seconds of a TTL before the last version. */
  readonly insertForAWhile: string;
  /** Parameters: version, keys. */
  readonly delete: string;
  /** All keys, then the times at which the value columns were written. */
  readonly keys: string;
}

/**
 * One rule orders writes and deletes: both happen at the version of their event (rule 21).
 *
 *   INSERT INTO t (k, c) VALUES (?, ?) USING TIMESTAMP ?     DELETE FROM t USING TIMESTAMP ? WHERE k = ?
 */
export function tableStatements(keyspace: string, table: TargetTable): TableStatements {
  const name = qualifiedName(keyspace, table.name);
  const keys = table.keyColumns.map((column) => quoteName(column.name));
  const values = table.valueColumns.map((column) => quoteName(column.name));
  if (table.versionColumn !== undefined) values.push(quoteName(table.versionColumn));
  const columns = [...keys, ...values];
  const insert = `INSERT INTO ${name} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
  return {
    insert: `${insert} USING TIMESTAMP ?`,
    insertForAWhile: `${insert} USING TTL ? AND TIMESTAMP ?`,
    delete: `DELETE FROM ${name} USING TIMESTAMP ? WHERE ${keys.map((key) => `${key} = ?`).join(' AND ')}`,
    keys: `SELECT ${[...keys, ...values.map((value) => `WRITETIME(${value})`)].join(', ')} FROM ${name}`,
  };
}

/** CREATE KEYSPACE with the replication of the sink's options. */
export function createKeyspace(keyspace: string, replication: Readonly<Record<string, string | number>>): string {
  const options = Object.entries(replication).map(([name, value]) => `${quoteText(name)}: ${quoteText(String(value))}`);
  return `CREATE KEYSPACE IF NOT EXISTS ${quoteName(keyspace)} WITH replication = {${options.join(', ')}}`;
}

/** CREATE TABLE of a target table. All key columns are the partition key: rows spread over the nodes. */
export function createTable(keyspace: string, table: TargetTable): string {
  const columns = [
    ...[...table.keyColumns, ...table.valueColumns].map(({ name, type }) => `${quoteName(name)} ${createdType(type)}`),
    ...(table.versionColumn === undefined ? [] : [`${quoteName(table.versionColumn)} bigint`]),
    `PRIMARY KEY (${partitionKey(table)})`,
  ];
  return `CREATE TABLE IF NOT EXISTS ${qualifiedName(keyspace, table.name)} (${columns.join(', ')})`;
}

/** The partition key of a table with these key columns, in brackets. */
export function partitionKey(table: TargetTable): string {
  return `(${table.keyColumns.map(({ name }) => quoteName(name)).join(', ')})`;
}

/** ALTER TABLE that adds a column. */
export function addColumn(keyspace: string, table: string, column: string, type: string): string {
  return `ALTER TABLE ${qualifiedName(keyspace, table)} ADD ${quoteName(column)} ${type}`;
}

/** Conditional statements on rows of one partition key exclude each other: each offset row has a key of its own. */
export function createOffsets(keyspace: string): string {
  return (
    `CREATE TABLE IF NOT EXISTS ${qualifiedName(keyspace, offsetsTable)} (` +
    `sink text, topic text, partition int, cluster_id text, next_offset bigint, epoch bigint, owner bigint, ` +
    `caught_up_at timestamp, PRIMARY KEY ((sink, topic, partition)))`
  );
}

export function createOutbox(keyspace: string): string {
  return (
    `CREATE TABLE IF NOT EXISTS ${qualifiedName(keyspace, outboxTable)} (` +
    `sink text, topic text, partition int, log_offset bigint, version bigint, entry text, ` +
    `PRIMARY KEY ((sink, topic, partition), log_offset))`
  );
}

/**
 * Statements on the outbox. A row is written and deleted at the version of its event, and of the two at one time the delete
 * wins: what was sent does not come back when a batch is written again.
 */
export function outboxStatements(keyspace: string) {
  const table = qualifiedName(keyspace, outboxTable);
  const row = 'sink = ? AND topic = ? AND partition = ?';
  return {
    /** Row, offset, version, entry, version. */
    keep:
      `INSERT INTO ${table} (sink, topic, partition, log_offset, version, entry) ` +
      `VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?`,
    /** Row. */
    read: `SELECT log_offset, version, entry FROM ${table} WHERE ${row} LIMIT ?`,
    /** Version, row, offset. */
    drop: `DELETE FROM ${table} USING TIMESTAMP ? WHERE ${row} AND log_offset = ?`,
  };
}

/** Statements on the offset rows. The parameters of a row are sink, topic, partition. */
export function offsetStatements(keyspace: string) {
  const table = qualifiedName(keyspace, offsetsTable);
  const row = 'sink = ? AND topic = ? AND partition = ?';
  const expected = 'IF owner = ? AND epoch = ? AND next_offset = ?';
  const stored = 'cluster_id, next_offset, epoch, owner, caught_up_at, topic, partition';
  return {
    /** Row, cluster id, next offset. */
    insert:
      `INSERT INTO ${table} (sink, topic, partition, cluster_id, next_offset, epoch, owner) ` +
      `VALUES (?, ?, ?, ?, ?, 0, 1) IF NOT EXISTS`,
    /** New owner, row, expected. */
    takeOver: `UPDATE ${table} SET owner = ? WHERE ${row} ${expected}`,
    /** Row. */
    read: `SELECT ${stored} FROM ${table} WHERE ${row}`,
    /** All rows of all sinks: there are as many as there are partitions. */
    readAll: `SELECT ${stored}, sink FROM ${table}`,
    now: 'SELECT toTimestamp(now()) AS now FROM system.local',
    /** Next offset, epoch, row, expected epoch. */
    reset: `UPDATE ${table} SET next_offset = ?, epoch = ? WHERE ${row} IF epoch = ?`,
    /** Next offset, row, expected. */
    move: `UPDATE ${table} SET next_offset = ? WHERE ${row} ${expected}`,
    /** The same, where that is the end of the partition. */
    moveToEnd: `UPDATE ${table} SET next_offset = ?, caught_up_at = toTimestamp(now()) WHERE ${row} ${expected}`,
    /** Row, expected. */
    markCaughtUp: `UPDATE ${table} SET caught_up_at = toTimestamp(now()) WHERE ${row} ${expected}`,
  };
}

/** A text as a literal. */
function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
