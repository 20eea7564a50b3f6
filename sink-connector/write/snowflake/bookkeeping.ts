import type { OffsetMove, OffsetReset, PartitionName, StoredOffset } from '../port.ts';
import { storedOffset } from '../sql/bookkeeping-rows.ts';
import type { TextRow } from './connection.ts';
import { textLiteral, type Names } from './names.ts';

/**
 * Bookkeeping tables are there once a topic, as its target table is: a statement that changes rows locks the table, and
 * partitions of different topics would queue. Topics whose names differ in other characters than these share one.
 */
const prefixes = {
  offsets: 'AFTERWRITE_OFFSETS_',
  deleted: 'AFTERWRITE_DELETED_',
  outbox: 'AFTERWRITE_ACKNOWLEDGEMENTS_',
} as const;
/** Characters of a name, at most, less those of the prefix; and with them. */
const longestTopic = 235;
const longestName = 255;

export function offsetsTable(topic: string): string {
  return prefixes.offsets + nameOf(topic);
}

export function deletedTable(topic: string): string {
  return prefixes.deleted + nameOf(topic);
}

export function outboxTable(topic: string): string {
  return (prefixes.outbox + nameOf(topic)).slice(0, longestName);
}

function nameOf(topic: string): string {
  return topic
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, '_')
    .slice(0, longestTopic);
}

/** Whether a table of that name holds offsets. */
export function isOffsetsTable(name: string): boolean {
  return name.startsWith(prefixes.offsets);
}

/** CREATE TABLE of the bookkeeping tables of a topic, by name. */
export function createBookkeeping(names: Names, topic: string): Readonly<Record<string, string>> {
  const [offsets, deleted, outbox] = [offsetsTable(topic), deletedTable(topic), outboxTable(topic)];
  return {
    [offsets]:
      `CREATE TABLE IF NOT EXISTS ${names.inSchema(offsets)} (` +
      'SINK VARCHAR NOT NULL, TOPIC VARCHAR NOT NULL, "PARTITION" INTEGER NOT NULL, CLUSTER_ID VARCHAR NOT NULL, ' +
      'NEXT_OFFSET INTEGER NOT NULL, EPOCH INTEGER NOT NULL, OWNER INTEGER NOT NULL, CAUGHT_UP_AT TIMESTAMP_TZ, ' +
      'PRIMARY KEY (SINK, TOPIC, "PARTITION"))',
    [deleted]:
      `CREATE TABLE IF NOT EXISTS ${names.inSchema(deleted)} (` +
      'TOPIC VARCHAR NOT NULL, RECORD_KEY VARCHAR NOT NULL, VERSION INTEGER NOT NULL, PRIMARY KEY (TOPIC, RECORD_KEY))',
    [outbox]:
      `CREATE TABLE IF NOT EXISTS ${names.inSchema(outbox)} (` +
      'SINK VARCHAR NOT NULL, TOPIC VARCHAR NOT NULL, "PARTITION" INTEGER NOT NULL, LOG_OFFSET INTEGER NOT NULL, ' +
      'VERSION INTEGER NOT NULL, ENTRY VARCHAR NOT NULL, PRIMARY KEY (SINK, TOPIC, "PARTITION", LOG_OFFSET))',
  };
}

/** Statements on the outbox of a sink. */
export function outboxStatements(names: Names, sink: string) {
  const tableOf = ({ topic }: PartitionName): string => names.inSchema(outboxTable(topic));
  const rowOf = ({ topic, partition }: PartitionName): string =>
    `SINK = ${textLiteral(sink)} AND TOPIC = ${textLiteral(topic)} AND "PARTITION" = ${partition}`;
  return {
    /** Binds: rows as JSON, [[offset, version, entry], …], all as texts; the id of the transaction. */
    keep: (partition: PartitionName): string =>
      `MERGE INTO ${tableOf(partition)} AS o USING (SELECT CAST(r[0]::VARCHAR AS INTEGER) AS log_offset, ` +
      'CAST(r[1]::VARCHAR AS INTEGER) AS version, r[2]::VARCHAR AS entry ' +
      'FROM (SELECT value AS r FROM TABLE(FLATTEN(PARSE_JSON(?)))) WHERE CURRENT_TRANSACTION() = ?) AS s ' +
      `ON ${rowOf(partition)} AND o.LOG_OFFSET = s.log_offset ` +
      'WHEN MATCHED THEN UPDATE SET VERSION = s.version, ENTRY = s.entry WHEN NOT MATCHED THEN ' +
      'INSERT (SINK, TOPIC, "PARTITION", LOG_OFFSET, VERSION, ENTRY) VALUES ' +
      `(${textLiteral(sink)}, ${textLiteral(partition.topic)}, ${partition.partition}, s.log_offset, s.version, s.entry)`,
    read: (partition: PartitionName, limit: number): string =>
      `SELECT TO_VARCHAR(LOG_OFFSET), TO_VARCHAR(VERSION), ENTRY FROM ${tableOf(partition)} ` +
      `WHERE ${rowOf(partition)} ORDER BY LOG_OFFSET LIMIT ${limit}`,
    drop: (partition: PartitionName, offsets: readonly bigint[]): string =>
      `DELETE FROM ${tableOf(partition)} WHERE ${rowOf(partition)} AND LOG_OFFSET IN (${offsets.join(', ')})`,
  };
}

/** Milliseconds since the epoch, as a text. */
const millis = (time: string): string => `TO_VARCHAR(DATE_PART(EPOCH_MILLISECOND, ${time}))`;

