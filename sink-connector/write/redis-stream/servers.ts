import {
  clusterNodesOf,
  ControlConnection,
  endpointOf,
  keySlot,
  type ClusterNode,
  type Command,
  type RedisAddress,
} from '../../../clients/redis/index.ts';
import { resolveSecrets } from '../../../config/secrets.ts';
import { StreamError, told } from './errors.ts';
import type { RedisStreamConfig } from './options.ts';

/** A script of a whole batch may wait for others, ms. */
const commandTimeoutMs = 60_000;

/** Connections to the server, or to those masters of a cluster that are asked; none of them connects again. */
export class StreamServers {
  readonly #login: RedisAddress;
  readonly #first: ControlConnection;
  /** Of a cluster, as one node tells; a slot that moves ends this session by an error. */
  readonly #nodes: readonly ClusterNode[] | undefined;
  readonly #masters = new Map<string, Promise<ControlConnection>>();

  private constructor(login: RedisAddress, first: ControlConnection, nodes: readonly ClusterNode[] | undefined) {
    this.#login = login;
    this.#first = first;
    this.#nodes = nodes;
  }

  /** Connects; references to secrets are resolved anew, so that a rotated password takes effect. */
  static async open(config: RedisStreamConfig): Promise<StreamServers> {
    const { url, host, port, username, password, tls, nodes } = await resolveSecrets({
      url: config.url,
      host: config.host,
      port: config.port,
      username: config.username,
      password: config.password,
      tls: config.tls,
      nodes: config.nodes,
    });
    const login = { username, password, tls };
    const addresses = nodes === undefined ? [{ ...login, url, host, port }] : nodes.map((node) => at(login, node));
    const first = await firstOf(addresses);
    try {
      if (nodes !== undefined) return new StreamServers(login, first, await clusterNodesOf(first));
      if (config.database > 0) await first.call('SELECT', config.database);
      return new StreamServers(login, first, undefined);
    } catch (error) {
      first.close();
      throw told(error);
    }
  }

  /** Runs a command on the server that has a key. @throws StreamError */
  async call(key: string, ...command: Command): Promise<unknown> {
    try {
      return await (await this.#of(key)).call(...command);
    } catch (error) {
      throw told(error);
    }
  }

  /** Runs a script, with the keys that it names, all of one slot. @throws StreamError */
  async run(script: string, keys: readonly [string, ...string[]], args: Command[1][]): Promise<unknown> {
    return await this.call(keys[0], 'EVAL', script, keys.length, ...keys, ...args);
  }

  close(): void {
    this.#first.close();
    for (const master of this.#masters.values()) {
      master.then(
        (connection) => {
          connection.close();
        },
        () => undefined,
      );
    }
  }

  async #of(key: string): Promise<ControlConnection> {
    if (this.#nodes === undefined) return this.#first;
    const slot = keySlot(Buffer.from(key));
    const master = this.#nodes.find(({ slots }) => slots.some(([first, last]) => first <= slot && slot <= last));
    if (master === undefined) throw new StreamError('outage', `No master of the cluster has the slot ${slot}`);
    // A node does not always know its own address.
    const host = master.host === '' ? this.#first.endpoint.host : master.host;
    const name = `${host}:${master.port}`;
    let opened = this.#masters.get(name);
    if (opened === undefined) {
      opened = firstOf([{ ...this.#login, host, port: master.port }]);
      this.#masters.set(name, opened);
    }
    return await opened;
  }
}

/** A connection to the first one that takes it. @throws StreamError as the last one says */
async function firstOf(addresses: readonly RedisAddress[]): Promise<ControlConnection> {
  let last: unknown;
  for (const address of addresses) {
    try {
      return await ControlConnection.open(endpointOf(address), { commandTimeoutMs });
    } catch (error) {
      last = told(error);
    }
  }
  throw last;
}

function at(login: RedisAddress, node: string): RedisAddress {
  const colon = node.lastIndexOf(':');
  return { ...login, host: node.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(node.slice(colon + 1)) };
}
