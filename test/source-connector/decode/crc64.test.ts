import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Crc64 } from '../../../source-connector/decode/crc64.ts';

test('the checksum of the standard check text is the one that Redis documents', () => {
  const text = Buffer.from('123456789');
  assert.equal(new Crc64().update(text, 0, text.length).toString(), 'e9c6d914c4b8d9ca');
  assert.equal(new Crc64().toString(), '0000000000000000');
});

test('the checksum does not depend on where the bytes are cut', () => {
  const bytes = Buffer.from(Array.from({ length: 100 }, (_, i) => (i * 167) & 255));
  const whole = new Crc64().update(bytes, 0, bytes.length).toString();
  for (let cut = 0; cut <= bytes.length; cut++) {
    const inTwo = new Crc64().update(bytes, 0, cut).update(bytes, cut, bytes.length);
    assert.equal(inTwo.toString(), whole);
  }
});

test('a checksum is compared with eight bytes, little endian', () => {
  const text = Buffer.from('123456789');
  const crc = new Crc64().update(text, 0, text.length);
  const stored = Buffer.from('00cad9b8c414d9c6e9', 'hex');
  assert.equal(crc.equals(stored, 1), true);
  assert.equal(crc.equals(stored, 0), false);
});
