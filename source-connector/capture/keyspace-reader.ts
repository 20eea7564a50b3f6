import {
  addressOf,
  asInteger,
  asList,
  asText,
  ControlConnection,
  parseInfo,
  scanHashes,
  type Command,
  type ResolveEndpoint,
  type ScanPage,
} from '../../clients/redis/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import type { FencedValue } from './fenced-reader.ts';

/** What some keys held when the stream stood at an offset. */
export interface KeyPage {
  /** Every effect of the stream on the keys up to here is in the values, and none behind it. */
  readonly offset: number;
  readonly values: readonly (Omit<FencedValue, 'offset'> & { readonly key: Buffer })[];
  /** Bytes of names and values. */
  readonly bytes: number;
}

/** How many keys of a database, of any name, the server looks at for one answer. */
const COUNT = 1000;

/**
 * Goes over a server's keys beside the stream, on a connection of its own. Values are read with the offset of the stream
 * in one transaction, as capture/fenced-reader.ts does it for one key. An error ends the connection; the next call opens
 * another.
 */
export class KeyspaceReader {
  readonly #endpoint: ResolveEndpoint;
  #connection: ControlConnection | undefined;
  #run = '';

  constructor(endpoint: ResolveEndpoint) {
    this.#endpoint = endpoint;
  }

  /**
   * Connects where there is no connection. @returns the server's run id: the cursors of SCAN mean something in this run only
   * @throws AfterwriteError REDIS_UNREACHABLE, REDIS_AUTH, REDIS_NO_PERMISSION …
   */
  async open(signal: AbortSignal): Promise<string> {
    if (this.#connection?.isOpen !== true) {
      this.close();
      this.#connection = await ControlConnection.open(await this.#endpoint(), { signal });
      this.#run = parseInfo(await this.#with((connection) => connection.call('INFO', 'server'))).get('run_id') ?? '';
    }
    return this.#run;
  }

  /** Databases that hold keys, ascending. */
  async databases(): Promise<number[]> {
    const info = parseInfo(await this.#with((connection) => connection.call('INFO', 'keyspace')));
    const numbers = [...info.keys()].filter((name) => /^db\d+$/.test(name)).map((name) => Number(name.slice(2)));
    return numbers.sort((a, b) => a - b);
  }

  /** The next hashes whose keys begin with the prefix. */
  async scan(db: number, cursor: string, prefix: Buffer): Promise<ScanPage> {
    return await this.#with(async (connection) => {
      await connection.call('SELECT', db);
      return await scanHashes(connection, cursor, prefix.toString(), COUNT);
    });
  }

  /** What these keys hold. @throws REDIS_LINK_LOST when the server follows another stream */
  async read(db: number, keys: readonly Buffer[], replid: string): Promise<KeyPage> {
    return await this.#with(async (connection) => {
      await connection.call('SELECT', db);
      for (;;) {
        const page = await readOnce(connection, keys, replid);
        if (page !== undefined) return page;
      }
    });
  }

  /** Where the stream is. @throws REDIS_LINK_LOST when the server follows another one */
  async offset(replid: string): Promise<number> {
    return await this.#with(async (connection) =>
      offsetOf(connection, await connection.call('INFO', 'replication'), replid),
    );
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #with<T>(work: (connection: ControlConnection) => Promise<T>): Promise<T> {
    const connection = this.#connection;
    if (connection === undefined)
      throw new AfterwriteError('REDIS_LINK_LOST', 'The connection for reading keys is gone');
    try {
      return await work(connection);
    } catch (error) {
      this.close();
      throw error;
    }
  }
}

/** @returns undefined when a key has changed its type between two looks */
async function readOnce(
  connection: ControlConnection,
  keys: readonly Buffer[],
  replid: string,
): Promise<KeyPage | undefined> {
  // HGETALL of another type is an error, which would end the transaction without replies.
  const types = await Promise.all(keys.map((key) => connection.call('TYPE', key)));
  const isHash = types.map((type) => asText(type) === 'hash');
  const reads = keys.flatMap((key, index): Command[] => [
    ['TYPE', key],
    ['PTTL', key],
    ...(isHash[index] === true ? [['HGETALL', key] as const] : []),
  ]);
  const [time, replication, ...replies] = await connection.transaction([['TIME'], ['INFO', 'replication'], ...reads]);
  const offset = offsetOf(connection, replication, replid);
  const [seconds = 0, micros = 0] = asList(time).map(asInteger);
  const now = seconds * 1000 + Math.floor(micros / 1000);
  const values: KeyPage['values'][number][] = [];
  let bytes = 0;
  let at = 0;
  for (const [index, key] of keys.entries()) {
    const type = asText(replies[at++]);
    const left = asInteger(replies[at++]) ?? -1;
    if ((type === 'hash') !== isHash[index]) return undefined;
    if (type !== 'hash') {
      values.push({ key, fields: null, expireAt: 0 });
      continue;
    }
    const fields = asList(replies[at++]).flatMap((reply) => (Buffer.isBuffer(reply) ? [reply] : []));
    for (const field of fields) bytes += field.length;
    values.push({ key, fields, expireAt: left < 0 ? 0 : now + left });
  }
  return { offset, values, bytes };
}

/** @throws REDIS_LINK_LOST when INFO tells of another stream; REDIS_PROTOCOL when it tells of none */
function offsetOf(connection: ControlConnection, replication: unknown, replid: string): number {
  const info = parseInfo(replication);
  const where = { redis: addressOf(connection.endpoint) };
  const found = info.get('master_replid') ?? '';
  if (found !== replid) {
    throw new AfterwriteError('REDIS_LINK_LOST', 'The server that keys are read from follows another stream', {
      where: { ...where, replid: found, wanted: replid },
    });
  }
  const offset = asInteger(info.get('master_repl_offset'));
  if (offset === undefined) throw new AfterwriteError('REDIS_PROTOCOL', 'INFO replication gave no offset', { where });
  return offset;
}
