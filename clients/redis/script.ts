import { createHash } from 'node:crypto';
import { AfterwriteError } from '../../ops/errors/index.ts';
import type { ControlConnection } from './control.ts';

/** A Lua script. A server that has it already is only told its digest. */
export class Script {
  readonly #text: string;
  readonly #digest: string;

  constructor(text: string) {
    this.#text = text;
    this.#digest = createHash('sha1').update(text).digest('hex');
  }

  /**
   * Runs it. Several may be sent before the first is answered: the server runs them one after the other.
   * @throws AfterwriteError as ControlConnection.call
   */
  async run(
    connection: ControlConnection,
    keys: readonly Buffer[],
    args: readonly (string | Buffer | number)[],
  ): Promise<unknown> {
    const rest = [keys.length, ...keys, ...args];
    try {
      return await connection.call('EVALSHA', this.#digest, ...rest);
    } catch (error) {
      if (!(error instanceof AfterwriteError) || !error.what.includes('NOSCRIPT')) throw error;
      return await connection.call('EVAL', this.#text, ...rest);
    }
  }
}
