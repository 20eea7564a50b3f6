import {
  addressOf,
  asInteger,
  asList,
  asText,
  ControlConnection,
  escapeGlob,
  ifPermitted,
  parseInfo,
  roleOf,
  scanHashes,
  settingOf,
  Subscription,
  type ResolveEndpoint,
  type ScanPage,
} from '../../clients/redis/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import type { DirtyKeys } from './dirty-keys.ts';
import type { KeyHistory } from './key-history.ts';

/** The keys of one database that begin with a text. */
export interface WatchedPrefix {
  readonly db: number;
  readonly prefix: string;
}

/** What a key held at one moment. */
export type KeyReading =
  /** Names and values in turn; `expireAt` in ms since the epoch on the server's clock, 0 without expiry. */
  | { readonly holds: 'hash'; readonly fields: readonly Buffer[]; readonly expireAt: number }
  | { readonly holds: 'other' | 'nothing' }
  /** It changed while it was read. */
  | { readonly holds: 'unsure' };

/** What keys held, each at one moment, and a moment on the server's clock (ms) before all of these. */
export interface KeyReadings {
  readonly now: number;
  readonly readings: readonly KeyReading[];
}

/** How often the server has run commands that remove keys without a word, since its counters were set to 0. */
export interface SilentCommands {
  /** FLUSHDB and FLUSHALL. */
  readonly flushes: number;
  readonly swaps: number;
}

export interface KeyspaceOptions {
  readonly endpoint: ResolveEndpoint;
  readonly prefixes: readonly WatchedPrefix[];
  /** Where events are noted. */
  readonly dirty: DirtyKeys;
  /** Called for each event; `first`: the key was not waiting before. */
  readonly onEvent: (first: boolean) => void;
  readonly signal: AbortSignal;
}

/** Keyspace events without which changes or removals of hashes are not told, and without which overwrites are not. */
const needed = ['K', 'g', 'h', 'x', 'e'];
const wished = ['$', 'l', 's', 'z'];

/**
 * A server that is followed by its keyspace events: one connection hears which keys change, others read them. The events
 * come before any read of the keys that is begun later is answered, if they are waited for (`readKeys` does), since the
 * server sends them with the command that causes them. Nothing is reconnected: what is told between two sessions is lost.
 */
export class KeyspaceSession {
  readonly #options: KeyspaceOptions;
  readonly #subscription: Subscription;
  readonly #control: ControlConnection;
  /** By database. */
  readonly #readers = new Map<number, ControlConnection>();
  /** Whether the server tells when a key expires as a moment (Redis 7.0), and not only as a time that is left. */
  readonly #tellsMoments: boolean;
  /** Whether events are those of a replica: it tells of expiries and evictions as deletes. */
  readonly isReplica: boolean;
  #brokenBy: AfterwriteError | undefined;

  private constructor(
    options: KeyspaceOptions,
    subscription: Subscription,
    control: ControlConnection,
    facts: { readonly tellsMoments: boolean; readonly isReplica: boolean },
  ) {
    this.#options = options;
    this.#subscription = subscription;
    this.#control = control;
    this.#tellsMoments = facts.tellsMoments;
    this.isReplica = facts.isReplica;
  }

  /**
   * Subscribes, and then connects for reading.
   * @throws AfterwriteError NOTIFICATIONS_OFF, and as ControlConnection.open and Subscription.open
   */
  static async open(options: KeyspaceOptions): Promise<KeyspaceSession> {
    const { endpoint: resolve, prefixes, dirty, onEvent, signal } = options;
    const endpoint = await resolve();
    const control = await ControlConnection.open(endpoint, { signal });
    let subscription: Subscription | undefined;
    try {
      const missing = await missingFlags(control);
      if (missing !== undefined && needed.some((flag) => missing.includes(flag))) throw switchedOff(control, missing);
      const first = prefixes[0];
      const tellsMoments =
        first === undefined || (await ifPermitted(control.call('PEXPIRETIME', first.prefix))) != null;
      const isReplica = (await ifPermitted(roleOf(control)))?.kind === 'replica';
      subscription = await Subscription.open(
        endpoint,
        patternsOf(prefixes),
        (channel, message) => {
          const place = placeOf(channel);
          if (place !== undefined) onEvent(dirty.told(place.db, place.key, asText(message) ?? '', performance.now()));
        },
        signal,
      );
      return new KeyspaceSession(options, subscription, control, { tellsMoments, isReplica });
    } catch (error) {
      control.close();
      subscription?.close();
      throw error;
    }
  }

