import type { OffsetMove, OffsetReset, OutboxRow, PartitionName, StoredOffset } from '../port.ts';
import { quoteName } from '../sql/quoted-name.ts';
import { deletedTable, offsetsTable, outboxTable } from './statements.ts';
import type { BindValue } from './types.ts';

/** CREATE TABLE of the bookkeeping tables, by name. */
export const createBookkeeping: Readonly<Record<string, string>> = {
  [offsetsTable]:
    `CREATE TABLE ${quoteName(offsetsTable)} ("SINK" VARCHAR2(200) NOT NULL, "TOPIC" VARCHAR2(249) NOT NULL, ` +
    `"PARTITION" NUMBER(10) NOT NULL, "CLUSTER_ID" VARCHAR2(255) NOT NULL, "NEXT_OFFSET" NUMBER(19) NOT NULL, ` +
    `"EPOCH" NUMBER(19) NOT NULL, "OWNER" NUMBER(19) NOT NULL, "CAUGHT_UP_AT" TIMESTAMP(6) WITH TIME ZONE, ` +
    `PRIMARY KEY ("SINK", "TOPIC", "PARTITION"))`,
  [deletedTable]:
    `CREATE TABLE ${quoteName(deletedTable)} ("TOPIC" VARCHAR2(249) NOT NULL, "KEY" RAW(2000) NOT NULL, ` +
    `"VERSION" NUMBER(19) NOT NULL, PRIMARY KEY ("TOPIC", "KEY"))`,
  [outboxTable]:
    `CREATE TABLE ${quoteName(outboxTable)} ("SINK" VARCHAR2(200) NOT NULL, "TOPIC" VARCHAR2(249) NOT NULL, ` +
    `"PARTITION" NUMBER(10) NOT NULL, "LOG_OFFSET" NUMBER(19) NOT NULL, "VERSION" NUMBER(19) NOT NULL, ` +
    `"ENTRY" CLOB NOT NULL, PRIMARY KEY ("SINK", "TOPIC", "PARTITION", "LOG_OFFSET"))`,
};

/** Statements on the outbox of a sink. */
export function outboxStatements(sink: string) {
  const table = quoteName(outboxTable);
  const row = '"SINK" = :1 AND "TOPIC" = :2 AND "PARTITION" = :3';
  const rowOf = ({ topic, partition }: PartitionName): BindValue[] => [sink, topic, partition];
  return {
    insert: (partition: PartitionName, { offset, version, entry }: OutboxRow): BoundStatement => ({
      sql:
        `INSERT INTO ${table} ("SINK", "TOPIC", "PARTITION", "LOG_OFFSET", "VERSION", "ENTRY") ` +
        `VALUES (:1, :2, :3, :4, :5, :6)`,
      binds: [...rowOf(partition), offset, version, entry],
    }),
    read: (partition: PartitionName, limit: number): BoundStatement => ({
      sql:
        `SELECT "LOG_OFFSET", "VERSION", "ENTRY" FROM ${table} WHERE ${row} ` +
        `ORDER BY "LOG_OFFSET" FETCH FIRST ${limit} ROWS ONLY`,
      binds: rowOf(partition),
    }),
    drop: (partition: PartitionName, { offset }: OutboxRow): BoundStatement => ({
      sql: `DELETE FROM ${table} WHERE ${row} AND "LOG_OFFSET" = :4`,
      binds: [...rowOf(partition), offset],
    }),
  };
}

/** A statement with its binds, in the order in which they stand in its text, whatever their numbers. */
export interface BoundStatement {
  readonly sql: string;
  readonly binds: readonly BindValue[];
}

const columns = '"CLUSTER_ID", "NEXT_OFFSET", "EPOCH", "OWNER", "CAUGHT_UP_AT", "TOPIC", "PARTITION"';

/** Statements on the offset rows of a sink. */
export function offsetStatements(sink: string) {
  const table = quoteName(offsetsTable);
  const row = '"SINK" = :1 AND "TOPIC" = :2 AND "PARTITION" = :3';
  const rowOf = ({ topic, partition }: PartitionName): BindValue[] => [sink, topic, partition];
  const owned = `${row} AND "OWNER" = :4 AND "EPOCH" = :5 AND "NEXT_OFFSET" = :6`;
  const ownedBy = (move: OffsetMove, at: bigint): BindValue[] => [...rowOf(move), move.owner, move.epoch, at];
  return {
    takeOver: (partition: PartitionName): BoundStatement => ({
      sql: `UPDATE ${table} SET "OWNER" = "OWNER" + 1 WHERE ${row}`,
      binds: rowOf(partition),
    }),
    create: (
      partition: PartitionName,
      { clusterId, nextOffset }: Pick<StoredOffset, 'clusterId' | 'nextOffset'>,
    ): BoundStatement => ({
      sql:
        `INSERT INTO ${table} ("SINK", "TOPIC", "PARTITION", "CLUSTER_ID", "NEXT_OFFSET", "EPOCH", "OWNER") ` +
        `VALUES (:1, :2, :3, :4, :5, 0, 1)`,
      binds: [...rowOf(partition), clusterId, nextOffset],
    }),
    read: (partition: PartitionName): BoundStatement => ({
      sql: `SELECT ${columns} FROM ${table} WHERE ${row}`,
      binds: rowOf(partition),
    }),
    readAll: { sql: `SELECT ${columns} FROM ${table} WHERE "SINK" = :1`, binds: [sink] } satisfies BoundStatement,
    now: { sql: 'SELECT SYSTIMESTAMP FROM dual', binds: [] } satisfies BoundStatement,
    reset: (reset: OffsetReset): BoundStatement => ({
      sql: `UPDATE ${table} SET "EPOCH" = "EPOCH" + 1, "NEXT_OFFSET" = :5 WHERE ${row} AND "EPOCH" = :4`,
      binds: [reset.nextOffset, ...rowOf(reset), reset.epoch],
    }),
    move: (move: OffsetMove): BoundStatement => ({
      sql:
        `UPDATE ${table} SET "NEXT_OFFSET" = :7${move.caughtUp ? ', "CAUGHT_UP_AT" = SYSTIMESTAMP' : ''} ` +
        `WHERE ${owned}`,
      binds: [move.to, ...ownedBy(move, move.from)],
    }),
    markCaughtUp: (move: OffsetMove): BoundStatement => ({
      sql: `UPDATE ${table} SET "CAUGHT_UP_AT" = SYSTIMESTAMP WHERE ${owned}`,
      binds: ownedBy(move, move.to),
    }),
  };
}
