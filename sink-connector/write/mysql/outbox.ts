import type { OutboxRow, PartitionName } from '../port.ts';
import { outboxTable } from './bookkeeping.ts';
import { quoteName, textLiteral } from './literals.ts';
import type { RowsStatement } from './statements.ts';

/** Statements on the outbox of a sink. */
export function outboxStatements(sink: string) {
  const table = quoteName(outboxTable);
  const rowOf = ({ topic, partition }: PartitionName): string =>
    `sink = ${textLiteral(sink)} AND topic = ${textLiteral(topic)} AND \`partition\` = ${partition}`;
  return {
    keep: ({ topic, partition }: PartitionName): RowsStatement<OutboxRow> => ({
      before: `INSERT INTO ${table} (sink, topic, \`partition\`, log_offset, version, entry) VALUES `,
      row: ({ offset, version, entry }) =>
        `(${textLiteral(sink)},${textLiteral(topic)},${partition},${offset},${version},${textLiteral(entry)})`,
      between: ',',
      after: ' ON DUPLICATE KEY UPDATE version = VALUES(version), entry = VALUES(entry)',
      rows: Infinity,
    }),
    read: (partition: PartitionName, limit: number): string =>
      `SELECT CONVERT(log_offset USING utf8mb4), CONVERT(version USING utf8mb4), entry FROM ${table} ` +
      `WHERE ${rowOf(partition)} ORDER BY log_offset LIMIT ${limit}`,
    drop: (partition: PartitionName): RowsStatement<OutboxRow> => ({
      before: `DELETE FROM ${table} WHERE ${rowOf(partition)} AND log_offset IN (`,
      row: ({ offset }) => String(offset),
      between: ',',
      after: ')',
      rows: 1000,
    }),
  };
}
