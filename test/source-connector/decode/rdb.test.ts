import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import { cutEvery } from '../../support/cuts.ts';
import {
  bytes,
  i64,
  listpack,
  listpackString,
  type Part,
  rdbFile,
  rdbLength,
  rdbString,
  u32,
} from '../../support/rdb-bytes.ts';
import { readSnapshot } from '../../support/snapshot-reading.ts';

const str = rdbString;
const AUX = 250;
const EXPIRE_MS = 252;
const SELECT = 254;

/** A hash of type 4 with one field. */
function hash(key: string, name = 'f', value = 'v'): Buffer {
  return bytes(4, str(key), 1, str(name), str(value));
}

/** A value type, a key that is called like it, and the value. */
function entry(type: number, ...value: readonly Part[]): Buffer {
  return bytes(type, str(`t${type}`), ...value);
}

const id = bytes(0x81, Buffer.alloc(8, 0xff));
const moduleOpcodes = bytes(1, 7, 2, id, 3, Buffer.alloc(4), 4, Buffer.alloc(8), 5, str('x'), 0);

function stream(type: number): Buffer {
  const pending = bytes(1, Buffer.alloc(24), 1);
  const consumer = bytes(1, str('c'), Buffer.alloc(type >= 21 ? 16 : 8), 1, Buffer.alloc(16));
  const nacked = type === 27 ? bytes(1, Buffer.alloc(16)) : Buffer.alloc(0);
  const group = bytes(str('g'), 1, 1, type >= 19 ? id : '', pending, consumer, nacked);
  const producers = type >= 26 ? bytes(10, 10, 1, str('p'), 1, str('iid'), 1, 1, 5, 6) : Buffer.alloc(0);
  return entry(type, 1, str('id'), str('listpack'), 1, id, 3, type >= 19 ? [1, 2, 3, 4, 5] : [], 1, group, producers);
}

/** All value types that hold no hash, up to RDB version 11, with a count of the largest kind in some. */
const others = [
  entry(0, str('plain')),
  entry(0, [0xc0, 5]),
  entry(0, [0xc1, 5, 0]),
  entry(0, [0xc2, 5, 0, 0, 0]),
  entry(0, [0xc3, 4, 3], [2, 97, 98, 99]),
  entry(1, 2, str('a'), str('b')),
  entry(2, rdbLength(70), ...Array.from({ length: 70 }, () => str('member'))),
  entry(3, 4, str('a'), 3, '1.5', str('b'), 253, str('c'), 254, str('d'), 255),
  entry(5, 1, str('a'), Buffer.alloc(8)),
  entry(7, id, moduleOpcodes),
  ...[10, 11, 12, 17, 20].map((type) => entry(type, str(Buffer.alloc(300, type)))),
  entry(14, 2, str('a'), str('b')),
  entry(18, 2, 1, str('a'), 2, str('b')),
  ...[15, 19, 21].map(stream),
];

const rich = rdbFile(
  'REDIS0011',
  [AUX, ...str('redis-ver'), ...str('7.2.0'), AUX, ...str('ctime'), 0xc2, 1, 0, 0, 0],
  [247, ...id],
  moduleOpcodes,
  245,
  str('#!lua name=lib'),
  [SELECT, 0, 251, 20, 3, 244, 1, 2, 3],
  hash('first'),
  ...others,
  [EXPIRE_MS, ...i64(4102444800000n), 249, 200],
  hash('with-ttl', 'naïve', ''),
  [253, 0, 0, 0, 1, 248, 10],
  hash('with-ttl-in-seconds'),
  [EXPIRE_MS, ...i64(-5n)],
  hash('long-ago'),
  [AUX, ...str('between'), ...str('keys'), SELECT, 7, 251, 1, 0],
  [16, ...str('other-db'), ...str(listpack(bytes(1), listpackString('x'.repeat(70))))],
  hash('last', 'x'.repeat(20000), 'y'.repeat(70)),
);

test('a file with every opcode and value type gives its hashes, databases, times and AUX fields', () => {
  const { hashes, aux, end, decoder } = readSnapshot([rich]);
  assert.deepEqual(hashes, [
    { db: 0, key: 'first', fields: { f: 'v' }, expireAt: 0 },
    { db: 0, key: 'with-ttl', fields: { [Buffer.from('naïve').toString('latin1')]: '' }, expireAt: 4102444800000 },
    { db: 0, key: 'with-ttl-in-seconds', fields: { f: 'v' }, expireAt: 0x01000000 * 1000 },
    { db: 0, key: 'long-ago', fields: { f: 'v' }, expireAt: 1 },
    { db: 7, key: 'other-db', fields: { 1: 'x'.repeat(70) }, expireAt: 0 },
    { db: 7, key: 'last', fields: { ['x'.repeat(20000)]: 'y'.repeat(70) }, expireAt: 0 },
  ]);
  assert.deepEqual(aux, { 'redis-ver': '7.2.0', ctime: '1', between: 'keys' });
  assert.equal(end, 'verified');
  assert.equal(decoder.position, rich.length);
});

