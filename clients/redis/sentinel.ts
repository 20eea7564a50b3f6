import { AfterwriteError, reasonOf } from '../../ops/errors/index.ts';
import { ControlConnection } from './control.ts';
import { addressOf, type RedisEndpoint } from './endpoint.ts';
import { asInteger, asList, asText } from './reply.ts';
import { Subscription } from './subscription.ts';

/** A server's place in the network. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** A master and its replicas, as the Sentinels know them; that one of them can be reached is not said. */
export interface SentinelRoster {
  readonly master: ServerAddress;
  readonly replicas: readonly ServerAddress[];
}

export interface SentinelSettings {
  /** What the Sentinels call the master. */
  readonly name: string;
  readonly sentinels: readonly RedisEndpoint[];
}

/** What one Sentinel says. */
export interface SentinelWord extends SentinelRoster {
  /** Of two masters, the one with the higher epoch is the later one. */
  readonly epoch: number;
}

/** A Sentinel that does not answer within this is left out of the count, ms. */
const patienceMs = 1000;

/** What the Sentinels of one master say, over connections that are kept. */
export class Sentinels {
  readonly #settings: () => Promise<SentinelSettings>;
  readonly #connections = new Map<string, ControlConnection>();
  readonly #subscriptions = new Map<string, Subscription | 'opening' | undefined>();
  readonly #closed = new AbortController();

  /** @param settings asked for at each roster, so that secrets are read anew */
  constructor(settings: () => Promise<SentinelSettings>) {
    this.#settings = settings;
  }

  /**
   * Asks all Sentinels. The master that most of those name who answer is believed; among equals, the later one.
   * @throws AfterwriteError REDIS_NO_SENTINEL when none knows a master; what all of them refuse, when a person has to act
   */
  async roster(): Promise<SentinelRoster> {
    const { name, sentinels } = await this.#settings();
    const answers = await Promise.allSettled(sentinels.map((sentinel) => this.#ask(sentinel, name)));
    const words = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    const best = mostNamed(words);
    if (best !== undefined) return best;
    const reasons: unknown[] = [];
    for (const answer of answers) if (answer.status === 'rejected') reasons.push(answer.reason);
    const [first] = reasons;
    if (first instanceof AfterwriteError && reasons.every(needsPerson)) throw first;
    const said = reasons.map((reason) => (reason instanceof AfterwriteError ? reason.what : reasonOf(reason)));
    const asked = sentinels.map(addressOf).join(', ');
    throw new AfterwriteError('REDIS_NO_SENTINEL', [...new Set(said)].join('; '), { where: { name, asked } });
  }

  /** Has `onSwitch` called when a Sentinel tells of another master. Call it now and then: who could not be heard is tried again. */
  listen(onSwitch: () => void): void {
    void this.#hearAll(onSwitch);
  }

  close(): void {
    this.#closed.abort();
    for (const connection of this.#connections.values()) connection.close();
  }

  /** Never rejects: without their secrets, the Sentinels are not heard, and asked in vain. */
  async #hearAll(onSwitch: () => void): Promise<void> {
    const settings = await this.#settings().catch(() => undefined);
    await Promise.all((settings?.sentinels ?? []).map((sentinel) => this.#hear(sentinel, onSwitch)));
  }

  /** Never rejects: whoever cannot be heard is asked all the same. */
  async #hear(sentinel: RedisEndpoint, onSwitch: () => void): Promise<void> {
    const address = addressOf(sentinel);
    const known = this.#subscriptions.get(address);
    if (known === 'opening' || known?.isOpen === true) return;
    this.#subscriptions.set(address, 'opening');
    const opened = Subscription.open(sentinel, '+switch-master', onSwitch, this.#closed.signal);
    this.#subscriptions.set(address, await opened.catch(() => undefined));
  }

  async #ask(sentinel: RedisEndpoint, name: string): Promise<SentinelWord> {
    const address = addressOf(sentinel);
    try {
      const connection = await this.#connectionTo(sentinel);
      // The address alone changes as soon as a failover has promoted a replica, before its end.
      const [host, port] = asList(await connection.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)).map(asText);
      if (host === undefined || port === undefined) {
        const what = `no master is called ${name}`;
        throw new AfterwriteError('REDIS_NO_SENTINEL', what, { where: { sentinel: address } });
      }
      const master = { host, port: Number(port) };
      const facts = pairs(await connection.call('SENTINEL', 'MASTER', name));
      const replicas = asList(await connection.call('SENTINEL', 'REPLICAS', name))
        .map(pairs)
        .map(addressIn);
      const old = addressIn(facts);
      const all = isSame(old, master) ? replicas : [...replicas, old];
      // A replica that tells no port, as this program does, serves nobody.
      const serving = all.filter((one) => one.port > 0 && !isSame(one, master));
      return { master, replicas: serving, epoch: asInteger(facts.get('config-epoch')) ?? 0 };
    } catch (error) {
      this.#connections.get(address)?.close();
      this.#connections.delete(address);
      throw error;
    }
  }

  async #connectionTo(sentinel: RedisEndpoint): Promise<ControlConnection> {
    const address = addressOf(sentinel);
    const known = this.#connections.get(address);
    if (known?.isOpen === true) return known;
    const limits = { connectTimeoutMs: patienceMs, commandTimeoutMs: patienceMs, signal: this.#closed.signal };
    const connection = await ControlConnection.open(sentinel, limits);
    this.#connections.set(address, connection);
    return connection;
  }
}

/** The master that most name, among equals the later one, and its replicas; undefined where nobody says anything. */
export function mostNamed(words: readonly SentinelWord[]): SentinelRoster | undefined {
  const votes = (word: SentinelWord): number => words.filter(({ master }) => isSame(master, word.master)).length;
  const [best] = [...words].sort((a, b) => votes(b) - votes(a) || b.epoch - a.epoch);
  if (best === undefined) return undefined;
  const replicas: ServerAddress[] = [];
  for (const word of words.filter(({ master }) => isSame(master, best.master))) {
    for (const one of word.replicas) if (!replicas.some((other) => isSame(one, other))) replicas.push(one);
  }
  return { master: best.master, replicas };
}

function isSame(a: ServerAddress, b: ServerAddress): boolean {
  return a.host === b.host && a.port === b.port;
}

function needsPerson(reason: unknown): boolean {
  return reason instanceof AfterwriteError && reason.recovery === 'stop';
}

function addressIn(facts: ReadonlyMap<string, string>): ServerAddress {
  return { host: facts.get('ip') ?? '', port: asInteger(facts.get('port')) ?? 0 };
}

/** Names and values that stand in turn. */
function pairs(reply: unknown): ReadonlyMap<string, string> {
  const texts = asList(reply).map((one) => asText(one) ?? '');
  return new Map(texts.flatMap((name, index) => (index % 2 === 0 ? [[name, texts[index + 1] ?? ''] as const] : [])));
}
