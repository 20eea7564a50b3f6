import { connect, createServer, type Socket } from 'node:net';
import type { Scope } from './scope.ts';

/** A link between a client and its server that can be held in the middle of an answer, and cut. */
export interface Relay {
  readonly port: number;
  /**
   * Lets the server's bytes pass up to and with the first of these, and holds back what follows on that connection.
   * @returns when that is so
   */
  holdAfter(marker: string): Promise<void>;
  /** Lets what was held back, and everything else, pass again. */
  release(): void;
  /** Breaks all connections; what was held back is lost. */
  cut(): void;
}

interface Held {
  readonly client: Socket;
  readonly server: Socket;
  readonly rest: Buffer;
}

/** A relay before a server of this machine; it ends with the test. */
export async function startRelay(scope: Scope, target: number): Promise<Relay> {
  const connections = new Set<readonly [Socket, Socket]>();
  let wanted: { readonly marker: string; readonly found: () => void } | undefined;
  let held: Held | undefined;
  const listener = createServer((client) => {
    const server = connect(target, '127.0.0.1');
    const pair = [client, server] as const;
    connections.add(pair);
    const close = (): void => {
      connections.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) socket.on('error', close).on('close', close);
    client.on('data', (chunk) => server.write(chunk));
    // Bytes that were let pass already, in which a marker may begin.
    let tail = Buffer.alloc(0);
    server.on('data', (chunk: Buffer) => {
      const seen = Buffer.concat([tail, chunk]);
      const at = wanted === undefined ? -1 : seen.indexOf(wanted.marker);
      if (wanted === undefined || at < 0) {
        tail = seen.subarray(Math.max(0, seen.length - 100));
        client.write(chunk);
        return;
      }
      const passed = Math.max(0, at + wanted.marker.length - tail.length);
      client.write(chunk.subarray(0, passed));
      server.pause();
      held = { client, server, rest: Buffer.from(chunk.subarray(passed)) };
      tail = Buffer.alloc(0);
      wanted.found();
      wanted = undefined;
    });
  });
  const cut = (): void => {
    held = undefined;
    for (const pair of connections) for (const socket of pair) socket.destroy();
  };
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  scope.after(
    () =>
      new Promise((resolve) => {
        listener.close(() => {
          resolve();
        });
        cut();
      }),
  );
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the relay has no port');
  return {
    port: address.port,
    holdAfter: (marker) =>
      new Promise((found) => {
        wanted = { marker, found };
      }),
    release: () => {
      if (held === undefined) return;
      held.client.write(held.rest);
      held.server.resume();
      held = undefined;
    },
    cut,
  };
}
