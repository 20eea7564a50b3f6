import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Heartbeat } from '../../../source-connector/capture/heartbeat.ts';

/** A heartbeat whose timers the test turns, and what it sent. */
function setUp(t: TestContext, limitMs = 60_000) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const sent: string[] = [];
  const silences: number[] = [];
  const inbound = { received: 0, paused: false };
  const send = (bytes: string) => sent.push(bytes.trim().split('\r\n').at(-1) ?? '');
  const heartbeat = new Heartbeat({ send, inbound }, limitMs, (silentMs) => silences.push(silentMs));
  t.after(() => {
    heartbeat.stop();
  });
  const pass = (ms: number) => {
    t.mock.timers.tick(ms);
  };
  return { heartbeat, inbound, sent, silences, pass };
}

test('a snapshot is accompanied by newlines, and nothing before it', (t) => {
  const { heartbeat, sent, pass } = setUp(t);
  pass(5000);
  heartbeat.acknowledge(7, true);
  assert.deepEqual(sent, []);
  heartbeat.beginNewlines();
  pass(2000);
  heartbeat.acknowledge(7, true);
  assert.deepEqual(sent, ['', '', '']);
});

test('the stream is acknowledged at once and every second, and at once when asked', (t) => {
  const { heartbeat, sent, pass } = setUp(t);
  heartbeat.beginAcks(100, false);
  assert.deepEqual(sent, ['100']);
  heartbeat.acknowledge(150, false);
  assert.deepEqual(sent, ['100']);
  pass(1000);
  assert.deepEqual(sent, ['100', '150']);
  heartbeat.acknowledge(200, true);
  assert.deepEqual(sent, ['100', '150', '200']);
});

test('after a diskless snapshot ACKs hurry until the first bytes', (t) => {
  const { heartbeat, inbound, sent, pass } = setUp(t);
  inbound.received = 5000;
  heartbeat.beginAcks(100, true);
  pass(500);
  assert.equal(sent.length, 6);
  inbound.received += 1;
  pass(400);
  assert.equal(sent.length, 6);
  pass(100);
  assert.equal(sent.length, 7);
});

test('silence is counted from the last byte, and not while reading is paused', (t) => {
  const { heartbeat, inbound, silences, pass } = setUp(t, 3000);
  pass(2000);
  inbound.received += 1;
  pass(3000);
  assert.deepEqual(silences, []);
  inbound.paused = true;
  pass(60_000);
  assert.deepEqual(silences, []);
  inbound.paused = false;
  pass(2000);
  heartbeat.allowSilence(4000);
  pass(3000);
  assert.deepEqual(silences, []);
  pass(1000);
  assert.deepEqual(silences, [4000]);
});

test('a stopped heartbeat is still', (t) => {
  const { heartbeat, sent, silences, pass } = setUp(t, 1000);
  heartbeat.beginAcks(1, true);
  heartbeat.stop();
  pass(60_000);
  assert.equal(sent.length, 1);
  assert.deepEqual(silences, []);
});
