import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Inbound } from '../../../source-connector/capture/inbound.ts';

const highWater = 1000;

/** An Inbound, a hand that writes as a socket does, and how often reading was resumed. */
function setUp() {
  const counts = { resumed: 0 };
  const inbound = new Inbound(highWater, () => (counts.resumed += 1));
  const write = (text: string): boolean => {
    const room = inbound.room();
    return inbound.arrived(room.write(text, 'latin1'));
  };
  return { inbound, write, counts };
}

test('bytes come out in order, small reads together', async () => {
  const { inbound, write } = setUp();
  write('ab');
  write('cd');
  assert.equal(inbound.buffered, 4);
  assert.equal((await inbound.read())?.toString(), 'abcd');
  const next = inbound.read();
  write('ef');
  assert.equal((await next)?.toString(), 'ef');
  assert.equal(inbound.buffered, 0);
  assert.equal(inbound.received, 6);
});

test('chunks that were handed out are never written again, over many slabs', async () => {
  const { inbound, write } = setUp();
  const sent: string[] = [];
  const got: Buffer[] = [];
  for (let n = 0; n < 2000; n++) {
    const text = String(n).padEnd(997, '.');
    sent.push(text);
    write(text);
    const chunk = await inbound.read();
    if (chunk !== null) got.push(chunk);
  }
  assert.equal(Buffer.concat(got).toString('latin1'), sent.join(''));
});

test('the socket is asked to stop at the high-water mark, and to go on at half of it', async () => {
  const { inbound, write, counts } = setUp();
  assert.equal(write('x'.repeat(400)), true);
  await inbound.read();
  assert.equal(write('x'.repeat(999)), true);
  assert.equal(write('x'), false);
  assert.equal(inbound.paused, true);
  assert.equal(counts.resumed, 0);
  await inbound.read();
  assert.equal(inbound.paused, false);
  assert.equal(counts.resumed, 1);
});

test('half a buffer does not resume yet', async () => {
  const { inbound, write, counts } = setUp();
  // A line first, so that the rest is a chunk of its own.
  const line = inbound.readLine();
  write(`ok\r\n${'x'.repeat(300)}`);
  assert.equal(await line, 'ok');
  const room = inbound.room();
  room.fill('y', 0, 100_000);
  assert.equal(inbound.arrived(100_000), false);
  while (inbound.buffered > 0) {
    assert.equal(counts.resumed, 0);
    await inbound.read();
  }
  assert.equal(counts.resumed, 1);
});

test('lines are read across chunks, empty ones are passed over, and what follows stays', async () => {
  const { inbound, write } = setUp();
  const line = inbound.readLine();
  for (const part of ['\n', '\n\n+FULL', 'RESYNC x 1\r', '\n\n', '\n$5\r\nREDIS0010']) write(part);
  assert.equal(await line, '+FULLRESYNC x 1');
  assert.equal(await inbound.readLine(), '$5');
  assert.equal((await inbound.read())?.toString(), 'REDIS0010');
  assert.equal(inbound.buffered, 0);
});

test('a line without an end is an error', async () => {
  const { inbound, write } = setUp();
  const line = inbound.readLine();
  write('x'.repeat(20_000));
  await assert.rejects(line, { code: 'REDIS_PROTOCOL' });
});

test('after the end, what waits is still read, then null', async () => {
  const { inbound, write } = setUp();
  write('last');
  inbound.end(false);
  assert.equal((await inbound.read())?.toString(), 'last');
  assert.equal(await inbound.read(), null);
  assert.equal(await inbound.readLine(), null);
});

test('after an end that drops, nothing comes, and a waiting reader learns it', async () => {
  const { inbound, write } = setUp();
  const waiting = inbound.read();
  inbound.end(true);
  assert.equal(await waiting, null);
  assert.equal(write('late'), false);
  assert.equal(await inbound.read(), null);
  assert.equal(inbound.buffered, 0);
});

test('two readers at once are a mistake', async () => {
  const { inbound, write } = setUp();
  const first = inbound.read();
  await assert.rejects(inbound.read(), { code: 'INTERNAL' });
  write('x');
  assert.equal((await first)?.toString(), 'x');
});
