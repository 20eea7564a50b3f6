import { Redis } from 'ioredis';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { addressOf, credentialsOf, type RedisEndpoint } from './endpoint.ts';
import { refused, tlsRefusal, unreachable } from './refusal.ts';
import { securedBy } from './secured.ts';

export interface ClientLimits {
  /** Milliseconds for the connection and its TLS handshake. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds that the server may let pass without any answer while commands wait for one. */
  readonly commandTimeoutMs?: number;
  /** Ends the attempt to connect, and later the connection. */
  readonly signal?: AbortSignal;
}

/** How often it is looked whether the server answers, within its time. */
const LOOKS = 4;

/** One connection of ioredis that never reconnects, and whose errors are ours. */
export class Client {
  readonly endpoint: RedisEndpoint;
  readonly redis: Redis;
  /** What ended the connection. The client tells it as an event, and rejects with "Connection is closed.". */
  #reason: unknown;
  #answered = false;
  readonly #patienceMs: number;
  #unanswered = 0;
  /** Looks at commands that wait, one after the other, between which no answer came. */
  #silentLooks = 0;
  #watch: NodeJS.Timeout | undefined;
  #isGathering = false;
  #isClosed = false;

  private constructor(endpoint: RedisEndpoint, redis: Redis, patienceMs: number) {
    this.endpoint = endpoint;
    this.redis = redis;
    this.#patienceMs = patienceMs;
    // Without a listener it prints.
    redis.on('error', (error: unknown) => (this.#reason = error));
  }

  /**
   * Connects and authenticates.
   * @throws AfterwriteError REDIS_UNREACHABLE, REDIS_TLS, REDIS_AUTH, REDIS_LOADING
   */
  static async open(endpoint: RedisEndpoint, limits: ClientLimits): Promise<Client> {
    const tls = securedBy(endpoint);
    const redis = new Redis({
      host: endpoint.host,
      port: endpoint.port,
      ...(tls !== undefined && { tls }),
      connectTimeout: limits.connectTimeoutMs ?? 10_000,
      lazyConnect: true,
      enableOfflineQueue: false,
      // The ready check needs INFO, and CLIENT SETINFO its own permission; this connection asks for what it is told to.
      enableReadyCheck: false,
      disableClientInfo: true,
      retryStrategy: null,
      maxRetriesPerRequest: 0,
    });
    const client = new Client(endpoint, redis, limits.commandTimeoutMs ?? 10_000);
    const abort = (): void => {
      redis.disconnect();
    };
    limits.signal?.addEventListener('abort', abort);
    redis.once('end', () => limits.signal?.removeEventListener('abort', abort));
    try {
      limits.signal?.throwIfAborted();
      await redis.connect();
      const credentials = credentialsOf(endpoint);
      if (credentials !== undefined) await client.answer('AUTH', redis.call('AUTH', ...credentials));
      return client;
    } catch (error) {
      redis.disconnect();
      throw unreachable(error instanceof AfterwriteError ? error : (client.#reason ?? error), endpoint);
    }
  }

  /** Whether commands can be sent. */
  get isOpen(): boolean {
    return this.redis.status === 'ready';
  }

  /** Sends a command; those of one turn go to the socket together. @throws as `explain` */
  async send(name: string, args: readonly (string | Buffer | number)[]): Promise<unknown> {
    this.#gather();
    return await this.answer(name, this.redis.callBuffer(name, ...args));
  }

  /** A command's reply. @throws as `explain` */
  async answer<T>(name: string, reply: Promise<T>): Promise<T> {
    this.#expect();
    try {
      const answer = await reply;
      this.#heard();
      this.#answered = true;
      return answer;
    } catch (error) {
      this.#heard();
      throw this.explain(error, name);
    }
  }

  /**
   * REDIS_NO_PERMISSION (also for a command that the server lacks), REDIS_AUTH, REDIS_LOADING or REDIS_REFUSED for a
   * refusal; otherwise the connection is over: REDIS_LINK_LOST, or REDIS_TLS where the server never took it.
   */
  explain(error: unknown, name: string): AfterwriteError {
    if (error instanceof Error && error.name === 'ReplyError') {
      this.#answered = true;
      return refused(error.message, name.toUpperCase(), this.endpoint, 'REDIS_NO_PERMISSION');
    }
    // After a time-out the next reply would belong to the wrong command.
    this.close();
    const refusal = this.#answered ? undefined : tlsRefusal(this.#reason, this.endpoint);
    const what = `${name.toUpperCase()} was not answered`;
    const where = { redis: addressOf(this.endpoint) };
    return refusal ?? new AfterwriteError('REDIS_LINK_LOST', what, { where, cause: this.#reason ?? error });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.redis.disconnect();
  }

  #gather(): void {
    if (this.#isGathering || !this.isOpen) return;
    this.#isGathering = true;
    const { stream } = this.redis;
    stream.cork();
    process.nextTick(() => {
      this.#isGathering = false;
      stream.uncork();
    });
  }

  #expect(): void {
    if (this.#unanswered++ > 0) return;
    this.#silentLooks = 0;
    this.#watch ??= setInterval(() => {
      this.#look();
    }, this.#patienceMs / LOOKS).unref();
  }

  #heard(): void {
    this.#unanswered--;
    this.#silentLooks = 0;
  }

  /**
   * Each answer gives the next one the whole time, however many commands wait behind one another. Looks are counted instead of
   * time: a process that had no turn for long has not listened, either.
   */
  #look(): void {
    if (this.#unanswered === 0) {
      clearInterval(this.#watch);
      this.#watch = undefined;
    } else if (++this.#silentLooks > LOOKS) {
      this.#reason ??= new Error(`no answer for ${this.#patienceMs} ms`);
      // The client alone would wait for the server to close its end.
      this.redis.stream.destroy();
    }
  }
}
