import { Client } from './client.ts';
import type { RedisEndpoint } from './endpoint.ts';

const timeoutMs = 10_000;

/**
 * A connection that listens to channels. Like a control connection it never reconnects behind its user's back: what was
 * told meanwhile is lost, and its user has to know.
 */
export class Subscription {
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  /**
   * Connects, authenticates and subscribes to all channels that match a pattern, or one of several: a channel that
   * matches several of them is heard once for each.
   * @throws AfterwriteError REDIS_UNREACHABLE, REDIS_TLS, REDIS_AUTH, REDIS_LOADING, REDIS_NO_PERMISSION, REDIS_REFUSED
   */
  static async open(
    endpoint: RedisEndpoint,
    patterns: string | readonly string[],
    onMessage: (channel: Buffer, message: Buffer) => void,
    signal: AbortSignal,
  ): Promise<Subscription> {
    const client = await Client.open(endpoint, { connectTimeoutMs: timeoutMs, commandTimeoutMs: timeoutMs, signal });
    client.redis.on('pmessageBuffer', (_pattern: string, channel: Buffer, message: Buffer) => {
      onMessage(channel, message);
    });
    try {
      await client.answer('PSUBSCRIBE', client.redis.psubscribe(...[patterns].flat()));
      return new Subscription(client);
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** Whether nothing that was told can have been missed since it was opened. */
  get isOpen(): boolean {
    return this.#client.isOpen;
  }

  /** Waits until everything has been handed out that the server had to tell before this call. */
  async flushed(): Promise<void> {
    await this.#client.answer('PING', this.#client.redis.ping());
  }

  close(): void {
    this.#client.close();
  }
}
