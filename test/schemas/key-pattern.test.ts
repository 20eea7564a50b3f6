import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KeyPattern, keyPatternProblem, type KeyType } from '../../schemas/index.ts';

function parsed(pattern: string, key: string | Buffer, types: Record<string, KeyType> = {}): string[] | undefined {
  return new KeyPattern(pattern, types).parse(Buffer.from(key))?.map((part) => part.toString());
}

test('the last placeholder takes the rest, the others stop at the next literal', () => {
  assert.deepEqual(parsed('person:{person_id}', 'person:eu:42'), ['eu:42']);
  assert.deepEqual(parsed('order:{region}:{order_id}', 'order:eu:42:7'), ['eu', '42:7']);
  assert.deepEqual(parsed('user:{id}:profile', 'user:a:profile:profile'), ['a:profile']);
  assert.deepEqual(parsed('user:{{id}}:{part}', 'user:{42}:x'), ['42', 'x']);
  assert.equal(parsed('person:{id}', 'persons:1'), undefined);
  assert.equal(parsed('user:{id}:profile', 'user:1:cart'), undefined);
  assert.equal(parsed('order:{region}:{order_id}', 'order:eu'), undefined);
});

test('no part may be empty', () => {
  assert.equal(parsed('person:{id}', 'person:'), undefined);
  assert.equal(parsed('order:{region}:{id}', 'order::1'), undefined);
  assert.equal(parsed('order:{region}:{id}', 'order:eu:'), undefined);
  assert.equal(parsed('user:{id}:profile', 'user::profile'), undefined);
  assert.equal(parsed('user:{id}:profile', 'user:profile'), undefined);
});

test('rule 9: a key whose bytes do not come back does not fit', () => {
  const long = (id: string) => parsed('p:{id}', `p:${id}`, { id: 'long' });
  for (const id of ['0', '7', '-7', '9223372036854775807', '-9223372036854775808']) assert.deepEqual(long(id), [id]);
  for (const id of [
    '007',
    '+7',
    '-0',
    '00',
    ' 7',
    '7 ',
    '7.0',
    '-',
    '9223372036854775808',
    '-9223372036854775809',
    'x',
  ]) {
    assert.equal(long(id), undefined, id);
  }
  assert.deepEqual(parsed('p:{id}', 'p:2147483647', { id: 'int' }), ['2147483647']);
  assert.equal(parsed('p:{id}', 'p:2147483648', { id: 'int' }), undefined);
  assert.equal(parsed('p:{id}', Buffer.from([0x70, 0x3a, 0xff, 0xfe])), undefined);
  assert.deepEqual(parsed('p:{id}', 'p:ä\0ö'), ['ä\0ö']);
});

test('rule 9: render is the inverse of parse, for any key that fits any pattern', () => {
  const patterns = [
    new KeyPattern('p:{a}'),
    new KeyPattern('p:{a}:{b}'),
    new KeyPattern('p:{a}:{b}:end', { a: 'int' }),
    new KeyPattern('p:{{a}}{c}x', { c: 'long' }),
  ];
  const piece = fc.constantFrom('p:', ':', '1', '-1', '0', 'x', '{', '}', ':end', 'ä', '12345678901');
  const keys = fc.array(piece, { maxLength: 8 }).map((pieces) => Buffer.from(`p:${pieces.join('')}`));
  let fitted = 0;
  fc.assert(
    fc.property(
      fc.oneof(
        keys,
        fc.uint8Array().map((bytes) => Buffer.concat([Buffer.from('p:'), bytes])),
      ),
      (key) => {
        for (const pattern of patterns) {
          const parts = pattern.parse(key);
          if (parts === undefined) continue;
          fitted++;
          assert.deepEqual(pattern.render(parts), key);
          assert.ok(parts.every((part) => part.length > 0));
        }
      },
    ),
    { numRuns: 2000 },
  );
  assert.ok(fitted > 500, `only ${fitted} keys fitted`);
});

test('patterns overlap when one prefix begins with the other', () => {
  const overlap = (a: string, b: string) => new KeyPattern(a).overlaps(new KeyPattern(b));
  assert.equal(overlap('person:{id}', 'person:eu:{id}'), true);
  assert.equal(overlap('person:eu:{id}', 'person:{id}'), true);
  assert.equal(overlap('person:{id}', 'person:{id}:cart'), true);
  assert.equal(overlap('person:{id}', 'persons:{id}'), false);
  assert.equal(overlap('a:{id}', 'b:{id}'), false);
});

test('a pattern that could not be what its writer meant is refused with the reason', () => {
  assert.match(keyPatternProblem('person:1') ?? '', /no \{placeholder\}/);
  assert.match(keyPatternProblem('{id}') ?? '', /before the first placeholder/);
  assert.match(keyPatternProblem('a:{x}{y}') ?? '', /nothing between/);
  assert.match(keyPatternProblem('a:{x}:{x}') ?? '', /\{x\} twice/);
  assert.match(keyPatternProblem('a:{x}:{y-z}') ?? '', /brace/);
  assert.match(keyPatternProblem('a:{x}:{') ?? '', /brace/);
  assert.equal(keyPatternProblem('a:{{x}:{y}}'), undefined);
  assert.throws(() => new KeyPattern('a:{x}', { y: 'int' }), /no placeholder \{y\}/);
});
