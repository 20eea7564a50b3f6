import { Redis } from 'ioredis';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { addressOf, credentialsOf, type RedisEndpoint } from './endpoint.ts';
import { refused, unreachable } from './refusal.ts';

export interface ControlLimits {
  /** Milliseconds for the connection and its TLS handshake. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds that a command may stay unanswered. */
  readonly commandTimeoutMs?: number;
  /** Ends the attempt to connect, and later the connection. */
  readonly signal?: AbortSignal;
}

/** A command and its arguments. */
export type Command = readonly [name: string, ...args: (string | Buffer | number)[]];

/**
 * A connection for commands beside the replication link. It is one connection: it never reconnects behind its user's
 * back, because selected databases and offsets read from a server mean something on that connection only. When it has
 * ended, its user opens another, with an endpoint resolved anew.
 *
 * Replies are as the server sent them: Buffers, numbers, null, and arrays of these (reply.ts reads them).
 */
export class ControlConnection {
  readonly endpoint: RedisEndpoint;
  readonly #redis: Redis;

  private constructor(endpoint: RedisEndpoint, redis: Redis) {
    this.endpoint = endpoint;
    this.#redis = redis;
  }

  /**
   * Connects and authenticates.
   * @throws AfterwriteError REDIS_UNREACHABLE, REDIS_TLS, REDIS_AUTH, REDIS_LOADING
   */
  static async open(endpoint: RedisEndpoint, limits: ControlLimits = {}): Promise<ControlConnection> {
    const redis = new Redis({
      host: endpoint.host,
      port: endpoint.port,
      ...(endpoint.tls === undefined ? {} : { tls: { ...endpoint.tls } }),
      connectTimeout: limits.connectTimeoutMs ?? 10_000,
      commandTimeout: limits.commandTimeoutMs ?? 10_000,
      lazyConnect: true,
      enableOfflineQueue: false,
      // The ready check needs INFO, and CLIENT SETINFO its own permission; this connection asks for what it is told to.
      enableReadyCheck: false,
      disableClientInfo: true,
      retryStrategy: null,
      maxRetriesPerRequest: 0,
    });
    let reason: unknown;
    // The client tells the reason as an event and rejects with "Connection is closed."; without a listener it prints.
    redis.on('error', (error: unknown) => (reason = error));
    const connection = new ControlConnection(endpoint, redis);
    const abort = (): void => {
      redis.disconnect();
    };
    limits.signal?.addEventListener('abort', abort);
    redis.once('end', () => limits.signal?.removeEventListener('abort', abort));
    try {
      limits.signal?.throwIfAborted();
      await redis.connect();
      const credentials = credentialsOf(endpoint);
      if (credentials !== undefined) await connection.call('AUTH', ...credentials);
      return connection;
    } catch (error) {
      redis.disconnect();
      throw unreachable(error instanceof AfterwriteError ? error : (reason ?? error), endpoint);
    }
  }

  /** Whether commands can be sent. */
  get isOpen(): boolean {
    return this.#redis.status === 'ready';
  }

  /**
   * Runs one command.
   * @throws AfterwriteError REDIS_NO_PERMISSION (also for a command that the server lacks), REDIS_AUTH, REDIS_LOADING,
   *   REDIS_REFUSED, REDIS_LINK_LOST
   */
  async call(...command: Command): Promise<unknown> {
    const [name, ...args] = command;
    try {
      return await this.#redis.callBuffer(name, ...args);
    } catch (error) {
      throw this.#explain(error, name);
    }
  }

  /**
   * Runs the commands in MULTI and EXEC, and gives EXEC's replies, one a command. Nothing of this connection comes
   * between them.
   * @throws AfterwriteError as `call`; the first refusal of MULTI, of a queued command or of EXEC counts
   */
  async transaction(commands: readonly Command[]): Promise<readonly unknown[]> {
    const sent = [this.call('MULTI'), ...commands.map((command) => this.call(...command)), this.call('EXEC')];
    const settled = await Promise.allSettled(sent);
    for (const one of settled) if (one.status === 'rejected') throw one.reason;
    const last = settled.at(-1);
    const replies: unknown = last?.status === 'fulfilled' ? last.value : undefined;
    if (!Array.isArray(replies)) throw this.#explain(new Error('EXEC gave no list of replies'), 'EXEC');
    return replies.map((reply: unknown, index) => {
      if (reply instanceof Error) throw this.#explain(reply, commands[index]?.[0] ?? 'EXEC');
      return reply;
    });
  }

  close(): void {
    this.#redis.disconnect();
  }

  #explain(error: unknown, name: string): AfterwriteError {
    if (error instanceof Error && error.name === 'ReplyError') {
      return refused(error.message, name.toUpperCase(), this.endpoint, 'REDIS_NO_PERMISSION');
    }
    // After a time-out the next reply would belong to the wrong command.
    this.close();
    const what = `${name.toUpperCase()} was not answered`;
    return new AfterwriteError('REDIS_LINK_LOST', what, { where: { redis: addressOf(this.endpoint) }, cause: error });
  }
}
