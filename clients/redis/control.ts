import type { AfterwriteError } from '../../ops/errors/index.ts';
import { Client, type ClientLimits } from './client.ts';
import type { RedisEndpoint } from './endpoint.ts';

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
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  /**
   * Connects and authenticates.
   * @throws AfterwriteError REDIS_UNREACHABLE, REDIS_TLS, REDIS_AUTH, REDIS_LOADING
   */
  static async open(endpoint: RedisEndpoint, limits: ClientLimits = {}): Promise<ControlConnection> {
    return new ControlConnection(await Client.open(endpoint, limits));
  }

  get endpoint(): RedisEndpoint {
    return this.#client.endpoint;
  }

  /** Whether commands can be sent. */
  get isOpen(): boolean {
    return this.#client.isOpen;
  }

  /**
   * Runs one command.
   * @throws AfterwriteError REDIS_NO_PERMISSION (also for a command that the server lacks), REDIS_AUTH, REDIS_LOADING,
   *   REDIS_REFUSED, REDIS_LINK_LOST, REDIS_TLS
   */
  async call(...command: Command): Promise<unknown> {
    const [name, ...args] = command;
    return await this.#client.send(name, args);
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
    this.#client.close();
  }

  #explain(error: Error, name: string): AfterwriteError {
    return this.#client.explain(error, name);
  }
}
