import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import { cutEvery } from '../../support/cuts.ts';
import { bytes, i64, listpack, listpackString, rdbFile, u32 } from '../../support/rdb-bytes.ts';
import { readSnapshot } from '../../support/snapshot-reading.ts';
import { EXPIRE_MS, SELECT, hash, others, str, template, templated } from './rdb-samples.ts';

test('the checksum is verified, unless the file has none or disables it', () => {
  assert.equal(readSnapshot([rdbFile('REDIS0004', hash('a'))]).end, 'disabled');
  const disabled = bytes('REDIS0010', hash('a'), 0xff, Buffer.alloc(8));
  assert.equal(readSnapshot([disabled]).end, 'disabled');
  const wrong = rdbFile('REDIS0010', hash('a', 'f', 'v'));
  wrong.writeUInt8(0x77, wrong.indexOf('v'));
  const { decoder } = readSnapshot([wrong.subarray(0, -1)]);
  decoder.push(wrong.subarray(-1));
  const refused = { code: 'RDB_CORRUPT', where: { position: wrong.length - 8, 'byte of the blob': undefined } };
  assert.throws(() => decoder.next(), refused);
  assert.throws(() => decoder.next(), refused, 'asked again, it does not look as if bytes were missing');
});

test('what is unknown or contradicts the format is an error with its position', () => {
  const refused: readonly (readonly [Buffer, string, RegExp, number])[] = [
    [bytes('REDIX0011'), 'RDB_CORRUPT', /this is no RDB file/, 0],
    [bytes('REDIS00a1'), 'RDB_CORRUPT', /this is no RDB file/, 0],
    [bytes('REDIS0016'), 'RDB_UNSUPPORTED', /RDB version REDIS0016 is not known/, 0],
    [bytes('REDIS0080'), 'RDB_UNSUPPORTED', /RDB version REDIS0080 is not known/, 0],
    [bytes('VALKEY011'), 'RDB_UNSUPPORTED', /RDB version VALKEY011 is not known/, 0],
    [bytes('REDIS0000'), 'RDB_UNSUPPORTED', /RDB version REDIS0000 is not known/, 0],
    [bytes('VALKEY081'), 'RDB_UNSUPPORTED', /RDB version VALKEY081 is not known/, 0],
    [bytes('REDIS0010', hash('a'), 6), 'RDB_UNSUPPORTED', /value type 6 is not known/, 17],
    [bytes('REDIS0011', 22), 'RDB_UNSUPPORTED', /value type 22 is not known/, 9],
    [bytes('VALKEY080', 24), 'RDB_UNSUPPORTED', /value type 24 is not known/, 9],
    [bytes('REDIS0013', 28), 'RDB_UNSUPPORTED', /value type 28 is not known/, 9],
    [bytes('REDIS0012', 26), 'RDB_UNSUPPORTED', /value type 26 is not known/, 9],
    [bytes('VALKEY080', 26), 'RDB_UNSUPPORTED', /value type 26 is not known/, 9],
    [bytes('VALKEY080', 28), 'RDB_UNSUPPORTED', /value type 28 is not known/, 9],
    [bytes('REDIS0014', 30), 'RDB_UNSUPPORTED', /value type 30 is not known/, 9],
    [bytes('REDIS0015', 29), 'RDB_UNSUPPORTED', /value type 29 is not known/, 9],
    [bytes('REDIS0015', 33), 'RDB_UNSUPPORTED', /value type 33 is not known/, 9],
    [bytes('REDIS0014', 242), 'RDB_UNSUPPORTED', /opcode 242 is not known/, 9],
    [bytes('REDIS0015', 241), 'RDB_UNSUPPORTED', /value type 241 is not known/, 9],
    [bytes('VALKEY080', 242), 'RDB_UNSUPPORTED', /opcode 242 is not known/, 9],
    [bytes('REDIS0014', 28, str('k'), 1, 2), 'RDB_CORRUPT', /flag 2 of an array is not known/, 13],
    [bytes('REDIS0014', 28, str('k'), 1, 0, 0, 4), 'RDB_CORRUPT', /array item 4 is not known/, 15],
    [bytes('REDIS0015', 242, 7, 0), 'RDB_CORRUPT', /a hash template without fields/, 11],
    [bytes('REDIS0015', template, template), 'RDB_CORRUPT', /hash template 7 is defined twice/, 17],
    [bytes('REDIS0015', 32, str('k'), 7), 'RDB_CORRUPT', /hash template 7 is not defined/, 12],
    [templated(bytes(6), bytes(1), bytes(2)), 'RDB_CORRUPT', /hash template 6 is not defined/, 19],
    [templated(bytes(7), bytes(1)), 'RDB_CORRUPT', /1 values for the 2 names of hash template 7/, 19],
    [templated(), 'RDB_CORRUPT', /does not begin with the number of its template/, 19],
    [templated(listpackString('x'), bytes(1), bytes(2)), 'RDB_CORRUPT', /does not begin with the number of its/, 19],
    [bytes('REDIS0012', 243), 'RDB_UNSUPPORTED', /opcode 243 is not known/, 9],
    [bytes('REDIS0010', 246), 'RDB_UNSUPPORTED', /opcode 246, a function of a Redis 7.0 release candidate/, 9],
    [bytes('REDIS0010', SELECT, 0xc0, 1), 'RDB_CORRUPT', /an encoded string where a length belongs/, 10],
    [bytes('REDIS0010', 0, 0xc4), 'RDB_CORRUPT', /unknown length encoding 196/, 10],
    [bytes('REDIS0010', 0, 0x82), 'RDB_CORRUPT', /unknown length encoding 130/, 10],
    [bytes('REDIS0010', 0, 0x81, Buffer.alloc(8, 0xff)), 'RDB_CORRUPT', /a string longer than 2\^53 bytes/, 10],
    [bytes('REDIS0010', 0, 0x81, 0, 0, 1, Buffer.alloc(5)), 'RDB_CORRUPT', /a string of 1099511627776 bytes/, 10],
    [
      bytes('REDIS0010', 4, str('k'), 0x81, Buffer.alloc(8, 0xff)),
      'RDB_CORRUPT',
      /a count of 18446744073709552000/,
      12,
    ],
    [
      bytes('REDIS0010', 0, 0xc3, 2, 0x80, 0x7f, 255, 255, 255),
      'RDB_CORRUPT',
      /2 compressed bytes cannot hold 2147483647/,
      10,
    ],
    [bytes('REDIS0010', 0, 0xc3, 2, 2, 5, 1), 'RDB_CORRUPT', /does not decompress to its length/, 10],
    [bytes('REDIS0010', 7, str('k'), 5, 6), 'RDB_CORRUPT', /module opcode 6 is not known/, 13],
    [bytes('REDIS0010', 16, str('k'), str('short')), 'RDB_CORRUPT', /listpack: shorter than its header/, 12],
    [bytes('REDIS0010', 13, str('k'), str('short')), 'RDB_CORRUPT', /ziplist: shorter than its header/, 12],
    [bytes('REDIS0010', 9, str('k'), str('')), 'RDB_CORRUPT', /zipmap: shorter than its header/, 12],
  ];
  for (const [file, code, message, position] of refused) {
    assert.throws(
      () => readSnapshot(cutEvery(file, 3)),
      (error) => {
        assert.ok(error instanceof AfterwriteError, String(error));
        assert.equal(error.code, code);
        assert.match(error.message, message);
        assert.equal(error.where['position'], position, error.message);
        return true;
      },
    );
  }
});