const columns =
  'CLUSTER_ID, TO_VARCHAR(NEXT_OFFSET), TO_VARCHAR(EPOCH), TO_VARCHAR(OWNER), ' +
  `${millis('CAUGHT_UP_AT')}, TOPIC, TO_VARCHAR("PARTITION")`;

/** Statements on the offset rows of a sink. */
export function offsetStatements(names: Names, sink: string) {
  const ofSink = `SINK = ${textLiteral(sink)}`;
  const tableOf = ({ topic }: PartitionName): string => names.inSchema(offsetsTable(topic));
  const rowOf = ({ topic, partition }: PartitionName): string =>
    `${ofSink} AND TOPIC = ${textLiteral(topic)} AND "PARTITION" = ${partition}`;
  const owned = (move: OffsetMove, at: bigint): string =>
    `${rowOf(move)} AND OWNER = ${move.owner} AND EPOCH = ${move.epoch} AND NEXT_OFFSET = ${at}`;
  const columnsOfRow = '(SINK, TOPIC, "PARTITION", CLUSTER_ID, NEXT_OFFSET, EPOCH, OWNER)';
  const valuesOf = (row: PartitionName & Omit<StoredOffset, 'caughtUpAt'>): string =>
    `${textLiteral(sink)}, ${textLiteral(row.topic)}, ${row.partition}, ${textLiteral(row.clusterId)}, ` +
    `${row.nextOffset}, ${row.epoch}, ${row.owner}`;
  const within = (transaction: string): string => `CURRENT_TRANSACTION() = ${textLiteral(transaction)}`;
  return {
    /** Makes the row of a partition that has none; nobody owns it yet. */
    create: (partition: PartitionName, initial: Pick<StoredOffset, 'clusterId' | 'nextOffset'>): string =>
      `MERGE INTO ${tableOf(partition)} AS o USING (SELECT 1 AS one) AS s ON ${rowOf(partition)} ` +
      `WHEN NOT MATCHED THEN INSERT ${columnsOfRow} VALUES (${valuesOf({ ...partition, ...initial, epoch: 0n, owner: 0n })})`,
    /** @param row as it was read: it hits no row where another owner stands by now */
    claim: (row: PartitionName & StoredOffset): string =>
      `UPDATE ${tableOf(row)} SET OWNER = ${row.owner + 1n} ` +
      `WHERE ${rowOf(row)} AND OWNER = ${row.owner} AND EPOCH = ${row.epoch} AND NEXT_OFFSET = ${row.nextOffset}`,
    /** Removes all rows of a partition; `insert` then makes one of them, in the same transaction. */
    remove: (partition: PartitionName, transaction: string): string =>
      `DELETE FROM ${tableOf(partition)} WHERE ${rowOf(partition)} AND ${within(transaction)}`,
    insert: (row: PartitionName & StoredOffset, transaction: string): string =>
      `INSERT INTO ${tableOf(row)} ${columnsOfRow} SELECT ${valuesOf(row)} WHERE ${within(transaction)}`,
    read: (partition: PartitionName): string =>
      `SELECT ${columns} FROM ${tableOf(partition)} WHERE ${rowOf(partition)}`,
    now: `SELECT ${millis('CURRENT_TIMESTAMP()')}`,
    tables: `SHOW TABLES LIKE '${prefixes.offsets}%' IN SCHEMA ${names.schemaName}`,
    /** @param tables as the catalogue has their names: one at least */
    readAll: (tables: readonly string[]): string =>
      tables.map((table) => `SELECT ${columns} FROM ${names.inSchema(table)} WHERE ${ofSink}`).join(' UNION ALL '),
    reset: (reset: OffsetReset): string =>
      `UPDATE ${tableOf(reset)} SET NEXT_OFFSET = ${reset.nextOffset}, EPOCH = EPOCH + 1 ` +
      `WHERE ${rowOf(reset)} AND EPOCH = ${reset.epoch}`,
    /** @param transaction the one that has written the rows: in another one, the offset stays */
    move: (move: OffsetMove, transaction: string): string =>
      `UPDATE ${tableOf(move)} SET NEXT_OFFSET = ${move.to}${move.caughtUp ? ', CAUGHT_UP_AT = CURRENT_TIMESTAMP()' : ''} ` +
      `WHERE ${owned(move, move.from)} AND ${within(transaction)}`,
    markCaughtUp: (move: OffsetMove): string =>
      `UPDATE ${tableOf(move)} SET CAUGHT_UP_AT = CURRENT_TIMESTAMP() WHERE ${owned(move, move.to)}`,
  };
}

/** Reads an offset row that one of the statements above has selected. */
export function offsetOf(row: TextRow): PartitionName & StoredOffset {
  return storedOffset(row, timeOf);
}

/** A time of these statements. */
export function timeOf(millisText: string): Date {
  return new Date(Number(millisText));
}

/** One row for those that two claims have made at once, before either has written anything: the furthest back of them. */
export function mendedOffset<Row extends StoredOffset>(rows: readonly Row[]): Row | undefined {
  const [first, ...others] = rows;
  return others.reduce<Row | undefined>((row, other) => {
    if (row === undefined) return other;
    return {
      ...row,
      nextOffset: row.nextOffset < other.nextOffset ? row.nextOffset : other.nextOffset,
      epoch: row.epoch > other.epoch ? row.epoch : other.epoch,
      owner: row.owner > other.owner ? row.owner : other.owner,
      caughtUpAt: null,
    };
  }, first);
}
