import { copyBytes, lengthSize, PackedCursor, writeLength } from '../packed-hash.ts';

/** When a hash is wide, and how large its buckets are. */
export interface WideLimits {
  /** A packed hash of so many bytes is split into buckets; one that shrinks to a quarter of it is put together again. */
  readonly fromBytes: number;
  /** There are as many buckets as keep them, on average, below both of these, but no more than fields. */
  readonly bucketFields: number;
  readonly bucketBytes: number;
}

/** Measured (docs/benchmarks.md): where copying a whole hash begins to cost more than finding a bucket of it. */
export const WIDE_LIMITS: WideLimits = { fromBytes: 2048, bucketFields: 8, bucketBytes: 256 };

/** How many buckets a hash should have. */
export function wantedBuckets(fields: number, bytes: number, limits: WideLimits): number {
  const wanted = Math.max(Math.ceil(fields / limits.bucketFields), Math.ceil(bytes / limits.bucketBytes));
  return Math.max(1, Math.min(fields, wanted));
}

/** A 32-bit hash of a field's name: FNV-1a, and the last step of murmur3, since buckets are told by the lowest bits. */
export function hashOfName(bytes: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * The bucket of a name (linear hashing): with 2^k buckets, the lowest k bits of its hash tell; on the way to 2^(k+1), k + 1 bits
 * do where that bucket exists already. So the bucket that comes next takes fields from one other alone.
 */
export function bucketOf(hash: number, buckets: number): number {
  const mask = buckets <= 1 ? 0 : 2 ** (32 - Math.clz32(buckets - 1)) - 1;
  const bucket = (hash & mask) >>> 0;
  return bucket < buckets ? bucket : bucket & (mask >>> 1);
}

/** The bucket whose fields a last bucket has taken over. */
export function parentOf(last: number): number {
  return last - 2 ** (31 - Math.clz32(last));
}

/** What stands in an entry instead of a wide hash: `fields bytes buckets picked`, of which three are LEB128. */
export interface Head {
  /** Of the whole hash. */
  readonly fields: number;
  readonly bytes: number;
  readonly buckets: number;
  /** The fields that were asked for, packed: they stand in no bucket. */
  readonly picked: Buffer;
}

export function encodeHead({ fields, bytes, buckets, picked }: Head): Buffer {
  const size = lengthSize(fields) + lengthSize(bytes) + lengthSize(buckets);
  const head = Buffer.allocUnsafe(size + picked.length);
  writeLength(head, writeLength(head, writeLength(head, 0, fields), bytes), buckets);
  copyBytes(picked, 0, picked.length, head, size);
  return head;
}

/** Reads a head; what was picked is a view into it. */
export function decodeHead(head: Buffer): Head {
  let at = 0;
  const number = (): number => {
    let sum = 0;
    let unit = 1;
    let byte: number;
    do {
      byte = head.readUInt8(at++);
      sum += (byte & 127) * unit;
      unit *= 128;
    } while (byte > 127);
    return sum;
  };
  return { fields: number(), bytes: number(), buckets: number(), picked: head.subarray(at) };
}

/** Packed fields, ordered by the buckets that they belong to: those of bucket n stand from `starts[n]` up to `starts[n + 1]`. */
export interface Distributed {
  readonly bytes: Buffer;
  readonly starts: Float64Array;
  readonly fields: number;
}

/** Orders the fields of a packed hash by their buckets; within a bucket they stay in their order. */
export function distribute(packed: Buffer, buckets: number): Distributed {
  const starts = new Float64Array(buckets + 1);
  const cursor = new PackedCursor().reset(packed);
  let fields = 0;
  for (let from = 0; cursor.next(); from = cursor.valueEnd, fields++) {
    const at = bucketOf(hashOfName(packed, cursor.nameStart, cursor.nameEnd), buckets) + 1;
    starts[at] = (starts[at] ?? 0) + cursor.valueEnd - from;
  }
  for (let n = 1; n <= buckets; n++) starts[n] = (starts[n] ?? 0) + (starts[n - 1] ?? 0);
  const next = starts.slice();
  const bytes = Buffer.allocUnsafeSlow(packed.length);
  cursor.reset(packed);
  for (let from = 0; cursor.next(); from = cursor.valueEnd) {
    const bucket = bucketOf(hashOfName(packed, cursor.nameStart, cursor.nameEnd), buckets);
    const to = next[bucket] ?? 0;
    copyBytes(packed, from, cursor.valueEnd, bytes, to);
    next[bucket] = to + cursor.valueEnd - from;
  }
  return { bytes, starts, fields };
}

/** Copies of what of a bucket stays in it when there are so many, and what belongs to the last of them. */
export function divide(packed: Buffer, last: number, buckets: number): [stays: Buffer, moves: Buffer] {
  const bytes = Buffer.allocUnsafeSlow(packed.length);
  const cursor = new PackedCursor().reset(packed);
  let front = 0;
  let back = packed.length;
  for (let from = 0; cursor.next(); from = cursor.valueEnd) {
    const length = cursor.valueEnd - from;
    if (bucketOf(hashOfName(packed, cursor.nameStart, cursor.nameEnd), buckets) === last) {
      back -= length;
      copyBytes(packed, from, cursor.valueEnd, bytes, back);
    } else {
      copyBytes(packed, from, cursor.valueEnd, bytes, front);
      front += length;
    }
  }
  return [bytes.subarray(0, front), bytes.subarray(back)];
}
