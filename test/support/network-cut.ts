import { subscribe } from 'node:diagnostics_channel';
import { Socket } from 'node:net';

/*
 * Loaded into a process before its program (`--import`): on SIGUSR2 the process loses its connections to one port and gets
 * no new ones, until the next SIGUSR2. Its other connections stay, as when one of several networks is gone.
 */
const port = Number(process.env['AFTERWRITE_TEST_CUT_PORT']);
const sockets = new Set<Socket>();
let isCut = false;

const cut = (socket: Socket): void => {
  socket.destroy(new Error('the network is cut'));
};

subscribe('net.client.socket', (message) => {
  if (typeof message !== 'object' || message === null || !('socket' in message)) return;
  const { socket } = message;
  if (!(socket instanceof Socket)) return;
  socket.once('connect', () => {
    if (socket.remotePort !== port) return;
    if (isCut) {
      cut(socket);
      return;
    }
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
});

process.on('SIGUSR2', () => {
  isCut = !isCut;
  if (isCut) for (const socket of sockets) cut(socket);
});
