import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readStagedKey, stagedPrefix, stagingKeyOf, verdictKeyOf } from '../../source-connector/staged-key.ts';

const read = (name: string): string | undefined => {
  const staged = readStagedKey(Buffer.from(name));
  return staged && `${staged.key.toString()} ${staged.number ?? 'staged'}`;
};

test('the keys of a write-through name the key that is written', () => {
  const key = Buffer.from('person:eu:42');
  assert.equal(stagingKeyOf(key).toString(), '__{person:eu:42}');
  assert.equal(read('__{person:eu:42}'), 'person:eu:42 staged');
  assert.equal(read(verdictKeyOf(key, 1_700_000_000_000_001).toString()), 'person:eu:42 1700000000000001');
  assert.equal(stagedPrefix(Buffer.from('person:')).toString(), '__{person:');
});

test('no other key is one of a write-through', () => {
  for (const name of ['', '_', '__{', '__{person:1', 'person:1', '__{person:1}x', '__{person:1}#', '__{person:1}#0']) {
    assert.equal(read(name), undefined, name);
  }
  assert.equal(read('__{person:1}#12345678901234567'), undefined, 'more digits than a version has');
  assert.equal(read('__{person:{1}}'), undefined, 'a key with a closing brace would be in another slot');
});
