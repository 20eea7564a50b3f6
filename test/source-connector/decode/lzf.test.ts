import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import { decompressLzf, lzfCanHold } from '../../../source-connector/decode/lzf.ts';
import { bytes, type Part } from '../../support/rdb-bytes.ts';

function decompress(length: number, ...parts: readonly Part[]): string {
  const from = bytes(...parts);
  const into = Buffer.alloc(length);
  decompressLzf(from, 0, from.length, into, length, 7);
  return into.toString('latin1');
}

const corrupt = { name: 'AfterwriteError', code: 'RDB_CORRUPT' };

test('literals, short and long references, also overlapping ones, are decompressed', () => {
  assert.equal(decompress(3, 2, 'abc'), 'abc');
  assert.equal(decompress(6, 2, 'abc', 0x20, 2), 'abcabc');
  assert.equal(decompress(40, 1, 'ab', [0xe0, 28, 1], 0, 'c'), 'ab'.repeat(19) + 'a' + 'c');
  assert.equal(decompress(266, 1, 'ab', [0xe0, 255, 0]), 'a' + 'b'.repeat(265));
});

test('references before the beginning, cut tokens and wrong lengths are errors with the position', () => {
  assert.throws(() => decompress(4, 0, 'a', 0x20, 1), {
    ...corrupt,
    where: { position: 7, 'byte of the blob': undefined },
  });
  assert.throws(() => decompress(3, 2, 'ab'), corrupt);
  assert.throws(() => decompress(4, 0, 'a', 0x20), corrupt);
  assert.throws(() => decompress(20, 0, 'a', 0xe0), corrupt);
  assert.throws(() => decompress(20, 0, 'a', 0xe0, 1), corrupt);
  assert.throws(() => decompress(2, 2, 'abc'), corrupt);
  assert.throws(() => decompress(4, 2, 'abc'), corrupt);
  assert.throws(() => decompress(6, 2, 'abc', 0x40, 2), corrupt);
});

test('a length that no such few bytes can hold is known before memory is taken for it', () => {
  assert.equal(lzfCanHold(3, 264), true);
  assert.equal(lzfCanHold(3, 265), false);
});

test('random bytes end in an error or in exactly the length, never outside of it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 0, max: 300 }), (random, length) => {
      const into = Buffer.alloc(length + 16, 0xaa);
      try {
        decompressLzf(Buffer.from(random), 0, random.length, into, length, 0);
      } catch (error) {
        assert.ok(error instanceof AfterwriteError);
      }
      assert.deepEqual(into.subarray(length), Buffer.alloc(16, 0xaa));
    }),
    { numRuns: 500 },
  );
});
