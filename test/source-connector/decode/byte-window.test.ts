import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteWindow } from '../../../source-connector/decode/byte-window.ts';
import { Random, seedOfTest } from '../../support/random.ts';

test('what was pushed and not consumed stands in one piece, however pushes and reads are mixed', () => {
  const seed = seedOfTest();
  const random = new Random(seed);
  const window = new ByteWindow();
  let pushed = 0;
  let consumed = 0;
  let base = 0;
  for (let i = 0; i < 2000; i++) {
    const chunk = Buffer.from(Array.from({ length: random.below(300) }, () => pushed++ & 255));
    base += window.push(chunk);
    const step = random.chance(0.1) ? window.available : random.below(window.available + 1) >> 1;
    window.start += step;
    consumed += step;
    assert.equal(base + window.start, consumed, `AFTERWRITE_SEED=${seed}`);
    assert.equal(window.available, pushed - consumed);
    for (let at = window.start; at < window.end; at++) assert.equal(window.bytes[at], (base + at) & 255);
  }
});

test('memory that something large needed is given back after it', () => {
  const window = new ByteWindow();
  for (let i = 0; i < 65; i++) window.push(Buffer.alloc(64 * 1024));
  assert.ok(window.bytes.length >= 4 * 1024 * 1024);
  window.start = window.end;
  window.push(Buffer.from('small'));
  assert.ok(window.bytes.length <= 256 * 1024);
  assert.equal(window.bytes.toString('latin1', window.start, window.end), 'small');
});
