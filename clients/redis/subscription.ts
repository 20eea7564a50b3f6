import { Redis } from 'ioredis';
import { addressOf, credentialsOf, type RedisEndpoint } from './endpoint.ts';
import { refused, unreachable } from './refusal.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';

const connectTimeoutMs = 10_000;

/**
 * A connection that listens to channels. Like a control connection it never reconnects behind its user's back: what was
 * told meanwhile is lost, and its user has to know.
 */
export class Subscription {
  readonly #endpoint: RedisEndpoint;
  readonly #redis: Redis;

  private constructor(endpoint: RedisEndpoint, redis: Redis) {
    this.#endpoint = endpoint;
    this.#redis = redis;
  }

  /**
   * Connects, authenticates and subscribes to all channels that match the pattern.
   * @throws AfterwriteError REDIS_UNREACHABLE, REDIS_TLS, REDIS_AUTH, REDIS_LOADING, REDIS_NO_PERMISSION, REDIS_REFUSED
   */
  static async open(
    endpoint: RedisEndpoint,
    pattern: string,
    onMessage: (channel: Buffer, message: Buffer) => void,
    signal: AbortSignal,
  ): Promise<Subscription> {
    const redis = new Redis({
      host: endpoint.host,
      port: endpoint.port,
      ...(endpoint.tls === undefined ? {} : { tls: { ...endpoint.tls } }),
      connectTimeout: connectTimeoutMs,
      commandTimeout: connectTimeoutMs,
      lazyConnect: true,
      enableOfflineQueue: false,
      enableReadyCheck: false,
      disableClientInfo: true,
      retryStrategy: null,
      maxRetriesPerRequest: 0,
    });
    let reason: unknown;
    redis.on('error', (error: unknown) => (reason = error));
    redis.on('pmessageBuffer', (_pattern: string, channel: Buffer, message: Buffer) => {
      onMessage(channel, message);
    });
    const subscription = new Subscription(endpoint, redis);
    const abort = (): void => {
      redis.disconnect();
    };
    signal.addEventListener('abort', abort);
    redis.once('end', () => {
      signal.removeEventListener('abort', abort);
    });
    try {
      signal.throwIfAborted();
      await redis.connect();
      const credentials = credentialsOf(endpoint);
      if (credentials !== undefined) await subscription.#run('AUTH', redis.call('AUTH', ...credentials));
      await subscription.#run('PSUBSCRIBE', redis.psubscribe(pattern));
      return subscription;
    } catch (error) {
      redis.disconnect();
      throw unreachable(error instanceof AfterwriteError ? error : (reason ?? error), endpoint);
    }
  }

  /** Whether nothing that was told can have been missed since it was opened. */
  get isOpen(): boolean {
    return this.#redis.status === 'ready';
  }

  /** Waits until everything has been handed out that the server had to tell before this call. */
  async flushed(): Promise<void> {
    await this.#run('PING', this.#redis.ping());
  }

  close(): void {
    this.#redis.disconnect();
  }

  async #run(name: string, reply: Promise<unknown>): Promise<void> {
    try {
      await reply;
    } catch (error) {
      if (error instanceof Error && error.name === 'ReplyError') {
        throw refused(error.message, name, this.#endpoint, 'REDIS_NO_PERMISSION');
      }
      this.close();
      const where = { redis: addressOf(this.#endpoint) };
      throw new AfterwriteError('REDIS_LINK_LOST', `${name} was not answered`, { where, cause: error });
    }
  }
}
