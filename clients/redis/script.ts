import { createHash } from 'node:crypto';
import { AfterwriteError } from '../../ops/errors/index.ts';
import type { Command, ControlConnection } from './control.ts';
import type { Masters } from './masters.ts';

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
  async run(connection: ControlConnection, keys: readonly Buffer[], args: Arguments): Promise<unknown> {
    return await this.#run((...command) => connection.call(...command), keys, args);
  }

  /**
   * Runs it at the master of its first key; while the slot of that key is being moved, where the key has gone.
   * @throws AfterwriteError as `run` and Masters.of
   */
  async runAt(masters: Masters, keys: readonly [Buffer, ...Buffer[]], args: Arguments): Promise<unknown> {
    try {
      return await this.run(await masters.of(keys[0]), keys, args);
    } catch (error) {
      const other = await masters.asked(error);
      if (other === undefined) throw error;
      const call = async (...command: Command): Promise<unknown> => {
        const [, reply] = await Promise.all([other.call('ASKING'), other.call(...command)]);
        return reply;
      };
      return await this.#run(call, keys, args);
    }
  }

  async #run(
    call: (...command: Command) => Promise<unknown>,
    keys: readonly Buffer[],
    args: Arguments,
  ): Promise<unknown> {
    const rest = [keys.length, ...keys, ...args];
    try {
      return await call('EVALSHA', this.#digest, ...rest);
    } catch (error) {
      if (!(error instanceof AfterwriteError) || !error.what.includes('NOSCRIPT')) throw error;
      return await call('EVAL', this.#text, ...rest);
    }
  }
}

type Arguments = readonly (string | Buffer | number)[];
