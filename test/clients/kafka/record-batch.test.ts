import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readBatches } from '../../../clients/kafka/record-batch.ts';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import { batchBytes } from '../../support/record-batch.ts';

const key = Buffer.from('k');
const value = Buffer.from('v');
const plain = { delta: 0, key, value };

test('records have the offsets, times, keys, values and headers that were sent', async () => {
  const headers = [
    ['once', Buffer.from('1')],
    ['none', null],
    ['twice', Buffer.from('a')],
    ['twice', Buffer.from('b')],
    ['twice', Buffer.from('c')],
    ['__proto__', Buffer.from('x')],
  ] as const;
  const bytes = batchBytes(
    [
      { delta: 0, timestampDelta: -3, key: null, value },
      { delta: 7, key, value: null, headers },
    ],
    { base: 2 ** 40, attributes: 16, lastDelta: 9 },
  );
  const [batch] = await readBatches(bytes);
  assert.deepEqual(
    {
      ...batch,
      records: Array.from(batch?.records ?? [], ({ offset, timestamp, key: k, value: v, headers: found }) => ({
        offset,
        timestamp,
        key: k,
        value: v,
        found: Object.entries(found),
      })),
    },
    {
      baseOffset: 2 ** 40,
      lastOffset: 2 ** 40 + 9,
      producerId: 77n,
      inTransaction: true,
      isControl: false,
      isAbort: false,
      records: [
        { offset: 2 ** 40, timestamp: 997, key: null, value, found: [] },
        {
          offset: 2 ** 40 + 7,
          timestamp: 1000,
          key,
          value: null,
          found: [
            ['once', Buffer.from('1')],
            ['twice', [Buffer.from('a'), Buffer.from('b'), Buffer.from('c')]],
            ['__proto__', Buffer.from('x')],
          ],
        },
      ],
    },
  );
});

test('a batch with the time of the log has one time', async () => {
  const [batch] = await readBatches(batchBytes([{ ...plain, timestampDelta: 5 }], { attributes: 8 }));
  assert.equal(batch?.records.at(0).timestamp, 2000);
});

test('gzip is decompressed, and what compaction has emptied keeps its bounds', async () => {
  const full = batchBytes([plain], { attributes: 1 });
  const emptied = batchBytes([], { base: 5, lastDelta: 3, attributes: 17, body: Buffer.alloc(0) });
  const batches = await readBatches(Buffer.concat([full, emptied]));
  assert.deepEqual(
    batches.map(({ lastOffset, records }) => [lastOffset, Array.from(records, (record) => record.value)]),
    [
      [0, [value]],
      [8, []],
    ],
  );
});

test('a batch that is cut off is left out, wherever it is cut', async () => {
  const bytes = Buffer.concat([batchBytes([plain]), batchBytes([plain], { base: 1 })]);
  for (let length = 0; length < bytes.length; length++) {
    const expected = length < bytes.length / 2 ? 0 : 1;
    assert.equal((await readBatches(bytes.subarray(0, length))).length, expected);
  }
});

test('markers of transactions tell how they ended and are no records', async () => {
  const marker = (type: number) =>
    batchBytes([{ delta: 0, key: Buffer.from([0, 0, 0, type]), value }], { attributes: 48 });
  const batches = await readBatches(
    Buffer.concat([marker(0), marker(1), batchBytes([{ ...plain, key: Buffer.alloc(4) }])]),
  );
  assert.deepEqual(
    batches.map(({ isControl, isAbort, records }) => [isControl, isAbort, records.length]),
    [
      [true, true, 0],
      [true, false, 0],
      [false, false, 1],
    ],
  );
});

const isUnreadable = (reason: RegExp) => (error: unknown) => {
  assert.ok(error instanceof AfterwriteError && error.code === 'RECORD_UNREADABLE', String(error));
  assert.match(error.what, reason);
  return true;
};

test('what cannot be read is an error that says why', async () => {
  await assert.rejects(readBatches(batchBytes([plain], { magic: 1 })), isUnreadable(/format 1, not 2/));
  await assert.rejects(readBatches(batchBytes([plain], { attributes: 4 })), isUnreadable(/compressed with zstd/));
  await assert.rejects(readBatches(batchBytes([], { attributes: 1, body: key })), isUnreadable(/gzip cannot/));
  await assert.rejects(readBatches(batchBytes([plain], { count: 2 })), isUnreadable(/ends too early/));
  await assert.rejects(readBatches(batchBytes([plain, plain], { count: 1 })), isUnreadable(/more than its records/));
});

test('damaged bytes are batches or an error, never a crash', async () => {
  const good = batchBytes([plain, { delta: 1, key, value: null, headers: [['a', value]] }]);
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length - 1), fc.nat(255), async (at, byte) => {
      const damaged = Buffer.from(good);
      damaged[at] = byte;
      try {
        await readBatches(damaged);
      } catch (error) {
        assert.ok(error instanceof AfterwriteError && error.code === 'RECORD_UNREADABLE', String(error));
      }
    }),
  );
});