  /** Whether everything that the server told since `open` was heard. */
  get isOpen(): boolean {
    return this.#brokenBy === undefined && this.#subscription.isOpen;
  }

  /** What ended the session; undefined while it lives, or when nobody has noticed yet why it ended. */
  get brokenBy(): AfterwriteError | undefined {
    return this.#brokenBy;
  }

  /**
   * Reads keys, each at one moment, and waits until everything has been heard that the server told before it answered.
   * @throws AfterwriteError which then is `brokenBy`
   */
  async readKeys(keys: readonly KeyHistory[]): Promise<KeyReadings> {
    return await this.#guard(async () => {
      const now = await this.#time();
      const reads: Promise<KeyReading>[] = [];
      const readers = new Map<number, ControlConnection>();
      for (const { db } of keys) if (!readers.has(db)) readers.set(db, await this.#reader(db));
      for (const { db, key } of keys) reads.push(this.#readKey(readers.get(db) ?? this.#control, key));
      const readings = await allOf(reads);
      await this.#subscription.flushed();
      return { now, readings };
    });
  }

  /** The next page of the hashes of a database. @throws AfterwriteError which then is `brokenBy` */
  async scan({ db, prefix }: WatchedPrefix, cursor: string, count: number): Promise<ScanPage> {
    return await this.#guard(async () => await scanHashes(await this.#reader(db), cursor, prefix, count));
  }

