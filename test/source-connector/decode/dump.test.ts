import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import { readDump } from '../../../source-connector/decode/dump.ts';
import { PackedWriter, unpackHash } from '../../../source-connector/packed-hash.ts';
import { bytes, dumpPayload, i64, listpack, listpackString, rdbString, ziplist } from '../../support/rdb-bytes.ts';

function fieldsOf(payload: Buffer): Record<string, string> | 'other' {
  const into = new PackedWriter();
  if (readDump(payload, into) === 'other') return 'other';
  return Object.fromEntries(unpackHash(into.view()).map(([name, value]) => [name.toString(), value.toString()]));
}

const a1 = bytes(rdbString('a'), rdbString('1'));

test('a payload of each hash encoding gives its fields', () => {
  const blobs = new Map([
    [9, bytes(1, 1, 'a', [1, 0], '1', 0xff)],
    [13, ziplist(bytes(1, 'a'), bytes(0xf2))],
    [16, listpack(listpackString('a'), bytes(1))],
  ]);
  for (const [type, blob] of blobs) assert.deepEqual(fieldsOf(dumpPayload(type, rdbString(blob))), { a: '1' });
  assert.deepEqual(fieldsOf(dumpPayload(4, bytes(1, a1))), { a: '1' });
  assert.deepEqual(fieldsOf(dumpPayload(4, bytes(1, 1, 'a', [0xc3, 9, 42, 1], 'bb', [0xe0, 29, 1], [1], 'bb'))), {
    a: 'b'.repeat(42),
  });
});

test('codes mean what the version in the footer says', () => {
  const redis = bytes(1, 0, a1);
  const valkey = bytes(1, a1, i64(-1n));
  assert.deepEqual(fieldsOf(dumpPayload(22, redis, 12)), { a: '1' });
  assert.deepEqual(fieldsOf(dumpPayload(22, valkey, 80)), { a: '1' });
  assert.throws(() => fieldsOf(dumpPayload(22, redis, 11)), { code: 'RDB_UNSUPPORTED' });
  assert.throws(() => fieldsOf(dumpPayload(24, redis, 80)), { code: 'RDB_UNSUPPORTED' });
});

test('payloads of Redis 8.10, as the fact sheet describes them, carry their names with them', () => {
  const names = bytes(0, rdbString(listpack(listpackString('a'), bytes(5))));
  const list = listpack(bytes(0), bytes(1), listpackString('two'));
  const plain = bytes(1, 2, rdbString('a'), rdbString('5'));
  const expected = { a: '1', 5: 'two' };
  for (const form of [names, plain]) {
    assert.deepEqual(fieldsOf(dumpPayload(29, bytes(form, rdbString(list)), 15)), expected);
    const unchecked = dumpPayload(31, bytes(form, [0xc0, 1], rdbString('two')), 15);
    unchecked.fill(0, unchecked.length - 8);
    assert.deepEqual(fieldsOf(unchecked), expected, 'as HIMPORT SET is replicated, without a checksum');
  }
  for (const [type, version] of [
    [29, 14],
    [31, 80],
    [30, 15],
    [32, 15],
    [4, 16],
    [4, 79],
    [4, 81],
    [4, 0],
  ] as const) {
    assert.throws(() => fieldsOf(dumpPayload(type, bytes(form(type)), version)), { code: 'RDB_UNSUPPORTED' });
  }
  assert.throws(() => fieldsOf(dumpPayload(29, bytes(2), 15)), {
    code: 'RDB_UNSUPPORTED',
    message: /format 2 of a hash's field names is not known/,
  });
  for (const wrong of [bytes(0, rdbString(listpack())), bytes(1, 0)]) {
    assert.throws(() => fieldsOf(dumpPayload(29, bytes(wrong, rdbString(list)), 15)), { code: 'RDB_CORRUPT' });
  }
});

/** A value that would be right if the type meant a plain hash. */
function form(type: number): Buffer {
  return type === 4 ? bytes(1, a1) : bytes(7, a1);
}

test('a payload of another type is told apart, and its value is not looked at', () => {
  for (const type of [0, 1, 2, 3, 5, 7, 10, 11, 12, 14, 15, 17, 18, 19, 20, 21]) {
    assert.equal(fieldsOf(dumpPayload(type, bytes('anything'))), 'other');
  }
  for (const type of [6, 8, 28, 255])
    assert.throws(() => fieldsOf(dumpPayload(type, bytes('x'))), { code: 'RDB_UNSUPPORTED' });
});

test('the checksum is verified, unless it is 0', () => {
  const payload = dumpPayload(4, bytes(1, a1));
  payload.writeUInt8(0x62, 3);
  assert.throws(() => fieldsOf(payload), { code: 'RDB_CORRUPT', message: /checksum of a DUMP payload/ });
  payload.fill(0, payload.length - 8);
  assert.deepEqual(fieldsOf(payload), { b: '1' });
});

test('a payload that ends too early or too late is an error', () => {
  assert.throws(() => fieldsOf(bytes(4, 1, 2)), { code: 'RDB_CORRUPT', message: /shorter than its footer/ });
  assert.throws(() => fieldsOf(Buffer.alloc(10)), { code: 'RDB_CORRUPT', message: /shorter than its footer/ });
  assert.throws(() => fieldsOf(dumpPayload(4, bytes(2, a1))), { code: 'RDB_CORRUPT', message: /passes its end/ });
  assert.throws(() => fieldsOf(dumpPayload(4, bytes(1, a1, 0))), {
    code: 'RDB_CORRUPT',
    message: /bytes after the value/,
  });
});

test('an unchecked payload with any bytes changed is read or refused, and nothing else', () => {
  for (const payload of [
    dumpPayload(4, bytes(2, a1, a1)),
    dumpPayload(16, rdbString(listpack(listpackString('a'), bytes(1)))),
  ]) {
    payload.fill(0, payload.length - 8);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(payload.length - 9), fc.nat(255)), { maxLength: 3 }), (changes) => {
        const damaged = Buffer.from(payload);
        for (const [at, byte] of changes) damaged.writeUInt8(byte, at);
        try {
          fieldsOf(damaged);
        } catch (error) {
          assert.ok(error instanceof AfterwriteError, String(error));
        }
      }),
      { numRuns: 1000 },
    );
  }
});