test('the reading does not depend on where the bytes are cut', () => {
  const expected = readSnapshot([rich]);
  for (const size of [1, 2, 3, 7, 64, 1000, 30000]) {
    const { hashes, aux, end } = readSnapshot(cutEvery(rich, size));
    assert.deepEqual({ hashes, aux, end }, { hashes: expected.hashes, aux: expected.aux, end: expected.end });
  }
});

test('a long file of small hashes is read and its checksum verified in pieces of any size', () => {
  const file = rdbFile('REDIS0011', ...Array.from({ length: 3000 }, (_, i) => hash(`key ${i}`)));
  for (const size of [10, 13, 100, 4096, 10000]) {
    const { hashes, end } = readSnapshot(cutEvery(file, size));
    assert.equal(end, 'verified');
    assert.deepEqual([hashes.length, hashes.at(-1)?.key], [3000, 'key 2999']);
  }
});

test('what is not captured is passed over, and the bytes after the end are given back', () => {
  const stream = Buffer.from('*1\r\n$4\r\nPING\r\n');
  const { hashes, end, decoder } = readSnapshot([bytes(rich, stream)], (key) => key === 'other-db');
  assert.deepEqual(
    hashes.map(({ key }) => key),
    ['other-db'],
  );
  assert.equal(end, 'verified');
  assert.equal(decoder.position, rich.length);
  assert.deepEqual(decoder.rest(), stream);
  assert.equal(decoder.next(), undefined);
});

test('a file that is cut at any byte only waits for more', () => {
  for (let length = 0; length < rich.length; length += length < 3000 ? 1 : 997) {
    assert.equal(readSnapshot([rich.subarray(0, length)]).end, undefined);
  }
});

test('strings of half a gigabyte that are not wanted are never held', () => {
  const chunk = Buffer.alloc(4 * 1024 * 1024, 'x');
  const length = bytes(0x81, 0, 0, 0, 0, 0x20, 0, 0, 0);
  const { decoder } = readSnapshot([bytes('REDIS0011', [SELECT, 0], 0, str('string'), length)]);
  for (let i = 0; i < 128; i++) {
    decoder.push(chunk);
    assert.equal(decoder.next(), undefined);
    assert.equal(decoder.rest().length, 0);
  }
  decoder.push(hash('after'));
  assert.equal(decoder.next()?.kind, 'hash');
});

test('large values of every other type are never held', () => {
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  const large = rdbLength(8 * chunk.length);
  const compressed = bytes(0xc3, large, rdbLength(9 * chunk.length));
  const group = [1, ...str('id')];
  const heads = new Map([
    ['a compressed string', entry(0, compressed)],
    ['a list', entry(1, 2, str('a'), large)],
    ['a set', entry(2, 1, large)],
    ['a sorted set', entry(5, 1, large)],
    ['an old sorted set', entry(3, 2, str('a'), 255, large)],
    ['a quicklist', entry(18, 2, 2, str('a'), 1, large)],
    ['a listpack', entry(20, large)],
    ['a stream', entry(15, ...group, large)],
    ['a module', entry(7, 1, 5, large)],
    ['an array', entry(28, 1, 0, 0, 0, large)],
  ]);
  const tails = new Map([
    ['a sorted set', Buffer.alloc(8)],
    ['an old sorted set', bytes(255)],
    ['a stream', bytes(0, 0, 0, 0)],
    ['a module', bytes(0)],
  ]);
  for (const [what, head] of heads) {
    const { decoder } = readSnapshot([bytes('REDIS0014', head)]);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 8; i++) {
      decoder.push(chunk);
      assert.equal(decoder.next(), undefined, what);
      assert.equal(decoder.rest().length, 0, what);
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 6 * chunk.length, what);
    decoder.push(bytes(tails.get(what) ?? '', hash('after')));
    assert.equal(decoder.next()?.kind, 'hash', what);
  }
});

test('an uncaptured hash with a field of many megabytes is never held', () => {
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  const head = bytes(
    'REDIS0011',
    4,
    str('other'),
    1,
    str('f'),
    0xc3,
    rdbLength(8 * chunk.length),
    rdbLength(9 * chunk.length),
  );
  const { decoder } = readSnapshot([head], () => false);
  for (let i = 0; i < 8; i++) {
    decoder.push(chunk);
    assert.equal(decoder.next(), undefined);
    assert.equal(decoder.rest().length, 0);
  }
  decoder.push(hash('after'));
  assert.equal(decoder.next(), undefined);
  assert.equal(decoder.position, head.length + 8 * chunk.length + hash('after').length);
});

