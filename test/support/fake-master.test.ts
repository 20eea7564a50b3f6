import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { randomChunks, startFakeMaster, wholeChunks, type FakeMaster } from './fake-master.ts';
import { Random } from './random.ts';
import type { Recording } from './recordings.ts';
import { until } from './until.ts';

const HEAD = '+FULLRESYNC abc 100\r\n$EOF:';
const STREAM = '*1\r\n$4\r\nPING\r\n'.repeat(20);

function recording(reply: string, head: string, stream: string, more: Partial<Recording> = {}): Recording {
  return {
    name: 'hand/made',
    bytes: Buffer.from(head + stream),
    reply,
    replid: 'abc',
    streamAt: head.length,
    startOffset: 100,
    endOffset: 100 + stream.length,
    commands: 20,
    partialCommandBytes: 0,
    rdb: undefined,
    resumeOffset: undefined,
    selectedDb: undefined,
    snapshot: undefined,
    expiredInRdb: undefined,
    final: undefined,
    watched: new Map(),
    history: [],
    ...more,
  };
}

const first = recording('+FULLRESYNC abc 100', HEAD, STREAM, { rdb: { framing: 'eof', at: 0, bytes: 0 } });
const second = recording('+CONTINUE', '+CONTINUE\r\n', STREAM, { resumeOffset: 380, startOffset: 380 });

/** A replica's side of the link, with all that came in one text. */
async function join(
  master: FakeMaster,
): Promise<{ socket: Socket; send: (line: string) => void; text: () => string; ended: () => boolean }> {
  const socket = connect(master.port, '127.0.0.1');
  await once(socket, 'connect');
  let text = '';
  let ended = false;
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.on('end', () => (ended = true));
  const send = (line: string): void => {
    const words = line.split(' ');
    socket.write(`*${words.length}\r\n` + words.map((word) => `$${word.length}\r\n${word}\r\n`).join(''));
  };
  return { socket, send, text: () => text, ended: () => ended };
}

test('the handshake is answered, and the stream waits for the first ACK after a diskless snapshot', async (t) => {
  const master = await startFakeMaster([first, second], randomChunks(new Random(1), 50));
  t.after(() => master.close());
  const replica = await join(master);
  replica.send('PING');
  replica.send('REPLCONF listening-port 0');
  await until('the answers', () => replica.text() === '+PONG\r\n+OK\r\n');
  replica.send('PSYNC ? -1');
  await until('the snapshot', () => replica.text().endsWith(HEAD));
  replica.socket.write('\n');
  replica.send('REPLCONF ACK 100');
  await until('the stream and the end of the link', () => replica.text().endsWith(HEAD + STREAM) && replica.ended());
  assert.deepEqual(master.commands.at(-1), ['REPLCONF', 'ACK', '100']);
  assert.deepEqual(master.problems, []);
});

test('a PSYNC for another offset and an ACK of what was not sent are told, and recordings end', async (t) => {
  const master = await startFakeMaster([second], wholeChunks);
  t.after(() => master.close());
  const replica = await join(master);
  replica.send('PSYNC abc 380');
  await until('the stream', () => replica.text().endsWith(STREAM));
  replica.send('REPLCONF ACK 660');
  replica.send('REPLCONF ACK 661');
  await until('two problems', () => master.problems.length === 2);
  assert.match(master.problems.join('\n'), /PSYNC abc 380, but 381 was recorded\nACK 661, but only 660 was sent/);
  assert.equal(replica.ended(), false);
  const late = await join(master);
  late.send('PSYNC ? -1');
  await until('a refusal', () => late.text().startsWith('-NOMASTERLINK'));
});
