import { setTimeout as wait } from 'node:timers/promises';
import { ControlConnection, parseInfo, type ClusterNode, type RedisEndpoint } from '../../clients/redis/index.ts';
import type { KafkaClientOptions } from '../../clients/kafka/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import type { Logger } from '../../ops/logging.ts';
import { ClusterWatch } from './cluster-watch.ts';
import { CommittedSlots } from './committed-slots.ts';
import type { ClusterMember, OtherShard, ShardLook } from './member.ts';
import { SlotTokens } from './slot-tokens.ts';
import { NOBODY, numbered, numbersOf, type NodeGroup, type Numbering } from './numbering.ts';
import { NumberingRecord } from './numbering-record.ts';
import { slotPlacesOf, type Topology } from './topology.ts';

export interface ClusterOptions {
  readonly kafka: KafkaClientOptions;
  readonly positionsTopic: string;
  /** Who writes the numbers of shards has this transactional id. */
  readonly transactionalId: string;
  /** How many shards there can be. */
  readonly limit: number;
  /** Members to ask first, with the credentials and the TLS that hold for all of them. */
  readonly seeds: () => Promise<readonly RedisEndpoint[]>;
  /** Has the positions topic exist. */
  readonly prepare: () => Promise<void>;
  readonly log: Logger;
}

/** One shard of a cluster, as whoever runs it needs it. */
export interface ClusterPlace {
  readonly shard: number;
  readonly endpoint: () => Promise<RedisEndpoint>;
  readonly cluster: ClusterMember;
}

/** How often it is looked whether there are other shards, ms. */
const LOOK_MS = 2000;
/** A replica that does not answer within this is not chosen, ms. */
const patienceMs = 2000;

/**
 * The shards of a Redis Cluster: their numbers, given once and kept in the positions topic, and where they are now. A
 * shard is followed at one of its replicas, if it has one that is up to date, else at its master.
 */
export class ClusterDirectory {
  readonly #options: ClusterOptions;
  readonly #watch: ClusterWatch;
  readonly #record: NumberingRecord;
  readonly #committed: CommittedSlots;
  readonly #places = new Map<number, ClusterPlace>();
  readonly #listeners = new Set<() => void>();
  #numbering: Numbering = NOBODY;
  #shown = '';
  /** Whether a shard without a server still has slots to give. */
  #away = false;
  #looking: AbortController | undefined;
  #last: { topology: Topology; begunAt: number } | undefined;

