import type { ResolveEndpoint } from '../clients/redis/index.ts';
import type { ServerGroup } from './capture/followed.ts';
import type { ClusterMember } from './cluster/member.ts';

/** One part of the data that is captured: one replication stream, one transactional id, one position. */
export interface ShardPlace {
  /** Its partition of the positions topic. Given once and kept: never another part's, even when this one is gone. */
  readonly shard: number;
  /** The server to follow, asked for at each connection attempt; or the servers of which one is followed. */
  readonly endpoint: ResolveEndpoint | ServerGroup;
  /** Of a shard of a Redis Cluster: how it asks about the others. */
  readonly cluster?: ClusterMember | undefined;
}

/** Which shards there are, and where. */
export interface ShardDirectory {
  /**
   * The shards that there are now.
   * @throws an error to retry when it cannot be known now
   */
  shards(signal: AbortSignal): Promise<readonly ShardPlace[]>;
  /** Has `listener` called whenever `shards` may answer something else. @returns what ends that */
  subscribe(listener: () => void): () => void;
}

/** One server, whichever one the endpoint resolves to, or one group of servers: one shard. */
export function oneShard(endpoint: ShardPlace['endpoint']): ShardDirectory {
  return {
    shards: () => Promise.resolve([{ shard: 0, endpoint }]),
    subscribe: () => () => undefined,
  };
}
