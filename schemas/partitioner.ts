/**
 * The partition that the Java client's default partitioner gives a record with this key, so that topics can be read
 * and written by any client: the positive part of murmur2, modulo the partitions.
 * org.apache.kafka.common.utils.Utils.murmur2
 */
export function partitionOf(key: Buffer, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}

const MIX = 0x5bd1e995;

function murmur2(data: Buffer): number {
  const { length } = data;
  let hash = 0x9747b28c ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let word = Math.imul(data.readInt32LE(at), MIX);
    word = Math.imul(word ^ (word >>> 24), MIX);
    hash = Math.imul(hash, MIX) ^ word;
  }
  const rest = length - at;
  if (rest > 2) hash ^= data.readUInt8(at + 2) << 16;
  if (rest > 1) hash ^= data.readUInt8(at + 1) << 8;
  if (rest > 0) hash = Math.imul(hash ^ data.readUInt8(at), MIX);
  hash = Math.imul(hash ^ (hash >>> 13), MIX);
  return hash ^ (hash >>> 15);
}
