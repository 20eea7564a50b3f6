/**
 * Sizes of records in Kafka's format (magic 2), rounded up. `max.message.bytes` of a topic limits a record batch, so a
 * record fits if the batch that holds it alone does.
 * @see https://kafka.apache.org/documentation/#recordbatch
 */

/** The header of a record batch: 61 bytes. */
export const batchOverhead = 61;

/** Lengths (5 bytes each at most) of record, key, value, header count; attributes, timestamp and offset deltas. */
const recordOverhead = 1 + 5 * 4 + 10 + 5;

/** Key and value length of each header: 5 bytes each at most. */
const headerOverhead = 10;

/** The bytes that a record takes in a batch, at most. */
export function recordBytes(
  key: Buffer | null,
  value: Buffer | null,
  headers?: Readonly<Record<string, Buffer | string>>,
): number {
  let bytes = recordOverhead + (key?.length ?? 0) + (value?.length ?? 0);
  if (headers === undefined) return bytes;
  for (const [name, content] of Object.entries(headers)) {
    bytes += headerOverhead + Buffer.byteLength(name) + Buffer.byteLength(content);
  }
  return bytes;
}
