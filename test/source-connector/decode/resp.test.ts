import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import { RespParser } from '../../../source-connector/decode/resp.ts';
import { cutEvery } from '../../support/cuts.ts';
import { resp } from '../../support/resp-bytes.ts';

interface Found {
  readonly words: string[];
  readonly start: number;
  readonly end: number;
}

function parse(parser: RespParser, pieces: Iterable<Buffer>): Found[] {
  const found: Found[] = [];
  for (const piece of pieces) {
    parser.push(piece);
    while (parser.next()) {
      const { bytes, bounds, count } = parser;
      const words = Array.from({ length: count }, (_, i) => bytes.toString('latin1', bounds[2 * i], bounds[2 * i + 1]));
      found.push({ words, start: parser.offset, end: parser.end });
      parser.consume();
    }
  }
  return found;
}

test('commands come with their arguments and offsets, wherever the bytes are cut', () => {
  const bytes = Buffer.concat([
    resp('SELECT', 0),
    Buffer.from('\n\n'),
    resp('HSET', 'key', '', 'a\r\nb', 'f', '*1\r\n$4\r\nPING\r\n'),
    Buffer.from('*0\r\n'),
    resp('ping'),
    resp(...Array.from({ length: 200 }, (_, i) => `argument ${i}`)),
  ]);
  const expected = parse(new RespParser(1000), [bytes]);
  assert.deepEqual(
    expected.slice(0, 3).map(({ words }) => words),
    [['SELECT', '0'], ['HSET', 'key', '', 'a\r\nb', 'f', '*1\r\n$4\r\nPING\r\n'], ['ping']],
  );
  const [select, hset, , many] = expected;
  assert.deepEqual([select?.start, select?.end, hset?.start], [1000, 1023, 1025]);
  assert.equal(many?.words.length, 200);
  assert.equal(many.end, 1000 + bytes.length);
  for (const size of [1, 2, 3, 5, 17, 100]) {
    const parser = new RespParser(1000);
    assert.deepEqual(parse(parser, cutEvery(bytes, size)), expected);
    assert.equal(parser.offset, 1000 + bytes.length);
    assert.equal(parser.held, 0);
  }
});

test('a command of many pieces is found although its beginning moves', () => {
  const words = Array.from({ length: 3000 }, (_, i) => `argument number ${i} ${'x'.repeat(i % 50)}`);
  const bytes = Buffer.concat([resp('before'), resp(...words), resp('after')]);
  const found = parse(new RespParser(0), cutEvery(bytes, 4001));
  assert.deepEqual(
    found.map(({ words: [first] }) => first),
    ['before', 'argument number 0 ', 'after'],
  );
  assert.deepEqual(found[1]?.words, words);
});

test('a command can be passed over while its bytes come', () => {
  const large = resp('SET', 'key', 'x'.repeat(5000), 'EX', '10');
  const parser = new RespParser(7);
  parser.push(resp('first'));
  assert.equal(parser.next(), true);
  parser.consume();
  const start = parser.offset;
  parser.push(large.subarray(0, 100));
  assert.equal(parser.next(), false);
  assert.equal(parser.count, 2);
  assert.ok(parser.missing > 4000);
  parser.passOver();
  for (const piece of cutEvery(large.subarray(100), 11)) {
    parser.push(piece);
    assert.equal(parser.offset, start, 'until it is behind, the offset stays before it');
    assert.equal(parser.next(), false);
    assert.ok(parser.held < 20);
  }
  assert.equal(parser.offset, start + large.length);
  assert.deepEqual(parse(parser, [resp('after', 'it')]), [
    { words: ['after', 'it'], start: start + large.length, end: start + large.length + resp('after', 'it').length },
  ]);
});

test('bytes that are no command are an error with their offset', () => {
  const broken: readonly (readonly [string, RegExp, number])[] = [
    ['PING\r\n', /byte 80 where a command begins/, 123],
    ['*x\r\n', /a number with other bytes than digits/, 124],
    ['*\r\n', /a number that is not ended by CR LF/, 124],
    ['*-1\r\n', /a number with other bytes than digits/, 124],
    ['*99999999999\r\n', /a number above/, 124],
    ['*1\rx', /a number that is not ended by CR LF/, 124],
    ['*1\r\n:5\r\n', /byte 58 where an argument begins/, 127],
    ['*1\r\n$\r\n', /an argument without a length/, 127],
    ['*1\r\n$-1\r\n', /an argument without a length/, 127],
    ['*1\r\n$1x\r\n', /an argument without a length/, 127],
    ['*1\r\n$99999999999', /an argument without a length/, 127],
    ['*1\r\n$1\r\nxyz', /an argument that is not ended by CR LF/, 127],
    ['*1\r\n$1\rxx\r\n', /an argument that is not ended by CR LF/, 127],
  ];
  for (const [text, message, offset] of broken) {
    for (const size of [1, 100]) {
      assert.throws(
        () => parse(new RespParser(100), cutEvery(Buffer.concat([resp('before', 'x'), Buffer.from(text)]), size)),
        (error) => {
          assert.ok(error instanceof AfterwriteError, String(error));
          assert.equal(error.code, 'STREAM_CORRUPT');
          assert.match(error.message, message);
          assert.deepEqual(error.where, { offset, 'command at offset': 123 });
          return true;
        },
      );
    }
  }
});

test('counts and lengths that promise too much take no memory', () => {
  const parser = new RespParser(0);
  parser.push(Buffer.from('*1000000000\r\n$3\r\nSET\r\n$1000000000\r\nxyz'));
  assert.equal(parser.next(), false);
  assert.ok(parser.bounds.length < 1000);
  assert.ok(parser.bytes.length < 10_000);
});

test('random changes end in an error or in commands, and nothing else', () => {
  const bytes = Buffer.concat([
    resp('SELECT', 0),
    resp('HSET', 'key', 'name', 'value'),
    resp('ping'),
    resp('DEL', 'a', 'b'),
  ]);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      (changes) => {
        const damaged = Buffer.from(bytes);
        for (const [at, byte] of changes) damaged.writeUInt8(byte, at);
        const parser = new RespParser(0);
        try {
          const found = parse(parser, cutEvery(damaged, 9));
          assert.ok(found.every(({ start, end }, i) => end <= damaged.length && start >= (found[i - 1]?.end ?? 0)));
        } catch (error) {
          assert.ok(error instanceof AfterwriteError, String(error));
        }
      },
    ),
    { numRuns: 2000 },
  );
});
