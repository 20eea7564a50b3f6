import type { OffsetMove, OffsetReset, PartitionName, StoredOffset } from '../port.ts';
import { quoteName, textLiteral } from './literals.ts';

/** Names of the bookkeeping tables, in the database of the sink's tables. */
export const offsetsTable = 'afterwrite_offsets';
export const deletedTable = 'afterwrite_deleted';
export const outboxTable = 'afterwrite_acknowledgements';

/** CREATE TABLE of the bookkeeping tables, by name. Names of sinks and topics are ASCII, and told apart by case. */
export const createBookkeeping: Readonly<Record<string, string>> = {
  [offsetsTable]:
    `CREATE TABLE IF NOT EXISTS ${quoteName(offsetsTable)} (` +
    'sink VARCHAR(200) NOT NULL, topic VARCHAR(249) NOT NULL, `partition` INT NOT NULL, cluster_id VARCHAR(255) NOT NULL, ' +
    'next_offset BIGINT NOT NULL, epoch BIGINT NOT NULL, `owner` BIGINT NOT NULL, caught_up_at DATETIME(6), ' +
    'PRIMARY KEY (sink, topic, `partition`)) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin',
  [deletedTable]:
    `CREATE TABLE IF NOT EXISTS ${quoteName(deletedTable)} (` +
    'topic VARCHAR(249) NOT NULL, `key` VARBINARY(2800) NOT NULL, version BIGINT NOT NULL, ' +
    'PRIMARY KEY (topic, `key`)) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin',
  [outboxTable]:
    `CREATE TABLE IF NOT EXISTS ${quoteName(outboxTable)} (` +
    'sink VARCHAR(200) NOT NULL, topic VARCHAR(249) NOT NULL, `partition` INT NOT NULL, log_offset BIGINT NOT NULL, ' +
    'version BIGINT NOT NULL, entry LONGTEXT NOT NULL, PRIMARY KEY (sink, topic, `partition`, log_offset)) ' +
    'ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin',
};

const columns = 'cluster_id, next_offset, epoch, `owner`, caught_up_at, topic, `partition`';

/** Statements on the offset rows of a sink. */
export function offsetStatements(sink: string) {
  const table = quoteName(offsetsTable);
  const ofSink = `sink = ${textLiteral(sink)}`;
  const rowOf = ({ topic, partition }: PartitionName): string =>
    `${ofSink} AND topic = ${textLiteral(topic)} AND \`partition\` = ${partition}`;
  const owned = (move: OffsetMove, at: bigint): string =>
    `${rowOf(move)} AND \`owner\` = ${move.owner} AND epoch = ${move.epoch} AND next_offset = ${at}`;
  return {
    claim: ({ topic, partition }: PartitionName, initial: Pick<StoredOffset, 'clusterId' | 'nextOffset'>): string =>
      `INSERT INTO ${table} (sink, topic, \`partition\`, cluster_id, next_offset, epoch, \`owner\`) VALUES ` +
      `(${textLiteral(sink)}, ${textLiteral(topic)}, ${partition}, ${textLiteral(initial.clusterId)}, ` +
      `${initial.nextOffset}, 0, 1) ON DUPLICATE KEY UPDATE \`owner\` = \`owner\` + 1`,
    read: (partition: PartitionName): string => `SELECT ${columns} FROM ${table} WHERE ${rowOf(partition)}`,
    now: 'SELECT UTC_TIMESTAMP(6)',
    readAll: `SELECT ${columns} FROM ${table} WHERE ${ofSink}`,
    reset: (reset: OffsetReset): string =>
      `UPDATE ${table} SET next_offset = ${reset.nextOffset}, epoch = epoch + 1 ` +
      `WHERE ${rowOf(reset)} AND epoch = ${reset.epoch}`,
    move: (move: OffsetMove): string =>
      `UPDATE ${table} SET next_offset = ${move.to}${move.caughtUp ? ', caught_up_at = UTC_TIMESTAMP(6)' : ''} ` +
      `WHERE ${owned(move, move.from)}`,
    markCaughtUp: (move: OffsetMove): string =>
      `UPDATE ${table} SET caught_up_at = UTC_TIMESTAMP(6) WHERE ${owned(move, move.to)}`,
  };
}
