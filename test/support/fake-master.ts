import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { RespParser } from '../../source-connector/decode/resp.ts';
import type { Random } from './random.ts';
import type { Recording } from './recordings.ts';

/** Says, before each write to the replica, how many bytes it is to have. */
export type Chunking = () => number;

/** All that there is in one write. */
export const wholeChunks: Chunking = () => Infinity;

/** Sizes from 1 byte to `max`, small ones as likely as large ones. */
export function randomChunks(random: Random, max: number): Chunking {
  return () => Math.max(1, Math.floor(max ** random.next()));
}

export interface FakeMaster {
  readonly port: number;
  /** What replicas sent, as text. */
  readonly commands: readonly (readonly string[])[];
  /** What a replica did wrong: an ACK of bytes that were not sent, a PSYNC for another offset than recorded. */
  readonly problems: readonly string[];
  /**
   * From now on each PSYNC gets this link: from its beginning, or, as from a real backlog, from wherever a replica that
   * had it asks to go on.
   */
  serve(link: number): void;
  close(): Promise<void>;
}

/**
 * A master that replays recordings on 127.0.0.1: it answers the handshake of any replica, and the n-th PSYNC gets the
 * n-th recording. As a real one does, it holds the stream back after a diskless snapshot until the first ACK.
 *
 * @param hangUp whether to end the n-th link after its last byte; by default all but the last
 */
export async function startFakeMaster(
  links: readonly Recording[],
  chunking: Chunking = wholeChunks,
  hangUp: (link: number) => boolean = (link) => link < links.length - 1,
): Promise<FakeMaster> {
  const commands: string[][] = [];
  const problems: string[] = [];
  const sockets = new Set<Socket>();
  let served = 0;
  let only: number | undefined;
  let full = -1;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    new ReplicaLink(socket, {
      chunking,
      problems,
      commands,
      take: () => {
        const link = only ?? served++;
        const recording = links[link];
        if (recording === undefined) return undefined;
        const wasGiven = full === link;
        if (recording.rdb !== undefined) full = link;
        return { recording, before: links[link - 1], resumable: only !== undefined && wasGiven, hangUp: hangUp(link) };
      },
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the fake master has no port');
  return {
    port: address.port,
    commands,
    problems,
    serve: (link) => {
      only = link;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Serving {
  readonly chunking: Chunking;
  readonly commands: string[][];
  readonly problems: string[];
  /** The recording for the next PSYNC. */
  take(): Taken | undefined;
}

interface Taken {
  readonly recording: Recording;
  /** The link of the same replica before it. */
  readonly before: Recording | undefined;
  /** Whether its full resync was given before, so that its stream can be asked for alone. */
  readonly resumable: boolean;
  readonly hangUp: boolean;
}

class ReplicaLink {
  readonly #socket: Socket;
  readonly #serving: Serving;
  readonly #parser = new RespParser(0);
  /** Replication offset behind what was sent of the stream. */
  #sent = 0;
  #acknowledged: () => void = () => undefined;
  readonly #firstAck = new Promise<void>((resolve) => {
    this.#acknowledged = resolve;
  });

  constructor(socket: Socket, serving: Serving) {
    this.#socket = socket;
    this.#serving = serving;
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      this.#parser.push(chunk);
      while (this.#parser.next()) {
        const words = this.#words();
        this.#parser.consume();
        this.#answer(words);
      }
    });
  }

  #words(): string[] {
    const { bytes, bounds, count } = this.#parser;
    return Array.from({ length: count }, (_, i) => bytes.toString('latin1', bounds[2 * i], bounds[2 * i + 1]));
  }

  #answer(words: string[]): void {
    this.#serving.commands.push(words);
    const [name = '', first = '', second = ''] = words;
    if (name.toUpperCase() === 'PING') this.#socket.write('+PONG\r\n');
    else if (name.toUpperCase() === 'PSYNC') void this.#replay(first, second);
    else if (first.toUpperCase() === 'ACK') this.#acknowledge(Number(second));
    else this.#socket.write('+OK\r\n');
  }

  #acknowledge(offset: number): void {
    if (!(offset <= this.#sent)) this.#serving.problems.push(`ACK ${offset}, but only ${this.#sent} was sent`);
    this.#acknowledged();
  }

  async #replay(replid: string, from: string): Promise<void> {
    const taken = this.#serving.take();
    if (taken === undefined) {
      this.#socket.write('-NOMASTERLINK there are no more recordings\r\n');
      return;
    }
    const { recording, resumable, hangUp } = taken;
    const { bytes, streamAt, startOffset, endOffset } = recording;
    const asked = Number(from) - 1;
    if (resumable && replid === recording.replid && asked >= startOffset && asked <= endOffset) {
      this.#sent = asked;
      await this.#send(Buffer.from('+CONTINUE\r\n'), 0);
      await this.#send(bytes.subarray(streamAt + asked - startOffset), 1);
    } else {
      const stream = this.#streamFrom(taken, replid, asked);
      this.#sent = startOffset + (bytes.length - streamAt) - stream.length;
      await this.#send(bytes.subarray(0, streamAt), 0);
      if (recording.rdb?.framing === 'eof') await this.#firstAck;
      await this.#send(stream, 1);
    }
    if (hangUp) this.#socket.end();
  }

  /**
   * The second link of a pair begins where the first one's last whole transaction ended. A replica may ask for what
   * comes later, or for the end of the first one, as it may of a real backlog.
   */
  #streamFrom({ recording, before }: Taken, askedReplid: string, asked: number): Buffer {
    const { name, reply, replid, resumeOffset, startOffset, endOffset } = recording;
    const stream = recording.bytes.subarray(recording.streamAt);
    if (resumeOffset === undefined || !reply.startsWith('+CONTINUE') || asked === resumeOffset) return stream;
    if (askedReplid.length === replid.length) {
      if (asked > resumeOffset && asked <= endOffset) return stream.subarray(asked - resumeOffset);
      if (before !== undefined && asked >= before.startOffset && asked < startOffset) {
        const first = before.streamAt + asked - before.startOffset;
        return Buffer.concat([before.bytes.subarray(first, first + startOffset - asked), stream]);
      }
    }
    this.#serving.problems.push(`${name}: PSYNC ${askedReplid} ${asked + 1}, but ${resumeOffset + 1} was recorded`);
    return stream;
  }

  async #send(bytes: Buffer, streamBytes: 0 | 1): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#socket.destroyed;) {
      const chunk = bytes.subarray(at, at + this.#serving.chunking());
      at += chunk.length;
      // Counted before: an ACK can arrive before write returns.
      this.#sent += chunk.length * streamBytes;
      if (!this.#socket.write(chunk)) await this.#drained();
      else await turn();
    }
  }

  async #drained(): Promise<void> {
    const ended = new AbortController();
    this.#socket.once('close', () => {
      ended.abort();
    });
    await once(this.#socket, 'drain', { signal: ended.signal }).catch(() => undefined);
  }
}
