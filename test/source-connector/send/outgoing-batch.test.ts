import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { batchOverhead, recordBytes } from '../../../clients/kafka/record-size.ts';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import { PartitionedBatch } from '../../../source-connector/send/outgoing-batch.ts';

const limit = 10_000;

test('counts records, and the bytes of keys, values and headers', () => {
  const batch = new PartitionedBatch(limit);
  assert.deepEqual([batch.records, batch.bytes], [0, 0]);
  batch.append('a', 0, Buffer.from('key'), Buffer.from('value'));
  batch.append('a', 1, Buffer.from('key'), null, { cause: 'deleted', version: Buffer.alloc(8) });
  assert.deepEqual([batch.records, batch.bytes], [2, 8 + 3 + 5 + 7 + 7 + 8]);
});

test('has no request for an empty batch', () => {
  assert.deepEqual([...new PartitionedBatch(limit).requests()], []);
});

test('puts a few records of all partitions into one request', () => {
  const batch = new PartitionedBatch(limit);
  batch.append('a', 1, Buffer.from('1'), Buffer.from('x'));
  batch.append('b', 0, Buffer.from('2'), null, { cause: 'deleted' });
  batch.append('a', 1, Buffer.from('3'), Buffer.from('y'));
  assert.deepEqual(
    [...batch.requests()],
    [
      [
        {
          topic: 'a',
          partition: 1,
          messages: [
            { partition: 1, key: Buffer.from('1'), value: Buffer.from('x') },
            { partition: 1, key: Buffer.from('3'), value: Buffer.from('y') },
          ],
        },
        {
          topic: 'b',
          partition: 0,
          messages: [{ partition: 0, key: Buffer.from('2'), value: null, headers: { cause: 'deleted' } }],
        },
      ],
    ],
  );
});

test('keeps the order of each partition, loses nothing, and keeps every record batch under the limit', () => {
  const records = fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.nat(3), fc.nat(4_000)), { maxLength: 1_500 });
  fc.assert(
    fc.property(records, (given) => {
      const batch = new PartitionedBatch(limit);
      const expected = new Map<string, string[]>();
      for (const [index, [topic, partition, size]] of given.entries()) {
        batch.append(topic, partition, Buffer.from(String(index)), Buffer.alloc(size));
        const place = `${topic} ${partition}`;
        expected.set(place, [...(expected.get(place) ?? []), String(index)]);
      }
      const found = new Map<string, string[]>();
      for (const parts of batch.requests()) {
        assert.equal(new Set(parts.map(({ topic, partition }) => `${topic} ${partition}`)).size, parts.length);
        for (const { topic, partition, messages } of parts) {
          assert.ok(messages.length > 0 && messages.length <= 200);
          const bytes = messages.reduce((sum, { key, value }) => sum + recordBytes(key, value), batchOverhead);
          assert.ok(bytes <= limit);
          const place = `${topic} ${partition}`;
          found.set(place, [...(found.get(place) ?? []), ...messages.map(({ key }) => String(key))]);
        }
      }
      assert.deepEqual(found, expected);
    }),
    { numRuns: 30 },
  );
});

test('sends large records in several requests of some megabytes', () => {
  const batch = new PartitionedBatch(2_000_000);
  for (let index = 0; index < 20; index += 1) batch.append('a', index % 10, Buffer.from('k'), Buffer.alloc(1_000_000));
  const sizes = [...batch.requests()].map((parts) => parts.reduce((sum, { messages }) => sum + messages.length, 0));
  assert.equal(
    sizes.reduce((sum, size) => sum + size),
    20,
  );
  assert.ok(Math.max(...sizes) <= 5, String(sizes));
});

test('refuses a record whose batch would be over the limit, and no smaller one', () => {
  const batch = new PartitionedBatch(limit);
  const most = limit - batchOverhead - recordBytes(Buffer.from('k'), null);
  batch.append('a', 0, Buffer.from('k'), Buffer.alloc(most));
  assert.throws(
    () => {
      batch.append('a', 3, Buffer.from('k'), Buffer.alloc(most + 1));
    },
    (error) => error instanceof AfterwriteError && error.code === 'RECORD_TOO_LARGE' && error.where['partition'] === 3,
  );
  assert.equal(batch.records, 1);
});
