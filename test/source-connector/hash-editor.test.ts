import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HashEditor } from '../../source-connector/hash-editor.ts';
import { packHash, unpackHash } from '../../source-connector/packed-hash.ts';

/** Any bytes, with many short and equal names among them. */
const name = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'name', 'x'.repeat(200)),
  fc.string({ unit: 'binary', maxLength: 40 }),
);
const value = fc.oneof(fc.constantFrom('', '1'), fc.string({ unit: 'binary', maxLength: 300 }));
const pairs = fc.array(fc.tuple(name, value), { maxLength: 60 });

const asMap = (list: readonly (readonly [string, string])[]): Map<string, string> => new Map(list);
const read = (packed: Buffer): Map<string, string> =>
  new Map(unpackHash(packed).map(([n, v]) => [n.toString(), v.toString()]));

describe('HashEditor', () => {
  it('lays a patch over a hash as HSET does, names and values of any bytes', () => {
    fc.assert(
      fc.property(pairs, pairs, (old, patch) => {
        const current = packHash(asMap(old));
        const editor = new HashEditor();
        const result = editor.set(current.length === 0 ? null : current, packHash(patch));
        assert.deepEqual(read(result), asMap([...old, ...patch]));
        assert.equal(unpackHash(result).length, asMap([...old, ...patch]).size, 'no name twice');
      }),
    );
  });

  it('takes fields away as HDEL does, and says null when none is left', () => {
    fc.assert(
      fc.property(pairs, fc.array(name, { maxLength: 30 }), (old, gone) => {
        fc.pre(old.length > 0);
        const expected = asMap(old);
        for (const field of gone) expected.delete(field);
        const result = new HashEditor().unset(
          packHash(asMap(old)),
          gone.map((field) => Buffer.from(field)),
        );
        assert.deepEqual(result === null ? new Map() : read(result), expected);
        assert.equal(result === null, expected.size === 0);
      }),
    );
  });

  it('adds to 64-bit integers exactly, and to an absent field as to 0', () => {
    const editor = new HashEditor();
    const hash = packHash([
      ['n', '9223372036854775806'],
      ['other', 'x'],
    ]);
    assert.equal(read(editor.increment(hash, Buffer.from('n'), 1n) ?? Buffer.alloc(0)).get('n'), '9223372036854775807');
    assert.equal(read(editor.increment(hash, Buffer.from('new'), -5n) ?? Buffer.alloc(0)).get('new'), '-5');
    assert.equal(read(editor.increment(null, Buffer.from('new'), 7n) ?? Buffer.alloc(0)).get('new'), '7');
    assert.equal(editor.increment(hash, Buffer.from('other'), 1n), undefined);
  });

  it('merges a hash of 20,000 fields through a map, not by comparing all with all', () => {
    const wide = Array.from({ length: 20_000 }, (_, i): [string, string] => [`f${i}`, `${i}`]);
    const result = new HashEditor().set(packHash(wide), packHash(wide.map(([n]): [string, string] => [n, 'new'])));
    assert.equal(read(result).get('f19999'), 'new');
    assert.equal(unpackHash(result).length, 20_000);
  });
});
