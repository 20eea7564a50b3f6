import {
  addressOf,
  asInteger,
  clusterNodesOf,
  ControlConnection,
  parseInfo,
  type RedisEndpoint,
} from '../../clients/redis/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { topologyOf, type MasterView, type Topology } from './topology.ts';

export interface ClusterWatchOptions {
  /** Members to ask first, with the credentials that hold for all of them; read anew at each look. */
  readonly seeds: () => Promise<readonly RedisEndpoint[]>;
  readonly onWarning: (message: string) => void;
}

/** A master that does not answer within this is left out of a look, ms. */
const patienceMs = 2000;

/** Looks at a Redis Cluster: who its masters are, what they serve and hand over, and where their streams are. */
export class ClusterWatch {
  readonly #options: ClusterWatchOptions;
  readonly #connections = new Map<string, ControlConnection>();
  readonly #opening = new AbortController();
  /** Addresses of the masters of the last look. */
  #known: readonly { host: string; port: number }[] = [];
  #underway: Promise<Topology> | undefined;
  #next: Promise<Topology> | undefined;
  #lastTrouble = '';

  constructor(options: ClusterWatchOptions) {
    this.#options = options;
  }

  /**
   * A look that begins after this call: all that the masters had done before is in it. Calls that come while one is
   * under way share the next one.
   * @throws AfterwriteError of the last member asked, when none answers
   */
  async look(): Promise<Topology> {
    if (this.#underway === undefined) {
      this.#underway = this.#look().finally(() => {
        this.#underway = undefined;
      });
      return await this.#underway;
    }
    this.#next ??= this.#underway
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.look();
      });
    return await this.#next;
  }

  close(): void {
    this.#opening.abort();
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }

  async #look(): Promise<Topology> {
    const seeds = await this.#options.seeds();
    const [first] = seeds;
    if (first === undefined) throw new AfterwriteError('CONFIG_INVALID', 'the source names no node of the cluster');
    const known = this.#known.map((address) => ({ ...first, ...address }));
    const answers = new Map<string, MasterView>();
    const asked = new Set<string>();
    let trouble: Error | undefined;
    // Members that were never heard of come with the answers of the others.
    for (let round = known.length > 0 ? known : seeds; round.length > 0;) {
      for (const endpoint of round) asked.add(addressOf(endpoint));
      const found = await Promise.allSettled(round.map((endpoint) => this.#ask(endpoint)));
      for (const one of found) {
        if (one.status === 'rejected') trouble = errorOf(one.reason);
        else if (one.value !== undefined) answers.set(one.value.id, one.value.view);
      }
      const masters = [...answers.values()].flatMap(({ nodes }) => nodes.filter(isAliveMaster));
      const further = masters.map(({ host, port }) => ({ ...first, host: host === '' ? first.host : host, port }));
      const fresh = new Map(further.map((endpoint) => [addressOf(endpoint), endpoint]));
      round = [...fresh].filter(([address]) => !asked.has(address)).map(([, endpoint]) => endpoint);
      if (round.length === 0 && answers.size === 0) round = seeds.filter((seed) => !asked.has(addressOf(seed)));
    }
    if (answers.size === 0) {
      this.#known = [];
      throw trouble ?? new AfterwriteError('REDIS_UNREACHABLE', 'no node of the cluster answers');
    }
    const topology = topologyOf(answers);
    this.#known = topology.groups.map(({ master: { host, port } }) => ({
      host: host === '' ? first.host : host,
      port,
    }));
    return topology;
  }

  /** @returns undefined for a replica, which tells nothing that its master does not */
  async #ask(endpoint: RedisEndpoint): Promise<{ id: string; view: MasterView } | undefined> {
    const name = addressOf(endpoint);
    try {
      const connection = await this.#connect(name, endpoint);
      // Asked second, in the same breath: what the node was told to do before it answered is before this place, and little else.
      const [nodes, replication] = await Promise.all([
        clusterNodesOf(connection),
        connection.call('INFO', 'replication'),
      ]);
      const self = nodes.find(({ isMyself }) => isMyself);
      const info = parseInfo(replication);
      const [replid, offset] = [info.get('master_replid'), asInteger(info.get('master_repl_offset'))];
      if (self === undefined || replid === undefined || offset === undefined) {
        throw new AfterwriteError('REDIS_PROTOCOL', 'INFO replication gave no place in the stream', {
          where: { redis: name },
        });
      }
      const own = nodes.map((node) => (node.isMyself && node.host === '' ? { ...node, host: endpoint.host } : node));
      return { id: self.id, view: { nodes: own, replid, offset } };
    } catch (error) {
      this.#connections.get(name)?.close();
      this.#connections.delete(name);
      this.#tell(error);
      throw error;
    }
  }

  async #connect(name: string, endpoint: RedisEndpoint): Promise<ControlConnection> {
    const open = this.#connections.get(name);
    if (open?.isOpen === true) return open;
    const signal = this.#opening.signal;
    const limits = { connectTimeoutMs: patienceMs, commandTimeoutMs: patienceMs, signal };
    const connection = await ControlConnection.open(endpoint, limits);
    this.#connections.set(name, connection);
    return connection;
  }

  #tell(error: unknown): void {
    const trouble = error instanceof Error ? error.message : String(error);
    if (trouble === this.#lastTrouble || this.#opening.signal.aborted) return;
    this.#lastTrouble = trouble;
    this.#options.onWarning(`a node of the cluster does not tell what it serves: ${trouble}`);
  }
}

function errorOf(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

function isAliveMaster({ role, isDown }: { role: string; isDown: boolean }): boolean {
  return role === 'master' && !isDown;
}
