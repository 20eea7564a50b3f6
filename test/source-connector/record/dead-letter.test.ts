import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { packHash } from '../../../source-connector/packed-hash.ts';
import { deadLetter } from '../../../source-connector/record/dead-letter.ts';
import type { RowProblem } from '../../../source-connector/record/mapping-view.ts';
import type { HeldHash, WideHash } from '../../../source-connector/wide-hash.ts';

const place = {
  pipeline: 'shop',
  shard: 0,
  mapping: 'person',
  topic: 'shop.person',
  replid: 'abc',
  offset: 77,
  command: 'HSET',
  at: Date.UTC(2024, 0, 2),
};
const badAge: RowProblem = {
  reason: 'bad-value',
  field: { column: 'years', type: 'int', field: 'age', reason: 'is no integer', value: Buffer.from('old') },
};

type Letter = Readonly<Record<string, unknown>>;

function letterOf(key: Buffer, hash: HeldHash, maxBytes = 10_000, problem = badAge): Letter {
  const bytes = deadLetter(place, 1, key, hash, problem, maxBytes);
  assert.ok(bytes.length < maxBytes, `${bytes.length} bytes fit into ${maxBytes}`);
  const value: unknown = JSON.parse(bytes.toString());
  assert.ok(typeof value === 'object' && value !== null);
  return { ...value };
}

test('a dead letter tells reason, place and the whole hash', () => {
  assert.deepEqual(
    letterOf(
      Buffer.from('person:1'),
      packHash([
        ['age', 'old'],
        ['ü', ''],
      ]),
    ),
    {
      v: 1,
      reason: 'bad-value',
      message: 'the field age cannot be years: is no integer',
      field: 'age',
      column: 'years',
      mapping: 'person',
      topic: 'shop.person',
      db: 1,
      key: 'person:1',
      source: { pipeline: 'shop', shard: 0, replid: 'abc', offset: 77, command: 'HSET' },
      at: '2024-01-02T00:00:00.000Z',
      hash: { age: 'old', ü: '' },
    },
  );
});

test('bytes that are no UTF-8 are base64, and a text that looks like that is base64 too', () => {
  const bytes = Buffer.from([0xff, 0x00, 0x80]);
  const base64 = (from: Buffer): string => `b64:${from.toString('base64')}`;
  const lookalike = Buffer.from('b64:AA==');
  const { key, hash } = letterOf(
    bytes,
    packHash([
      [bytes, lookalike],
      ['plain', bytes],
    ]),
  );
  assert.equal(key, base64(bytes));
  assert.deepEqual(hash, { [base64(bytes)]: base64(lookalike), plain: base64(bytes) });
});

test('a field name that JavaScript treats in its own way is told like any other', () => {
  const bytes = deadLetter(place, 1, Buffer.from('person:1'), packHash([['__proto__', 'x']]), badAge, 10_000);
  assert.match(bytes.toString(), /"hash":\{"__proto__":"x"\}/);
});

test('rule 13: a hash that does not fit is told by count, length and SHA-256', () => {
  const hash = packHash([
    ['age', 'x'.repeat(3000)],
    ['b', ''],
  ]);
  const letter = letterOf(Buffer.from('person:1'), hash, 2000);
  assert.equal(letter['hash'], undefined);
  assert.deepEqual(letter['digest'], {
    fields: 2,
    bytes: hash.length,
    sha256: createHash('sha256').update(hash).digest('hex'),
  });
});

test('rule 13: of a wide hash that does not fit nothing is read, and of one that fits all is told', () => {
  const packed = packHash([['age', 'old']]);
  const unused = (): never => {
    throw new Error('nobody changes the hash of a dead letter');
  };
  const wide = (bytes: number, whole: () => Buffer): WideHash => ({
    ...{ fields: 1000, bytes, changed: false, whole },
    ...{ valueOf: unused, set: unused, increment: unused, unset: unused },
  });
  const large = letterOf(Buffer.from('person:1'), wide(1e9, unused), 2000);
  assert.deepEqual(large['digest'], { fields: 1000, bytes: 1e9 });
  assert.deepEqual(
    letterOf(
      Buffer.from('person:1'),
      wide(100, () => packed),
      2000,
    )['hash'],
    { age: 'old' },
  );
});

test('rule 13: a hash that grows over the limit only as JSON is told by its digest', () => {
  const hash = packHash([['age', Buffer.alloc(400, 1)]]);
  assert.equal(letterOf(Buffer.from('person:1'), hash, 1500)['hash'], undefined);
  assert.notEqual(letterOf(Buffer.from('person:1'), hash, 10_000)['hash'], undefined);
});

test('rule 13: a key that does not fit is told by its SHA-256', () => {
  const key = Buffer.from(`person:${'k'.repeat(5000)}`);
  const letter = letterOf(key, packHash([['age', 'old']]), 2000, {
    reason: 'key-does-not-fit',
    pattern: 'person:{id}',
  });
  assert.equal(letter['key'], `sha256:${createHash('sha256').update(key).digest('hex')}`);
});
