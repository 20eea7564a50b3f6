import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Partitioners } from 'kafkajs';
import { partitionOf } from '../../schemas/index.ts';

test('partitions are those of the Java client, as kafkajs computes them', () => {
  const kafkajs = Partitioners.DefaultPartitioner();
  const partitions = 7;
  const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
    partitionErrorCode: 0,
    partitionId,
    leader: 0,
    replicas: [],
    isr: [],
  }));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const key = Buffer.from(bytes);
      const expected = kafkajs({ topic: 't', partitionMetadata, message: { key, value: null } });
      assert.equal(partitionOf(key, partitions), expected);
    }),
    { numRuns: 1000 },
  );
});

test('the vectors of the Java client hold', () => {
  // UtilsTest.testMurmur2 of Apache Kafka; toPositive is what the partitioner takes.
  const vectors: [string, number][] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ];
  for (const [key, hash] of vectors) assert.equal(partitionOf(Buffer.from(key), 2 ** 31), hash & 0x7fffffff, key);
});
