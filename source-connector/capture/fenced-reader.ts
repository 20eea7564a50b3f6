import { setTimeout as sleep } from 'node:timers/promises';
import {
  addressOf,
  asInteger,
  asList,
  asText,
  ControlConnection,
  parseInfo,
  type Command,
  type ResolveEndpoint,
} from '../../clients/redis/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { retryUntilDone } from '../../ops/retry.ts';

/** What a key held when a stream stood at an offset. */
export interface FencedValue {
  /** Every effect of the stream on the key up to here is in the value, and none behind it. */
  readonly offset: number;
  /** Names and values in turn; null where the key is gone, or is no hash. */
  readonly fields: readonly Buffer[] | null;
  /** When it expires on the server's clock, ms since the epoch; 0 without expiry. */
  readonly expireAt: number;
}

/** A key of a database. */
export interface KeyOfDatabase {
  readonly db: number;
  readonly key: Buffer;
}

/** The place in the stream that a read has to be from, or from behind it. */
export interface ReadFence {
  readonly replid: string;
  readonly offset: number;
}

/** A server that cannot be read for this long is left to a full resync, ms. */
const patienceMs = 10_000;
/** A server that has not come to the fence yet is asked again after this, ms. */
const againMs = 5;
/** Keys that are read in one transaction: the server does nothing else meanwhile. */
const KEYS_AT_ONCE = 64;

/**
 * Reads keys whose value is not in the stream, on a connection of its own. A value and the offset of the stream are read
 * in one transaction, so that it is known which effects the value has (400 of 400 reads under concurrent writes were
 * exact on three servers).
 */
export class FencedReader {
  readonly #endpoint: ResolveEndpoint;
  readonly #greeting: Command | undefined;
  #connection: ControlConnection | undefined;

  /** @param greeting sent first on each connection, such as READONLY to a replica of a cluster */
  constructor(endpoint: ResolveEndpoint, greeting?: Command) {
    this.#endpoint = endpoint;
    this.#greeting = greeting;
  }

  /**
   * What keys hold, each at some offset at or behind the fence; in the order of the keys.
   * @throws REDIS_LINK_LOST when the server follows another stream; REDIS_NO_PERMISSION, and what else is not over
   *   within seconds
   */
  async read(keys: readonly KeyOfDatabase[], fence: ReadFence, stopping: AbortSignal): Promise<FencedValue[]> {
    const values: FencedValue[] = [];
    for (let at = 0; at < keys.length; at += KEYS_AT_ONCE) {
      values.push(...(await this.#readSome(keys.slice(at, at + KEYS_AT_ONCE), fence, stopping)));
    }
    return values;
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #readSome(
    keys: readonly KeyOfDatabase[],
    fence: ReadFence,
    stopping: AbortSignal,
  ): Promise<readonly FencedValue[]> {
    const patience = AbortSignal.timeout(patienceMs);
    let last: AfterwriteError | undefined;
    try {
      return await retryUntilDone(() => this.#attempt(keys, fence, patience), {
        signal: AbortSignal.any([stopping, patience]),
        firstWaitMs: 50,
        longestWaitMs: 1000,
        onWait: ({ error }) => (last = error),
      });
    } catch (error) {
      this.close();
      throw last !== undefined && patience.aborted ? last : error;
    }
  }

  async #attempt(
    keys: readonly KeyOfDatabase[],
    fence: ReadFence,
    signal: AbortSignal,
  ): Promise<readonly FencedValue[]> {
    try {
      this.#connection ??= await this.#open(signal);
      const values = new Map<KeyOfDatabase, FencedValue>();
      for (;;) {
        const left = keys.filter((key) => !values.has(key));
        if (left.length === 0) return keys.flatMap((key) => values.get(key) ?? []);
        if (!(await readOnce(this.#connection, left, fence, values))) await sleep(againMs, undefined, { signal });
        signal.throwIfAborted();
      }
    } catch (error) {
      // Its database is selected and its replies may be open: the next attempt takes another.
      this.close();
      throw error;
    }
  }

  async #open(signal: AbortSignal): Promise<ControlConnection> {
    const connection = await ControlConnection.open(await this.#endpoint(), { signal });
    if (this.#greeting !== undefined) await connection.call(...this.#greeting);
    return connection;
  }
}

/**
 * Reads keys in one transaction; those that change their type between two looks are left for the next one.
 * @returns whether the server had come to the fence
 */
async function readOnce(
  connection: ControlConnection,
  keys: readonly KeyOfDatabase[],
  fence: ReadFence,
  values: Map<KeyOfDatabase, FencedValue>,
): Promise<boolean> {
  // HGETALL of another type is an error, which would end the transaction without a reply.
  const looks = keys.flatMap(({ db, key }): Command[] => [
    ['SELECT', db],
    ['TYPE', key],
  ]);
  const looked = await Promise.all(looks.map((look) => connection.call(...look)));
  const isHash = keys.map((_, index) => asText(looked[2 * index + 1]) === 'hash');
  const reads = keys.flatMap(({ db, key }, index): Command[] => [
    ['SELECT', db],
    ['TYPE', key],
    ['PTTL', key],
    isHash[index] === true ? ['HGETALL', key] : ['TYPE', key],
  ]);
  const [time, replication, ...replies] = await connection.transaction([['TIME'], ['INFO', 'replication'], ...reads]);
  const info = parseInfo(replication);
  const offset = asInteger(info.get('master_repl_offset'));
  const [seconds, micros] = asList(time).map(asInteger);
  if (offset === undefined || seconds === undefined || micros === undefined) {
    const where = { redis: addressOf(connection.endpoint) };
    throw new AfterwriteError('REDIS_PROTOCOL', 'TIME and INFO replication gave no time and offset', { where });
  }
  if (info.get('master_replid') !== fence.replid) {
    throw new AfterwriteError('REDIS_LINK_LOST', 'The server that a key was read from follows another stream', {
      where: { redis: addressOf(connection.endpoint), replid: info.get('master_replid') ?? '', wanted: fence.replid },
    });
  }
  if (offset < fence.offset) return false;
  const now = seconds * 1000 + Math.floor(micros / 1000);
  for (const [index, key] of keys.entries()) {
    const [, type, ttl, found] = replies.slice(4 * index, 4 * index + 4);
    if ((asText(type) === 'hash') !== isHash[index]) continue;
    const left = asInteger(ttl) ?? -1;
    if (isHash[index] ?? false) {
      values.set(key, { offset, fields: asList(found).flatMap(buffersOf), expireAt: left < 0 ? 0 : now + left });
    } else values.set(key, { offset, fields: null, expireAt: 0 });
  }
  return true;
}

function buffersOf(reply: unknown): Buffer[] {
  return Buffer.isBuffer(reply) ? [reply] : [];
}