  /** Undefined where INFO is not permitted. @throws AfterwriteError which then is `brokenBy` */
  async silentCommands(): Promise<SilentCommands | undefined> {
    return await this.#guard(async () => {
      const info = await ifPermitted(this.#control.call('INFO', 'commandstats'));
      if (info === undefined) return undefined;
      const lines = parseInfo(info);
      const calls = (name: string): number => Number(/^calls=(\d+)/.exec(lines.get(`cmdstat_${name}`) ?? '')?.[1] ?? 0);
      return { flushes: calls('flushall') + calls('flushdb'), swaps: calls('swapdb') };
    });
  }

  /**
   * Hears whether both connections, and the server, still are what they were. A master that was demoted drops its data for
   * another's and tells of no key, and Sentinels name another server by then; a replica that was promoted tells of causes
   * that it did not tell before. @throws AfterwriteError which then is `brokenBy`
   */
  async probe(): Promise<void> {
    await this.#guard(async () => {
      await this.#subscription.flushed();
      const role = await ifPermitted(roleOf(this.#control));
      if (role === undefined || (role.kind === 'replica') === this.isReplica) return;
      const where = { redis: addressOf(this.#control.endpoint) };
      const [was, is] = this.isReplica ? ['replica', 'master'] : ['master', 'replica'];
      throw new AfterwriteError('REDIS_LINK_LOST', `the server was a ${was} and is a ${is} now`, { where });
    });
  }

  /**
   * Flags of notify-keyspace-events that this needs and the server has not; undefined where CONFIG is not permitted.
   * @throws AfterwriteError which then is `brokenBy`
   */
  async missingFlags(): Promise<string | undefined> {
    return await this.#guard(async () => await missingFlags(this.#control));
  }

  close(): void {
    this.#subscription.close();
    this.#control.close();
    for (const reader of this.#readers.values()) reader.close();
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      // Its replies may be open.
      this.close();
      if (error instanceof AfterwriteError) this.#brokenBy ??= error;
      throw error;
    }
  }

  async #time(): Promise<number> {
    const moment = momentOf(await this.#control.call('TIME'));
    if (moment !== undefined) return moment;
    const where = { redis: addressOf(this.#control.endpoint) };
    throw new AfterwriteError('REDIS_PROTOCOL', 'TIME was answered without a time', { where });
  }

  /** A connection that has selected the database. */
  async #reader(db: number): Promise<ControlConnection> {
    const known = this.#readers.get(db);
    if (known !== undefined) return known;
    if (db === 0) {
      this.#readers.set(db, this.#control);
      return this.#control;
    }
    const reader = await ControlConnection.open(this.#control.endpoint, { signal: this.#options.signal });
    try {
      await reader.call('SELECT', db);
    } catch (error) {
      reader.close();
      throw error;
    }
    this.#readers.set(db, reader);
    return reader;
  }

  /**
   * Not in MULTI: a server that is out of memory refuses that, and goes on to remove keys. So the expiry is asked for twice,
   * and the fields belong to it when it has not changed meanwhile.
   */
  async #readKey(reader: ControlConnection, key: Buffer): Promise<KeyReading> {
    const expiry = (): Promise<number> => (this.#tellsMoments ? momentLeft(reader, key) : timeLeft(reader, key));
    const [before, fields, after] = await allOf<number | readonly Buffer[] | undefined>([
      expiry(),
      hashOf(reader, key),
      expiry(),
    ]);
    if (typeof fields !== 'object') return { holds: 'other' };
    if (fields.length === 0) return { holds: 'nothing' };
    if (typeof before !== 'number' || typeof after !== 'number' || !isSame(before, after, this.expiryPrecisionMs)) {
      return { holds: 'unsure' };
    }
    return { holds: 'hash', fields, expireAt: before };
  }

  /** How exactly the moment of an expiry is known, ms. */
  get expiryPrecisionMs(): number {
    return this.#tellsMoments ? 0 : 100;
  }
}

function isSame(a: number, b: number, precision: number): boolean {
  return Math.abs(a - b) <= precision && (a === 0) === (b === 0);
}

/** When a key expires, ms since the epoch; 0 without expiry, and without the key. */
async function momentLeft(reader: ControlConnection, key: Buffer): Promise<number> {
  return Math.max(0, asInteger(await reader.call('PEXPIRETIME', key)) ?? 0);
}

/** As `momentLeft`, for servers before Redis 7.0, about. */
async function timeLeft(reader: ControlConnection, key: Buffer): Promise<number> {
  const [time, left] = await allOf([reader.call('TIME'), reader.call('PTTL', key)]);
  const ms = asInteger(left) ?? -1;
  return ms < 0 ? 0 : (momentOf(time) ?? 0) + ms;
}

/** Names and values in turn, none without the key; undefined where the key has another type. */
async function hashOf(reader: ControlConnection, key: Buffer): Promise<readonly Buffer[] | undefined> {
  try {
    return asList(await reader.call('HGETALL', key)).flatMap((one) => (Buffer.isBuffer(one) ? [one] : []));
  } catch (error) {
    if (error instanceof AfterwriteError && error.what.includes('"WRONGTYPE ')) return undefined;
    throw error;
  }
}

/** All values in order. All settle first: a rejection that nobody waits for would end the process. */
async function allOf<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}

/** What TIME says, ms since the epoch. */
function momentOf(reply: unknown): number | undefined {
  const [seconds, micros] = asList(reply).map(asInteger);
  return seconds === undefined || micros === undefined ? undefined : seconds * 1000 + Math.floor(micros / 1000);
}

/** One pattern for each prefix that no other one covers. */
function patternsOf(prefixes: readonly WatchedPrefix[]): string[] {
  const covered = ({ db, prefix }: WatchedPrefix): boolean =>
    prefixes.some((other) => other.db === db && other.prefix !== prefix && prefix.startsWith(other.prefix));
  const patterns = prefixes
    .filter((one) => !covered(one))
    .map(({ db, prefix }) => `__keyspace@${db}__:${escapeGlob(prefix)}*`);
  return [...new Set(patterns)];
}

const CHANNEL = /^__keyspace@(\d+)__:/;
/** `__keyspace@`, a number of at most ten digits, `__:`. */
const CHANNEL_HEAD = 24;

/** The key in `__keyspace@<db>__:<key>`. */
function placeOf(channel: Buffer): { db: number; key: Buffer } | undefined {
  const [head, db] = CHANNEL.exec(channel.toString('latin1', 0, CHANNEL_HEAD)) ?? [];
  if (head === undefined) return undefined;
  return { db: Number(db), key: channel.subarray(head.length) };
}

async function missingFlags(control: ControlConnection): Promise<string | undefined> {
  const flags = await settingOf(control, 'notify-keyspace-events');
  if (flags === undefined) return undefined;
  const has = (flag: string): boolean => flags.includes(flag) || (flag !== 'K' && flags.includes('A'));
  return [...needed, ...wished].filter((flag) => !has(flag)).join('');
}

function switchedOff(control: ControlConnection, missing: string): AfterwriteError {
  const what = `notify-keyspace-events of the server lacks ${missing}`;
  return new AfterwriteError('NOTIFICATIONS_OFF', what, { where: { redis: addressOf(control.endpoint) } });
}
