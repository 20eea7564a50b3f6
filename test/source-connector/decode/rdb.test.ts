import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutEvery } from '../../support/cuts.ts';
import { bytes, i64, listpack, listpackString, rdbFile, rdbLength } from '../../support/rdb-bytes.ts';
import { readSnapshot } from '../../support/snapshot-reading.ts';
import {
  AUX,
  EXPIRE_MS,
  SELECT,
  entry,
  hash,
  id,
  moduleOpcodes,
  others,
  str,
  stream,
  template,
} from './rdb-samples.ts';

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
