import { gzipSync } from 'node:zlib';

function varint(value: number): Buffer {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  const bytes: number[] = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

const sized = (bytes: Buffer | null) => (bytes === null ? varint(-1) : Buffer.concat([varint(bytes.length), bytes]));

/** What a record is made of. */
export interface RecordParts {
  readonly delta: number;
  readonly timestampDelta?: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: readonly (readonly [string, Buffer | null])[];
}

/** A record as it stands in a batch. */
export function recordBytes({ delta, timestampDelta = 0, key, value, headers = [] }: RecordParts): Buffer {
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(timestampDelta),
    varint(delta),
    sized(key),
    sized(value),
    varint(headers.length),
    ...headers.flatMap(([name, held]) => [sized(Buffer.from(name)), sized(held)]),
  ]);
  return sized(body);
}

/** What is unlike the plainest batch. */
export interface BatchParts {
  readonly base?: number;
  readonly attributes?: number;
  readonly lastDelta?: number;
  readonly count?: number;
  readonly magic?: number;
  readonly body?: Buffer;
}

/** A record batch as it stands in Kafka's log. */
export function batchBytes(records: readonly RecordParts[], parts: BatchParts = {}): Buffer {
  const attributes = parts.attributes ?? 0;
  const plain = Buffer.concat(records.map(recordBytes));
  const body = parts.body ?? ((attributes & 7) === 1 ? gzipSync(plain) : plain);
  const header = Buffer.alloc(61);
  header.writeBigInt64BE(BigInt(parts.base ?? 0), 0);
  header.writeInt32BE(49 + body.length, 8);
  header.writeInt8(parts.magic ?? 2, 16);
  header.writeInt16BE(attributes, 21);
  header.writeInt32BE(parts.lastDelta ?? records.length - 1, 23);
  header.writeBigInt64BE(1000n, 27);
  header.writeBigInt64BE(2000n, 35);
  header.writeBigInt64BE(77n, 43);
  header.writeInt32BE(parts.count ?? records.length, 57);
  return Buffer.concat([header, body]);
}