test('a hash with expiry times for its fields gives its values, by whoever wrote it', () => {
  const time = i64(4102444800000n);
  const times = bytes(0x81, Buffer.from(time).reverse());
  const triples = listpack(listpackString('a'), bytes(1), bytes(0xf4, time), bytes(2), listpackString('b'), bytes(0));
  const redis = rdbFile(
    'REDIS0012',
    [22, ...str('t22'), 2, ...times, ...str('a'), 0xc0, 1, 0, ...str('2'), ...str('b')],
    [23, ...str('t23'), ...str(triples)],
    [24, ...str('t24'), ...time, 2, 1, ...str('a'), 0xc0, 1, 0, ...str('2'), ...str('b')],
    [25, ...str('t25'), ...time, ...str(triples)],
  );
  const valkey = rdbFile(
    'VALKEY080',
    [22, ...str('v22'), 2, ...str('a'), 0xc0, 1, ...time],
    str('2'),
    str('b'),
    i64(-1n),
  );
  for (const file of [redis, valkey]) {
    for (const captured of [true, false]) {
      const { hashes, end } = readSnapshot(cutEvery(file, 5), () => captured);
      assert.equal(end, 'verified');
      assert.equal(hashes.length, captured ? (file === redis ? 4 : 1) : 0);
      for (const { fields } of hashes) assert.deepEqual(fields, { a: '1', 2: 'b' });
    }
  }
});

test('opcodes and streams of the newest servers are passed over', () => {
  const metadata = bytes(243, 1, Buffer.alloc(4), moduleOpcodes);
  const redis = rdbFile('REDIS0013', stream(26), stream(27), metadata, hash('after'));
  assert.equal(readSnapshot(cutEvery(redis, 1)).hashes.length, 1);
  const slots = bytes(243, str('x'.repeat(40)), 2, 1, 2, 3, 4);
  const valkey = rdbFile('VALKEY080', slots, hash('after'));
  assert.equal(readSnapshot(cutEvery(valkey, 1)).hashes.length, 1);
});

/** Names a and b under the number 7. */
const template = bytes(242, 7, 2, str('a'), str('b'));

/** A file with that template and a hash of type 30 with these entries. */
function templated(...entries: readonly Buffer[]): Buffer {
  return bytes('REDIS0015', template, 30, str('k'), str(listpack(...entries)));
}

test('arrays of Redis 8.8, as the fact sheet describes them, are passed over', () => {
  const items = bytes(0, 0, str('text'), 5, 1, Buffer.alloc(8), 0x40, 200, 2, Buffer.alloc(8), 9, 3, str('raw'));
  const file = rdbFile('REDIS0014', entry(28, 4, 0, items), entry(28, 4, 1, 7, items), entry(28, 0, 0), hash('after'));
  for (const size of [1, 1000]) {
    assert.deepEqual(
      readSnapshot(cutEvery(file, size)).hashes.map(({ key }) => key),
      ['after'],
    );
  }
});

test('hashes of Redis 8.10 whose names stand in a template, as the fact sheet describes them, give their fields', () => {
  const second = bytes(242, 0x40, 200, 1, str('n'.repeat(300)));
  const file = rdbFile(
    'REDIS0015',
    template,
    second,
    [30, ...str('t30'), ...str(listpack(bytes(7), bytes(1), listpackString('two')))],
    [32, ...str('t32'), 7, 0xc0, 1, ...str('two')],
    [30, ...str('t30b'), ...str(listpack(bytes(0xc0, 200), listpackString('x'.repeat(100))))],
    [EXPIRE_MS, ...i64(4102444800000n), 32, ...str('t32b'), 0x40, 200, ...str('x'.repeat(100))],
    hash('after'),
  );
  for (const size of [1, 7, 1000]) {
    const { hashes, end } = readSnapshot(cutEvery(file, size));
    assert.equal(end, 'verified');
    const long = { ['n'.repeat(300)]: 'x'.repeat(100) };
    assert.deepEqual(hashes, [
      { db: 0, key: 't30', fields: { a: '1', b: 'two' }, expireAt: 0 },
      { db: 0, key: 't32', fields: { a: '1', b: 'two' }, expireAt: 0 },
      { db: 0, key: 't30b', fields: long, expireAt: 0 },
      { db: 0, key: 't32b', fields: long, expireAt: 4102444800000 },
      { db: 0, key: 'after', fields: { f: 'v' }, expireAt: 0 },
    ]);
    assert.deepEqual(
      readSnapshot(cutEvery(file, size), (key) => key === 'after').hashes.map(({ key }) => key),
      ['after'],
    );
  }
});

test('a hash without fields does not exist, as for Redis itself', () => {
  const file = rdbFile('REDIS0010', 4, str('empty'), 0, hash('full'));
  assert.deepEqual(
    readSnapshot([file]).hashes.map(({ key }) => key),
    ['full'],
  );
});

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
