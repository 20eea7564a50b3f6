import { AfterwriteError } from '../../ops/errors/index.ts';
import { clusterNodesOf, type ClusterNode } from './cluster.ts';
import { ControlConnection } from './control.ts';
import { addressOf, type RedisEndpoint, type ResolveEndpoint } from './endpoint.ts';
import { keySlot } from './key-slot.ts';
import { openMaster } from './master.ts';

/** Connections to the masters of some data, for commands that write or that ask what was written last. They are kept. */
export interface Masters {
  /** Whether keys may be on several masters: a script has one key then. */
  readonly isCluster: boolean;
  /**
   * A connection to the master of a key.
   * @throws AfterwriteError as openMaster; what the Sentinels or nodes of a cluster say when none of them knows one
   */
  of(key: Buffer): Promise<ControlConnection>;
  /** The server that an error names for a key whose slot is being moved (ASK), and that takes a command after ASKING. */
  asked(error: unknown): Promise<ControlConnection | undefined>;
  /** Forgets who is a master: to be called after an error that says that a server is none, or not of that key. */
  forget(): void;
  close(): void;
}

/** The one master of a server, or of the servers that Sentinels watch. */
export class OneMaster implements Masters {
  readonly isCluster = false;
  readonly #resolve: ResolveEndpoint;
  readonly #onClose: () => void;
  #connection: Promise<ControlConnection> | undefined;

  /** @param resolve the master, or a replica of it */
  constructor(resolve: ResolveEndpoint, onClose: () => void = () => undefined) {
    this.#resolve = resolve;
    this.#onClose = onClose;
  }

  async of(): Promise<ControlConnection> {
    const known = this.#connection;
    const connection = await known?.catch(() => undefined);
    if (connection?.isOpen === true) return connection;
    // Of many that ask, the first one opens another.
    if (this.#connection === known) this.#connection = undefined;
    this.#connection ??= this.#resolve().then((endpoint) => openMaster(endpoint));
    return await this.#connection;
  }

  asked(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  forget(): void {
    closeLater(this.#connection);
    this.#connection = undefined;
  }

  close(): void {
    this.forget();
    this.#onClose();
  }
}

/** The masters of a Redis Cluster, by the slots that they serve. */
export class ClusterMasters implements Masters {
  readonly isCluster = true;
  readonly #seeds: () => Promise<readonly RedisEndpoint[]>;
  readonly #connections = new Map<string, Promise<ControlConnection>>();
  #servers: Promise<readonly SlotServer[]> | undefined;

  constructor(seeds: () => Promise<readonly RedisEndpoint[]>) {
    this.#seeds = seeds;
  }

  async of(key: Buffer): Promise<ControlConnection> {
    const asking = (this.#servers ??= this.#ask());
    let servers: readonly SlotServer[];
    try {
      servers = await asking;
    } catch (error) {
      if (this.#servers === asking) this.#servers = undefined;
      throw error;
    }
    const slot = keySlot(key);
    const server = servers.find(({ slots }) => slots.some(([first, last]) => slot >= first && slot <= last));
    if (server !== undefined) return await this.#connectionTo(server.endpoint);
    this.forget();
    throw new AfterwriteError('REDIS_LOADING', `no master of the cluster serves slot ${slot} now`);
  }

  async asked(error: unknown): Promise<ControlConnection | undefined> {
    const reply = error instanceof AfterwriteError ? error.what : '';
    const [, host, port] = /"ASK \d+ (\S+):(\d+)"/.exec(reply) ?? [];
    if (host === undefined) return undefined;
    const [seed] = await this.#seeds();
    if (seed === undefined) return undefined;
    return await this.#connectionTo({ ...seed, host, port: Number(port) });
  }

  /** The connections stay: most of them are right. */
  forget(): void {
    this.#servers = undefined;
  }

  close(): void {
    for (const connection of this.#connections.values()) closeLater(connection);
    this.#connections.clear();
  }

  /** The first seed that answers tells who serves what. */
  async #ask(): Promise<readonly SlotServer[]> {
    let failure: unknown = new AfterwriteError('CONFIG_INVALID', 'source.nodes names no node');
    for (const seed of await this.#seeds()) {
      try {
        const nodes = await clusterNodesOf(await this.#connectionTo(seed));
        return nodes.flatMap((node) => serverOf(node, seed));
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  async #connectionTo(endpoint: RedisEndpoint): Promise<ControlConnection> {
    const address = addressOf(endpoint);
    const known = this.#connections.get(address);
    const connection = await known?.catch(() => undefined);
    if (connection?.isOpen === true) return connection;
    // Of many that ask, the first one opens another.
    let opening = this.#connections.get(address);
    if (opening === undefined || opening === known) {
      opening = ControlConnection.open(endpoint);
      this.#connections.set(address, opening);
    }
    try {
      return await opening;
    } catch (error) {
      this.forget();
      throw error;
    }
  }
}

interface SlotServer {
  readonly endpoint: RedisEndpoint;
  readonly slots: ClusterNode['slots'];
}

/** A node that was asked may not know its own address. */
function serverOf({ role, isDown, isMyself, host, port, slots }: ClusterNode, seed: RedisEndpoint): SlotServer[] {
  if (role !== 'master' || isDown || slots.length === 0) return [];
  return [{ endpoint: { ...seed, host: isMyself || host === '' ? seed.host : host, port }, slots }];
}

function closeLater(connection: Promise<ControlConnection> | undefined): void {
  connection?.then(
    (opened) => {
      opened.close();
    },
    () => undefined,
  );
}
