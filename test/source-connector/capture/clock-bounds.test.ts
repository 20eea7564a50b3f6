import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ClockBounds, type ClockSample } from '../../../source-connector/capture/clock-bounds.ts';

/** 2023-11-14T22:13:20Z, and the monotonic clock at that moment. */
const epoch = 1_700_000_000_000;

/** A sample that the master took `ms` after the epoch, asked for 1 ms before and read 1 ms after. */
function sample(offset: number, ms: number, more: Partial<ClockSample> = {}): ClockSample {
  return { offset, ownFrom: 0, micros: (epoch + ms) * 1000, sentAt: ms - 1, receivedAt: ms + 1, ...more };
}

function boundsOf(...samples: readonly ClockSample[]): ClockBounds {
  const bounds = new ClockBounds();
  for (const one of samples) bounds.add(one);
  return bounds;
}

test('without a sample nothing is proven', () => {
  const bounds = new ClockBounds();
  assert.equal(bounds.notBefore(100), 0);
  assert.equal(bounds.notAfter(100, 5), Infinity);
});

test('rule 5: a command ran after the samples before it and before the samples after it', () => {
  const bounds = boundsOf(sample(100, 0), sample(200, 100), sample(300, 200));
  assert.equal(bounds.notBefore(99), 0);
  assert.equal(bounds.notBefore(100), epoch);
  assert.equal(bounds.notBefore(199), epoch);
  assert.equal(bounds.notBefore(200), epoch + 100);
  assert.equal(bounds.notBefore(9999), epoch + 200);
  assert.equal(bounds.notAfter(100, 500), epoch);
  assert.equal(bounds.notAfter(101, 500), epoch + 100);
  assert.equal(bounds.notAfter(300, 500), epoch + 200);
});

test('after the last sample, the time since it was asked for is the bound', () => {
  const bounds = boundsOf(sample(100, 0));
  assert.equal(bounds.notAfter(101, 500), epoch + 501);
});

test('parts of a millisecond are rounded away from the command', () => {
  const micros = epoch * 1000 + 1;
  const bounds = boundsOf(sample(100, 0, { micros }));
  assert.equal(bounds.notBefore(100), epoch);
  assert.equal(bounds.notAfter(100, 0), epoch + 1);
});

test('an idle stream keeps one moment, with its first and its last time', () => {
  const bounds = boundsOf(...Array.from({ length: 1000 }, (_, n) => sample(100, n * 100)));
  assert.equal(bounds.size, 1);
  assert.equal(bounds.notAfter(100, 1e6), epoch);
  assert.equal(bounds.notBefore(100), epoch + 99_900);
});

test('the floor holds until a sample lies before the command', () => {
  const bounds = new ClockBounds();
  bounds.reset(epoch - 5000);
  assert.equal(bounds.notBefore(100), epoch - 5000);
  bounds.add(sample(200, 0));
  assert.equal(bounds.notBefore(100), epoch - 5000);
  assert.equal(bounds.notBefore(200), epoch);
});

test('what the stream passed is dropped, and what is still asked about stays', () => {
  const bounds = boundsOf(sample(100, 0), sample(200, 100), sample(300, 200));
  bounds.passed(250);
  assert.equal(bounds.size, 2);
  assert.equal(bounds.notBefore(250), epoch + 100);
  bounds.passed(1000);
  assert.equal(bounds.notBefore(1000), epoch + 200);
});

test('a stream that nobody reads holds a bounded number of moments, whose bounds stay right', () => {
  const bounds = boundsOf(...Array.from({ length: 50_000 }, (_, n) => sample(n * 10, n * 100)));
  assert.ok(bounds.size <= 8192, `${bounds.size} moments`);
  for (let n = 100; n < 50_000; n += 777) {
    assert.ok(bounds.notBefore(n * 10) <= epoch + n * 100);
    assert.ok(bounds.notAfter(n * 10, 1e9) >= epoch + n * 100);
  }
  assert.equal(bounds.notBefore(499_990), epoch + 4_999_900);
});

for (const [direction, jump] of [
  ['back', -60_000],
  ['forth', 60_000],
] as const) {
  test(`rule 5: a clock that was set ${direction} proves nothing about what was before`, () => {
    const after = sample(300, 200, { micros: (epoch + 200 + jump) * 1000 });
    const bounds = boundsOf(sample(100, 0), sample(200, 100), after);
    assert.equal(bounds.notBefore(250), 0);
    assert.equal(bounds.notAfter(150, 500), Infinity);
    assert.equal(bounds.notAfter(300, 500), Infinity);
    assert.equal(bounds.notBefore(300), epoch + 200 + jump);
    assert.equal(bounds.notAfter(301, 500), epoch + 200 + jump + 301);
  });
}

test('a slow answer is no step of the clock', () => {
  const slow = sample(200, 5000, { sentAt: 100, receivedAt: 9000 });
  assert.equal(boundsOf(sample(100, 0), slow).notBefore(150), epoch);
});

test('rule 5: what an earlier master wrote is not bounded by the clock of its successor', () => {
  const bounds = boundsOf(sample(500, 0, { ownFrom: 301 }), sample(600, 100, { ownFrom: 301 }));
  assert.equal(bounds.notAfter(300, 500), Infinity);
  assert.equal(bounds.notAfter(301, 500), epoch);
  assert.equal(bounds.notBefore(400), 0);
});

test('a stream that begins anew at a lower offset proves nothing with older samples', () => {
  const bounds = boundsOf(sample(5000, 0), sample(100, 100));
  assert.equal(bounds.notBefore(99), 0);
  assert.equal(bounds.notBefore(100), epoch + 100);
  assert.equal(bounds.size, 1);
});

test('rule 5: for any history of commands and samples, the bounds enclose the true time', () => {
  const event = fc.record({ command: fc.boolean(), after: fc.nat(5000), bytes: fc.integer({ min: 1, max: 50 }) });
  const property = fc.property(fc.array(event, { maxLength: 60 }), (events) => {
    const bounds = new ClockBounds();
    const commands: { start: number; end: number; at: number }[] = [];
    let micros = 0;
    let offset = 1000;
    for (const { command, after, bytes } of events) {
      micros += after;
      const ms = micros / 1000;
      if (command) {
        commands.push({ start: offset, end: offset + bytes, at: epoch + ms });
        offset += bytes;
      } else {
        bounds.add({ offset, ownFrom: 0, micros: epoch * 1000 + micros, sentAt: ms - 1, receivedAt: ms + 2 });
      }
    }
    for (const { start, end, at } of commands) {
      assert.ok(bounds.notBefore(start) <= at);
      assert.ok(bounds.notAfter(end, micros / 1000) >= at);
    }
  });
  fc.assert(property);
});
