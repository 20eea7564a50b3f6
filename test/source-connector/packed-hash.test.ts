import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { packHash, PackedCursor, PackedWriter, unpackHash } from '../../source-connector/packed-hash.ts';

test('what is packed is unpacked, whatever the bytes and the lengths', () => {
  const part = fc.oneof(
    fc.uint8Array({ maxLength: 5 }),
    fc.uint8Array({ maxLength: 200 }),
    fc.integer({ min: 100, max: 20000 }).map((length) => new Uint8Array(length).fill(length & 255)),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(part, part), { maxLength: 20 }), (pairs) => {
      const hash = pairs.map(([name, value]) => [Buffer.from(name), Buffer.from(value)] as const);
      assert.deepEqual(unpackHash(packHash(hash)), hash);
    }),
  );
});

test('names and values can be appended one by one, integers as decimal text', () => {
  const writer = new PackedWriter(1);
  const text = Buffer.from('<name>');
  writer.append(text, 1, 5);
  writer.appendInteger(-17);
  writer.append(text, 1, 1);
  writer.appendInteger(-9223372036854775808n);
  assert.deepEqual(
    unpackHash(writer.view()).map((pair) => pair.map(String)),
    [
      ['name', '-17'],
      ['', '-9223372036854775808'],
    ],
  );
  writer.reset().add(text, 0, 1, text, 5, 6);
  const cursor = new PackedCursor().reset(writer.view());
  assert.equal(cursor.next(), true);
  assert.equal(`${cursor.name().toString()}${cursor.value().toString()}`, '<>');
  assert.equal(cursor.next(), false);
});

test('a hash that grows beyond what is possible is an error with a name, before memory is taken for it', () => {
  const writer = new PackedWriter(16, 1000);
  const text = Buffer.alloc(400);
  writer.append(text, 0, 400);
  writer.append(text, 0, 400);
  assert.throws(() => {
    writer.append(text, 0, 400);
  }, /STATE_FULL: a hash takes more than the 1000 bytes that are possible/);
  assert.equal(writer.view().length, 804);
});