test('counts and lengths that promise too much take no memory', () => {
  const before = process.memoryUsage().arrayBuffers;
  const files = [4, 1, 2, 3, 5, 14, 18, 15].map((type) => bytes('REDIS0010', type, str('k'), 0x80, u32(0xffffffff)));
  for (const file of files) assert.equal(readSnapshot([file]).end, undefined);
  const promising = bytes('REDIS0010', 4, str('k'), 1, str('f'), 0x80, 0x3f, 255, 255, 255);
  assert.equal(readSnapshot([promising]).end, undefined);
  assert.ok(process.memoryUsage().arrayBuffers - before < 50 * 1024 * 1024);
});

test('a file with any bytes changed is read or refused, and nothing else', () => {
  const small = rdbFile(
    'REDIS0011',
    [SELECT, 0],
    hash('first'),
    ...others.filter((other) => other.length < 200),
    [16, ...str('listpack'), ...str(listpack(bytes(1), listpackString('abc')))],
    [EXPIRE_MS, ...i64(4102444800000n)],
    hash('with-ttl'),
  );
  // Without its checksum, so that damage is not all found at the end.
  small.fill(0, small.length - 8);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(small.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      (changes) => {
        const damaged = Buffer.from(small);
        for (const [at, byte] of changes) damaged.writeUInt8(byte, at);
        try {
          readSnapshot(cutEvery(damaged, 50));
        } catch (error) {
          assert.ok(error instanceof AfterwriteError, String(error));
        }
      },
    ),
    { numRuns: 3000 },
  );
});

test('with its checksum, no changed byte gives another reading', () => {
  const file = rdbFile('REDIS0011', [SELECT, 0], hash('key', 'name', 'value'));
  const expected = readSnapshot([file]).hashes;
  for (let at = 9; at < file.length; at++) {
    for (const change of [1, 0x80, 0xff]) {
      const damaged = Buffer.from(file);
      damaged.writeUInt8(damaged.readUInt8(at) ^ change, at);
      try {
        const { end, hashes } = readSnapshot([damaged]);
        if (end !== undefined) assert.deepEqual(hashes, expected);
      } catch (error) {
        assert.ok(error instanceof AfterwriteError, String(error));
      }
    }
  }
});
