import { Cluster } from 'ioredis';
import { parseClusterNodes, type ClusterNode } from '../../clients/redis/index.ts';
import { keySlot } from '../../source-connector/decode/key-slot.ts';
import { freePort } from '../../services/ports.ts';
import { startRedis, type TestRedis } from './redis.ts';
import type { Scope } from './scope.ts';
import { until } from './until.ts';

const SLOTS = 16_384;
/** A node that does not answer for this long is down, ms. Much longer than a busy machine lets a node wait. */
const NODE_TIMEOUT = 3000;
/** A command that has met a node's end is not answered, ms. */
const LONGEST_COMMAND = 10_000;
const patience = { timeoutMs: 90_000, everyMs: 50 };

/** One node of a cluster. */
export interface TestNode extends TestRedis {
  readonly id: string;
}

/** Where a move of a slot is left: before its keys go, in their middle, when both masters were told, or at its end. */
export type MoveStep = 'begun' | 'half' | 'keys-moved' | 'done';

/** A real Redis Cluster of its own: masters with slots, and replicas; all ends with the test. */
export class TestCluster {
  /** All nodes: the first masters first. */
  readonly nodes: TestNode[];
  /** Follows moves and failovers by itself. */
  readonly client: Cluster;
  readonly #scope: Scope;
  /** Bus ports, by port. */
  readonly #buses = new Map<number, number>();

  private constructor(scope: Scope, nodes: TestNode[], client: Cluster, buses: Map<number, number>) {
    this.#scope = scope;
    this.nodes = nodes;
    this.client = client;
    this.#buses = buses;
  }

  /** @param replicas of each master */
  static async start(scope: Scope, { masters = 3, replicas = 0 } = {}): Promise<TestCluster> {
    const buses = new Map<number, number>();
    const nodes: TestNode[] = [];
    for (let i = 0; i < masters * (1 + replicas); i++) nodes.push(await startNode(scope, buses));
    const client = new Cluster(
      nodes.map(({ port }) => ({ host: '127.0.0.1', port })),
      {
        clusterRetryStrategy: () => 100,
        retryDelayOnFailover: 100,
        retryDelayOnClusterDown: 100,
        lazyConnect: true,
        redisOptions: { commandTimeout: LONGEST_COMMAND },
      },
    );
    client.on('error', () => undefined);
    const cluster = new TestCluster(scope, nodes, client, buses);
    for (const [index, { client: node }] of nodes.slice(0, masters).entries()) {
      const [first, next] = [index, index + 1].map((part) => Math.floor((SLOTS * part) / masters));
      await node.call('CLUSTER', 'ADDSLOTSRANGE', first ?? 0, (next ?? 0) - 1);
      // Epochs that collide are settled by the nodes themselves, which takes some seconds.
      await node.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    }
    for (const node of nodes.slice(1)) await cluster.#meet(node);
    await cluster.#agreed(nodes.length);
    for (const [index, node] of nodes.slice(masters).entries()) {
      const master = nodes[index % masters];
      if (master !== undefined) await node.client.call('CLUSTER', 'REPLICATE', master.id);
    }
    await cluster.#replicasFollow();
    await cluster.up();
    await client.connect();
    scope.after(async () => {
      client.disconnect();
      await Promise.resolve();
    });
    return cluster;
  }

  get addresses(): string[] {
    return this.nodes.map(({ port }) => `127.0.0.1:${port}`);
  }

  /** A further master without slots. */
  async add(): Promise<TestNode> {
    const node = await startNode(this.#scope, this.#buses);
    this.nodes.push(node);
    await this.#meet(node);
    await this.#agreed(this.nodes.length);
    return node;
  }

  /** The masters that are up and serve slots, with these. */
  async masters(): Promise<{ node: TestNode; slots: ClusterNode['slots'] }[]> {
    const found: { node: TestNode; slots: ClusterNode['slots'] }[] = [];
    for (const node of this.nodes) {
      const self = isAlive(node) ? await selfOf(node).catch(() => undefined) : undefined;
      if (self?.role === 'master' && self.slots.length > 0) found.push({ node, slots: self.slots });
    }
    return found;
  }

  /** The master that serves a key. */
  async masterOf(key: string): Promise<TestNode> {
    return await this.masterOfSlot(keySlot(Buffer.from(key)));
  }

  async masterOfSlot(slot: number): Promise<TestNode> {
    const serves = (slots: ClusterNode['slots']): boolean => slots.some(([a, b]) => a <= slot && slot <= b);
    const found = (await this.masters()).find(({ slots }) => serves(slots));
    if (found === undefined) throw new Error(`slot ${slot} is served by a master`);
    return found.node;
  }

  /**
   * Moves a slot as `redis-cli --cluster reshard` does, up to a step, when the nodes are at one about epochs: where two
   * masters have the same one, one of them takes a higher one, and if it does so while a slot that it gave away is
   * still its own in its own eyes, the new master deletes the slot's keys, and Redis 7.0 tells no replica of that.
   */
  async move(slot: number, from: TestNode, to: TestNode, until: MoveStep = 'done'): Promise<void> {
    await this.#epochsAgreed();
    await to.client.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
    await from.client.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
    if (until === 'begun') return;
    for (;;) {
      const keys = await from.client.call('CLUSTER', 'GETKEYSINSLOT', slot, 10);
      if (!Array.isArray(keys) || keys.length === 0) break;
      const some = until === 'half' ? keys.slice(0, Math.ceil(keys.length / 2)) : keys;
      await from.client.call('MIGRATE', '127.0.0.1', to.port, '', 0, 5000, 'REPLACE', 'KEYS', ...some.map(String));
      if (until === 'half') return;
    }
    if (until === 'keys-moved') return;
    await to.client.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
    for (const node of [from, ...this.nodes]) {
      if (node === to || !isAlive(node)) continue;
      await node.client.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id).catch((error: unknown) => {
        // A replica learns it from its master; one that was a master and gave its last slot is one, too.
        if (!String(error).includes('only with masters')) throw error;
      });
    }
  }