  constructor(options: ClusterOptions) {
    const { kafka, positionsTopic, transactionalId, seeds, log } = options;
    this.#options = options;
    this.#watch = new ClusterWatch({
      seeds,
      onWarning: (message) => {
        log.warn(message);
      },
    });
    this.#record = new NumberingRecord({ ...kafka, positionsTopic, transactionalId });
    this.#committed = new CommittedSlots(kafka, positionsTopic);
  }

  /**
   * The shards that there are now: those with a server, and those whose servers went away before all of their slots were
   * given to others.
   * @throws an error to retry when it cannot be known now; CLUSTER_TOO_LARGE
   */
  async shards(): Promise<readonly ClusterPlace[]> {
    await this.#options.prepare();
    const { groups } = await this.#look(0);
    if (groups.every(({ master }) => master.slots.length === 0)) {
      throw new AfterwriteError('CLUSTER_SHARD_AWAY', 'no master of the cluster serves any slots');
    }
    await this.#number(groups);
    const all = this.#numbering.shards.map(({ shard }) => shard);
    const present = new Set(numbersOf(groups, this.#numbering).values());
    const committed = await this.#committed.read(all);
    const needed = all.filter((shard) => present.has(shard) || hasSlots(shard, committed));
    this.#away = needed.some((shard) => !present.has(shard));
    this.#shown = shownBy(groups, this.#numbering);
    return needed.map((shard) => this.#placeOf(shard));
  }

  /** Has `listener` called whenever `shards` may answer something else. @returns what ends that */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#looking ??= this.#begin();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#looking?.abort();
      this.#looking = undefined;
      this.#watch.close();
      void this.#committed.close();
    };
  }

  #begin(): AbortController {
    const looking = new AbortController();
    void this.#lookForChanges(looking.signal);
    return looking;
  }

  async #lookForChanges(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await wait(LOOK_MS, undefined, { signal }).catch(() => undefined);
      try {
        const { groups } = await this.#look(LOOK_MS / 2);
        const isOther = this.#away || (this.#shown !== '' && shownBy(groups, this.#numbering) !== this.#shown);
        if (isOther) for (const ring of this.#listeners) ring();
      } catch {
        // Those who follow the shards see it, too, and say so.
      }
    }
  }

  /** Has the numbers say what the cluster shows. */
  async #number(groups: readonly NodeGroup[]): Promise<void> {
    const { limit, log } = this.#options;
    const change = (before: Numbering): Numbering => numbered(groups, before, limit);
    if (this.#numbering !== NOBODY && change(this.#numbering) === this.#numbering) return;
    try {
      this.#numbering = await this.#record.update(change);
    } catch (error) {
      if (!(error instanceof AfterwriteError) || error.recovery !== 'reload') throw error;
      // Another worker was faster.
      throw new AfterwriteError('KAFKA_DOWN', 'another worker numbers the shards at this moment', { cause: error });
    }
    const shards = this.#numbering.shards.map(({ shard, nodes }) => `${shard}: ${nodes[0] ?? 'none'}`);
    log.info({ shards }, 'the shards of the cluster are numbered');
  }

  async #look(maxAgeMs: number): Promise<Topology> {
    const begunAt = performance.now();
    if (this.#last !== undefined && this.#last.begunAt >= begunAt - maxAgeMs) return this.#last.topology;
    const topology = await this.#watch.look();
    if (this.#last === undefined || this.#last.begunAt < begunAt) this.#last = { topology, begunAt };
    return topology;
  }

  #placeOf(shard: number): ClusterPlace {
    let place = this.#places.get(shard);
    if (place === undefined) {
      const cluster: ClusterMember = {
        seeds: () => this.#options.seeds(),
        first: () => this.#numbering.shards.find((one) => one.shard === shard)?.first ?? [],
        look: (maxAgeMs = 0) => this.#lookFor(shard, maxAgeMs),
        others: () => this.#others(shard),
      };
      this.#places.set(shard, (place = { shard, endpoint: () => this.#endpointOf(shard), cluster }));
    }
    return place;
  }

  async #lookFor(shard: number, maxAgeMs: number): Promise<ShardLook> {
    const topology = await this.#look(maxAgeMs);
    const numbers = numbersOf(topology.groups, this.#numbering);
    const own = topology.groups.find(({ master }) => numbers.get(master.id) === shard);
    const view = own && topology.views.get(own.master.id);
    return {
      places: slotPlacesOf(topology, numbers),
      fence: view && { replid: view.replid, offset: view.offset },
      epoch: view?.nodes.find(({ isMyself }) => isMyself)?.configEpoch,
      isGone: own === undefined,
      isSure:
        view !== undefined || topology.groups.every((group) => group === own || topology.views.has(group.master.id)),
    };
  }

  async #others(shard: number): ReturnType<ClusterMember['others']> {
    const shards = this.#numbering.shards.map((one) => one.shard).filter((one) => one !== shard);
    return await this.#committed.read(shards);
  }

  async #endpointOf(shard: number): Promise<RedisEndpoint> {
    const topology = await this.#look(0);
    const numbers = numbersOf(topology.groups, this.#numbering);
    const group = topology.groups.find(({ master }) => numbers.get(master.id) === shard);
    if (group === undefined) {
      throw new AfterwriteError('CLUSTER_SHARD_AWAY', 'no node of the cluster serves this shard', { where: { shard } });
    }
    const [seed] = await this.#options.seeds();
    if (seed === undefined) throw new AfterwriteError('CONFIG_INVALID', 'the source names no node of the cluster');
    const at = ({ host, port }: ClusterNode): RedisEndpoint => ({
      ...seed,
      host: host === '' ? seed.host : host,
      port,
    });
    const replid = topology.views.get(group.master.id)?.replid;
    for (const replica of [...group.replicas].sort((a, b) => (a.id < b.id ? -1 : 1))) {
      if (!replica.isDown && (await followsMaster(at(replica), replid))) return at(replica);
    }
    return at(group.master);
  }
}

/** Whether a shard has slots, or is to have some that another has released: what it published of them is to be given on. */
function hasSlots(shard: number, committed: ReadonlyMap<number, OtherShard>): boolean {
  const own = committed.get(shard)?.slots ?? { owned: [], released: [] };
  if (own.owned.length > 0) return true;
  const others = new Map([...committed].filter(([one]) => one !== shard).map(([one, { slots }]) => [one, slots]));
  return new SlotTokens(shard, own, []).claimable(others, []).length > 0;
}

/** Whether a replica is in touch with its master, on its stream. */
async function followsMaster(endpoint: RedisEndpoint, replid: string | undefined): Promise<boolean> {
  let connection: ControlConnection | undefined;
  try {
    const limits = { connectTimeoutMs: patienceMs, commandTimeoutMs: patienceMs };
    connection = await ControlConnection.open(endpoint, limits);
    const info = parseInfo(await connection.call('INFO', 'replication'));
    const isUp = info.get('role') === 'slave' && info.get('master_link_status') === 'up';
    return isUp && (replid === undefined || info.get('master_replid') === replid);
  } catch {
    return false;
  } finally {
    connection?.close();
  }
}

/** What of the cluster decides which shards there are. */
function shownBy(groups: readonly NodeGroup[], numbering: Numbering): string {
  const shown = groups.map(({ master, replicas }) => [
    master.id,
    master.slots.length > 0,
    ...replicas.map(({ id }) => id).sort(),
  ]);
  return JSON.stringify([shown.sort(), numbering.shards.length]);
}
