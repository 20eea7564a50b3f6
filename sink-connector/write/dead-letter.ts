import { createHash } from 'node:crypto';
import { reasonOf } from '../../ops/errors/index.ts';
import { readableText, type ColumnValue } from '../../schemas/index.ts';
import type { Change } from '../decode/change.ts';
import type { RejectedChange } from './event-order.ts';
import type { PartitionName, TargetTable } from './port.ts';

/** Which sink was to write the row. */
export interface DeadLetterPlace {
  readonly pipeline: string;
  readonly sink: string;
}

/** Of dead letters about one record, the last one counts: a repeated transaction writes them again under this key. */
export function deadLetterKey(sink: string, { topic, partition }: PartitionName, offset: number): Buffer {
  return Buffer.from(`${sink}:${topic}:${partition}:${offset}`);
}

/**
 * The dead letter of a row that a database does not take: JSON with the names that the source's dead letters of hashes
 * have (source-connector/record/dead-letter.ts). Values are as events carry them; bytes are their UTF-8 text, or `b64:`
 * and base64 when they are none; integers that a double cannot hold are texts. A row that does not fit into `maxBytes`
 * is told by its digest (rule 13): the record itself stands in its topic.
 * @param at when, ms since the epoch
 */
export function deadLetter(
  { pipeline, sink }: DeadLetterPlace,
  table: TargetTable,
  { topic, partition }: PartitionName,
  { change, cause }: RejectedChange,
  at: number,
  maxBytes: number,
): Buffer {
  const code = errorCodeOf(cause);
  const key = change.keyValues.map((value) => String(readableValue(value))).join(', ');
  const facts = {
    v: 1,
    reason: 'rejected-row',
    message: databaseWords(cause).slice(0, 2000),
    ...(code === undefined ? {} : { code }),
    mapping: table.mapping,
    topic,
    key,
    op: change.values === null ? 'delete' : 'upsert',
    version: change.version === undefined ? null : String(change.version),
    sink: { pipeline, name: sink, table: table.name, partition, offset: change.offset },
    at: new Date(at).toISOString(),
  };
  const recordKey = change.key.toString('base64');
  const row = rowOf(table, change);
  const text = JSON.stringify(row);
  const whole = Buffer.from(JSON.stringify({ ...facts, recordKey, row }));
  if (whole.length < maxBytes) return whole;
  const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');
  const digest = { columns: Object.keys(row).length, bytes: Buffer.byteLength(text), sha256: sha256(text) };
  const letter = Buffer.from(JSON.stringify({ ...facts, digest }));
  return letter.length < maxBytes
    ? letter
    : Buffer.from(JSON.stringify({ ...facts, key: `sha256:${sha256(change.key)}`, digest }));
}

function rowOf(table: TargetTable, { keyValues, values }: Change): Record<string, ReadableValue> {
  const row: Record<string, ReadableValue> = {};
  for (const [index, { name }] of table.keyColumns.entries()) row[name] = readableValue(keyValues[index] ?? null);
  if (values === null) return row;
  for (const [index, { name }] of table.valueColumns.entries()) row[name] = readableValue(values[index] ?? null);
  return row;
}

/** What the database said, with the detail that some add: which key, which row. */
export function databaseWords(error: unknown): string {
  const detail: unknown = error instanceof Error ? Reflect.get(error, 'detail') : undefined;
  return typeof detail === 'string' ? `${reasonOf(error)}: ${detail}` : reasonOf(error);
}

/** SQLSTATE, or whatever the driver calls its code. */
function errorCodeOf(error: unknown): string | undefined {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' || typeof code === 'number' ? String(code) : undefined;
}

type ReadableValue = string | number | boolean | null;

function readableValue(value: ColumnValue): ReadableValue {
  if (Buffer.isBuffer(value)) return readableText(value);
  if (typeof value === 'string') return readableText(Buffer.from(value));
  if (typeof value === 'bigint') return String(value);
  // JSON has no word for them.
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
