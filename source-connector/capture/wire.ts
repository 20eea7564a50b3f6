import net from 'node:net';
import tls from 'node:tls';
import { addressOf, securedBy, tlsRefusal, unreachable, type RedisEndpoint } from '../../clients/redis/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { Inbound } from './inbound.ts';

/** Unsent bytes above which signs of life are left out: the master does not read, and the idle time-out will tell. */
const mostUnsent = 64 * 1024;

/** A TCP or TLS connection to a Redis server: bytes in with backpressure, small commands out. */
export class Wire {
  readonly endpoint: RedisEndpoint;
  readonly inbound: Inbound;
  /** Why the connection ended, unless it was closed from here. */
  brokenBy: AfterwriteError | undefined;
  /** Called once, when the connection breaks. */
  onBreak: (() => void) | undefined;
  readonly #socket: net.Socket;
  #closed = false;

  private constructor(endpoint: RedisEndpoint, bufferBytes: number, secured: tls.ConnectionOptions | undefined) {
    this.endpoint = endpoint;
    this.inbound = new Inbound(bufferBytes, () => this.#socket.resume());
    this.#socket = connect(endpoint, this.inbound, secured);
    this.#socket.setNoDelay(true);
    // A peer that vanished without a word is noticed by the kernel even while the socket is not read.
    this.#socket.setKeepAlive(true, 30_000);
  }

  /**
   * Connects.
   * @throws AfterwriteError REDIS_UNREACHABLE or REDIS_TLS; the signal's reason when it is aborted
   */
  static async open(
    endpoint: RedisEndpoint,
    bufferBytes: number,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Wire> {
    const wire = new Wire(endpoint, bufferBytes, securedBy(endpoint));
    const abort = (): void => {
      wire.close();
    };
    signal.addEventListener('abort', abort);
    try {
      await wire.#established(timeoutMs);
      return wire;
    } catch (error) {
      wire.close();
      signal.throwIfAborted();
      throw unreachable(error, endpoint);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Sends bytes, unless the connection has ended. */
  send(bytes: string): void {
    if (!this.#socket.destroyed && this.#socket.writableLength < mostUnsent) this.#socket.write(bytes);
  }

  /** Ends the connection for a reason that `brokenBy` keeps. Does nothing when it has ended already. */
  break(reason: AfterwriteError): void {
    if (this.#closed || this.brokenBy !== undefined) return;
    this.brokenBy = reason;
    this.#socket.destroy();
    this.inbound.end(false);
    this.onBreak?.();
  }

  close(): void {
    this.#closed = true;
    this.#socket.destroy();
    this.inbound.end(true);
  }

  #established(timeoutMs: number): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      let lastError: Error | undefined;
      socket.setTimeout(timeoutMs, () => {
        const missing = socket.connecting
          ? 'no connection'
          : 'a connection, but no TLS handshake (is it a port for TLS?)';
        socket.destroy(new Error(`${missing} within ${timeoutMs} ms`));
      });
      socket.on('error', (error) => (lastError = error));
      socket.once(this.endpoint.tls === undefined ? 'connect' : 'secureConnect', () => {
        socket.setTimeout(0);
        resolve();
      });
      socket.once('end', () => {
        this.#lost(lastError);
      });
      socket.once('close', () => {
        reject(lastError ?? new Error('the server closed the connection'));
        this.#lost(lastError);
      });
    });
  }

  #lost(cause: Error | undefined): void {
    const refusal = this.inbound.received === 0 ? tlsRefusal(cause, this.endpoint) : undefined;
    if (refusal !== undefined) {
      this.break(refusal);
      return;
    }
    const where = { redis: addressOf(this.endpoint) };
    const what = cause === undefined ? 'the server closed the connection' : 'the connection broke';
    this.break(new AfterwriteError('REDIS_LINK_LOST', what, { where, cause }));
  }
}

function connect(endpoint: RedisEndpoint, inbound: Inbound, secured: tls.ConnectionOptions | undefined): net.Socket {
  const onread: net.OnReadOpts = {
    buffer: () => inbound.room(),
    callback: (bytes) => inbound.arrived(bytes),
  };
  const options = { host: endpoint.host, port: endpoint.port, onread };
  if (secured === undefined) return net.connect(options);
  // The types of node leave out that tls.connect takes `onread` too.
  const all = { ...options, ...secured };
  return tls.connect(all);
}
