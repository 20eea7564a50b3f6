import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import { readListpack } from '../../../source-connector/decode/listpack.ts';
import { readZiplist } from '../../../source-connector/decode/ziplist.ts';
import { readZipmap } from '../../../source-connector/decode/zipmap.ts';
import { PackedWriter, unpackHash } from '../../../source-connector/packed-hash.ts';
import { bytes, i64, listpack, listpackString, u32, ziplist } from '../../support/rdb-bytes.ts';

type Read = (blob: Buffer, start: number, end: number, position: number, into: PackedWriter) => void;

const listpackPairs: Read = (blob, start, end, position, into) => {
  readListpack(blob, start, end, position, 2, into);
};
const listpackTriples: Read = (blob, start, end, position, into) => {
  readListpack(blob, start, end, position, 3, into);
};

/** Reads a blob that stands between other bytes; a string for a value makes failures readable. */
function read(how: Read, blob: Buffer): [string, string][] {
  const into = new PackedWriter();
  how(bytes('before', blob, 'after'), 6, 6 + blob.length, 1000, into);
  return unpackHash(into.view()).map(([name, value]) => [name.toString('latin1'), value.toString('latin1')]);
}

const long = (length: number): string => 'x'.repeat(length);

const listpackEntries: readonly (readonly [Buffer, string])[] = [
  [bytes(0), '0'],
  [bytes(127), '127'],
  [bytes(0xdf, 0xff), '-1'],
  [bytes(0xd0, 0x00), '-4096'],
  [bytes(0xcf, 0xff), '4095'],
  [bytes(0xf1, 0x00, 0x80), '-32768'],
  [bytes(0xf2, 0xff, 0xff, 0x7f), '8388607'],
  [bytes(0xf2, 0x00, 0x00, 0x80), '-8388608'],
  [bytes(0xf3, 0x00, 0x00, 0x00, 0x80), '-2147483648'],
  [bytes(0xf4, i64(-9223372036854775808n)), '-9223372036854775808'],
  [bytes(0xf4, i64(9223372036854775807n)), '9223372036854775807'],
  [listpackString(''), ''],
  [listpackString(long(63)), long(63)],
  [listpackString(long(64)), long(64)],
  [listpackString(long(4095)), long(4095)],
  [listpackString(long(4096)), long(4096)],
  // 16382 and 16383 bytes with their headers: there the length behind an entry grows to three bytes.
  [listpackString(long(16377)), long(16377)],
  [listpackString(long(16378)), long(16378)],
  [listpackString(long(20000)), long(20000)],
];

test('a listpack gives every kind of integer and string, as name and as value', () => {
  for (const [entry, text] of listpackEntries) {
    const blob = listpack(entry, listpackString('v'), listpackString('n'), entry);
    assert.deepEqual(read(listpackPairs, blob), [
      [text, 'v'],
      ['n', text],
    ]);
  }
});

test('a listpack of name, value, time gives names and values', () => {
  const time = bytes(0xf4, i64(4102444800000n));
  const blob = listpack(bytes(1), bytes(2), time, listpackString('b'), listpackString('c'), bytes(0));
  assert.deepEqual(read(listpackTriples, blob), [
    ['1', '2'],
    ['b', 'c'],
  ]);
  assert.throws(() => read(listpackTriples, listpack(bytes(1), bytes(2))), /2 entries are not whole fields/);
});

test('a listpack that counts 65535 entries is read to its end', () => {
  const blob = listpack(bytes(1), bytes(2));
  blob.writeUInt16LE(65535, 4);
  assert.deepEqual(read(listpackPairs, blob), [['1', '2']]);
});

test('a ziplist gives every kind of integer and string', () => {
  const entries: readonly (readonly [Buffer, string])[] = [
    [bytes(0xf1), '0'],
    [bytes(0xfd), '12'],
    [bytes(0xfe, 0x80), '-128'],
    [bytes(0xc0, 0x00, 0x80), '-32768'],
    [bytes(0xf0, 0x00, 0x00, 0x80), '-8388608'],
    [bytes(0xd0, 0xff, 0xff, 0xff, 0x7f), '2147483647'],
    [bytes(0xe0, i64(-9223372036854775808n)), '-9223372036854775808'],
    [bytes(0), ''],
    [bytes(63, long(63)), long(63)],
    [bytes(0x41, 0x2c, long(300)), long(300)],
    [bytes(0x80, 0, 0, 0x4e, 0x20, long(20000)), long(20000)],
  ];
  for (const [entry, text] of entries) {
    assert.deepEqual(read(readZiplist, ziplist(entry, bytes(1, 'v'), bytes(1, 'n'), entry)), [
      [text, 'v'],
      ['n', text],
    ]);
  }
});