  /** Ends a move that was left in its middle: the keys that went come back, and the slot stays where it was. */
  async takeBack(slot: number, from: TestNode, to: TestNode): Promise<void> {
    // Else it asks its new master for keys that it lacks, those that come back included.
    await from.client.call('CLUSTER', 'SETSLOT', slot, 'STABLE');
    const keys = await to.client.call('CLUSTER', 'GETKEYSINSLOT', slot, 1000);
    if (Array.isArray(keys) && keys.length > 0) {
      await to.client.call('MIGRATE', '127.0.0.1', from.port, '', 0, 5000, 'REPLACE', 'KEYS', ...keys.map(String));
    }
    await to.client.call('CLUSTER', 'SETSLOT', slot, 'STABLE');
  }

  /** kill -9 of a master. Returns when a replica has taken its place. */
  async killMaster(node: TestNode): Promise<void> {
    const before = (await selfOf(node))?.slots ?? [];
    await node.server.kill();
    const isServed = async (): Promise<boolean> => {
      const served = (await this.masters()).flatMap(({ slots }) => slots);
      return before.every(([first]) => served.some(([a, b]) => a <= first && first <= b));
    };
    await until('a replica that takes over', isServed, patience);
  }

  /** Waits until every node that is there says that all slots are served. */
  async up(): Promise<void> {
    const areUp = async (): Promise<boolean> => {
      const infos = await Promise.all(this.nodes.filter(isAlive).map(({ client }) => client.call('CLUSTER', 'INFO')));
      return infos.every((info) => isUp(String(info)));
    };
    await until('the cluster is up', areUp, patience);
  }

  /** All hashes whose keys begin so, of all masters, by key. */
  async hashes(prefix: string): Promise<Map<string, Record<string, string>>> {
    const found = new Map<string, Record<string, string>>();
    for (const { node } of await this.masters()) {
      for (const key of await node.client.keys(`${prefix}*`)) {
        if ((await node.client.type(key)) === 'hash') found.set(key, await node.client.hgetall(key));
      }
    }
    return found;
  }

  async #meet({ port }: TestNode): Promise<void> {
    await this.nodes[0]?.client.call('CLUSTER', 'MEET', '127.0.0.1', port, this.#buses.get(port) ?? 0);
  }

  /** Waits until all nodes see as many nodes, none of them down. */
  async #agreed(count: number): Promise<void> {
    const sees = (reply: string): boolean => {
      const nodes = parseClusterNodes(reply);
      return nodes.length === count && nodes.every(({ isDown }) => !isDown);
    };
    await until(
      `${count} nodes that know each other`,
      async () => (await this.#everywhere('CLUSTER', 'NODES')).every(sees),
      patience,
    );
  }

  /** Waits until no two masters have the same epoch, and all nodes know that of each. */
  async #epochsAgreed(): Promise<void> {
    const agreed = async (): Promise<boolean> => {
      const alive = this.nodes.filter(isAlive);
      const replies = await Promise.all(alive.map(({ client }) => client.call('CLUSTER', 'NODES')));
      const views = replies.map((reply) => epochsOf(String(reply)));
      const epochs = views[0]?.map(([, epoch]) => epoch) ?? [];
      return new Set(views.map((view) => JSON.stringify(view))).size === 1 && new Set(epochs).size === epochs.length;
    };
    await until('epochs that all nodes know', agreed, patience);
  }

  async #replicasFollow(): Promise<void> {
    const follows = (info: string): boolean => info.includes('role:master') || info.includes('master_link_status:up');
    await until(
      'replicas that follow',
      async () => (await this.#everywhere('INFO', 'replication')).every(follows),
      patience,
    );
  }

  async #everywhere(...[name, ...args]: [string, ...string[]]): Promise<string[]> {
    return await Promise.all(this.nodes.map(async ({ client }) => String(await client.call(name, ...args))));
  }
}

async function startNode(scope: Scope, buses: Map<number, number>): Promise<TestNode> {
  const bus = await freePort();
  const args = [
    '--cluster-enabled',
    'yes',
    '--cluster-port',
    String(bus),
    '--cluster-node-timeout',
    String(NODE_TIMEOUT),
  ];
  // A node that is killed does not come back.
  const redis = await startRedis(scope, args, { maxRetriesPerRequest: 1, commandTimeout: LONGEST_COMMAND });
  buses.set(redis.port, bus);
  return { ...redis, id: String(await redis.client.call('CLUSTER', 'MYID')) };
}

async function selfOf({ client }: TestNode): Promise<ClusterNode | undefined> {
  return parseClusterNodes(String(await client.call('CLUSTER', 'NODES'))).find(({ isMyself }) => isMyself);
}

/** The epochs of the masters that are up, with their ids, in the order of these. */
function epochsOf(reply: string): [id: string, epoch: number][] {
  const masters = parseClusterNodes(reply).filter(({ role, isDown }) => role === 'master' && !isDown);
  return masters.map(({ id, configEpoch }): [string, number] => [id, configEpoch]).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** A client of a server that is down waits for it. */
function isAlive({ client }: TestNode): boolean {
  return client.status === 'ready';
}

function isUp(info: string): boolean {
  return info.includes('cluster_state:ok');
}
