import { connect } from 'node:net';
import { chmod } from 'node:fs/promises';
import { installPackages } from './native/apt.ts';
import { findProgram } from './programs.ts';
import type { Launch, Place, Service } from './service.ts';

/** Redis 7.0. It keeps its data, in an append-only file, unless the arguments say otherwise. */
export const redis: Service = {
  name: 'redis',
  version: '7.0',
  image: 'redis:7.0.15',
  containerPort: 6379,
  usualPort: 6379,
  variable: 'AFTERWRITE_TEST_REDIS',
  stopSignal: 'SIGTERM',

  address: (port) => `redis://127.0.0.1:${port}`,

  async install() {
    if (findProgram('redis-server') === undefined) await installPackages(['redis-server'], ['redis-server']);
  },

  async launch({ folder, port, args }: Place): Promise<Launch> {
    await chmod(folder, 0o755);
    const own = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder];
    const durability = ['--save', '', '--appendonly', 'yes'];
    return { command: findProgram('redis-server') ?? 'redis-server', args: [...own, ...durability, ...args] };
  },

  async ready(port) {
    const answer = await ask(port, 'PING\r\n');
    // A server that wants a password serves as well.
    if (!/^(\+PONG|-NOAUTH|-DENIED)/.test(answer)) throw new Error(`PING was answered with ${answer.trim()}`);
  },
};

/** The first bytes that a server sends after these. */
async function ask(port: number, request: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(2000, () => socket.destroy(new Error('no answer within 2 s')));
    socket.once('connect', () => socket.write(request));
    socket.once('error', reject);
    socket.once('data', (answer) => {
      socket.destroy();
      resolve(answer.toString('latin1'));
    });
    socket.once('close', () => {
      reject(new Error('the connection was closed'));
    });
  });
}