test('a zipmap gives short and long strings and passes over padding', () => {
  const blob = bytes(2, 1, 'a', [2, 3], '17', [0, 0, 0], 4, 'name', 254, u32(300), 0, long(300), 0xff);
  assert.deepEqual(read(readZipmap, blob), [
    ['a', '17'],
    ['name', long(300)],
  ]);
  const uncounted = bytes(254, 254, u32(1), 'a', [0, 0], 0xff);
  assert.deepEqual(read(readZipmap, uncounted), [['a', '']]);
});

test('a blob that contradicts itself is an error with its position and the byte inside', () => {
  const broken: readonly (readonly [Read, Buffer, RegExp])[] = [
    [listpackPairs, bytes(1, 2, 3), /listpack: shorter than its header/],
    [listpackPairs, bytes(u32(9), 0, 0, 0xff), /listpack: the total length is not the length of the blob/],
    [listpackPairs, bytes(u32(7), 2, 0, 0xff), /listpack: 0 entries where the header says 2/],
    [listpackPairs, listpack(bytes(1)), /listpack: 1 entries are not whole fields/],
    [listpackPairs, listpack(bytes(0xf5), bytes(1)), /listpack: unknown encoding 245/],
    [listpackPairs, bytes(u32(9), 1, 0, 0xf4, 0, 0xff), /an entry passes the end .*byte of the blob 6/],
    [
      listpackPairs,
      bytes(u32(11), 2, 0, 1, 1, 2, 2, 0xff),
      /not followed by its length .*position 1000, byte of the blob 8/,
    ],
    [listpackPairs, bytes(u32(11), 2, 0, 1, 1, 2, 1, 0), /listpack: the end mark is missing/],
    [readZiplist, bytes(1), /ziplist: shorter than its header/],
    [readZiplist, bytes(u32(11), u32(10), 1, 0, 0xff), /ziplist: 0 entries where the header says 1/],
    [readZiplist, ziplist(bytes(0xc1), bytes(0xf1)), /ziplist: unknown encoding 193/],
    [readZiplist, ziplist(bytes(5, 'abc')), /ziplist: an entry passes the end/],
    [readZiplist, bytes(u32(13), u32(10), 1, 0, 5, 0xf1, 0xff), /does not tell the size of the one before/],
    [readZipmap, bytes(0), /zipmap: shorter than its header/],
    [readZipmap, bytes(2, 1, 'a', [1, 0], '1', 0xff), /zipmap: 1 fields where the header says 2/],
    [readZipmap, bytes(1, 1, 'a', [9, 0], '1', 0xff), /zipmap: a field passes the end/],
    [readZipmap, bytes(1, 1, 'a', [1, 0], '1', 0), /zipmap: the end mark is missing/],
    [readZipmap, bytes(1, 0xff, 0xff), /zipmap: an end mark before the end/],
  ];
  for (const [how, blob, message] of broken) {
    assert.throws(() => read(how, blob), { name: 'AfterwriteError', code: 'RDB_CORRUPT', message });
  }
});

test('a blob with any byte changed, or cut anywhere, is read or refused, and nothing else', () => {
  const blobs: readonly (readonly [Read, Buffer])[] = [
    [listpackPairs, listpack(...listpackEntries.slice(0, 14).map(([entry]) => entry))],
    [listpackTriples, listpack(bytes(1), listpackString(long(70)), bytes(0xf4, i64(5n)))],
    [readZiplist, ziplist(bytes(1, 'a'), bytes(0xd0, 1, 2, 3, 4), bytes(0x41, 0x2c, long(300)), bytes(0xf3))],
    [readZipmap, bytes(2, 1, 'a', [2, 3], '17', [0, 0, 0], 4, 'name', 254, u32(30), 0, long(30), 0xff)],
  ];
  for (const [how, blob] of blobs) {
    fc.assert(
      fc.property(fc.nat(blob.length - 1), fc.integer({ min: 1, max: 255 }), fc.nat(blob.length), (at, change, cut) => {
        const flipped = Buffer.from(blob);
        flipped.writeUInt8(flipped.readUInt8(at) ^ change, at);
        for (const damaged of [flipped, blob.subarray(0, cut)]) {
          try {
            read(how, damaged);
          } catch (error) {
            assert.ok(error instanceof AfterwriteError, String(error));
          }
        }
      }),
      { numRuns: 500 },
    );
  }
});
