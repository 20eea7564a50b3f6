import type { RedisEndpoint } from '../../clients/redis/index.ts';
import type { SavedSlots } from '../position.ts';
import type { SlotPlaces } from './topology.ts';

/** A place in the stream of a shard. */
export interface Fence {
  readonly replid: string;
  readonly offset: number;
}

/** What a look at the cluster tells one shard. */
export interface ShardLook {
  readonly places: SlotPlaces;
  /** Where the stream of the shard's master was after the master had answered; undefined when it did not. */
  readonly fence: Fence | undefined;
  /**
   * The config epoch of the shard's master, as it said before it told its place; undefined when it did not answer. It rises whenever
   * a slot that has left comes back: whoever had it meanwhile had the highest epoch then.
   */
  readonly epoch: number | undefined;
  /** Whether no node of the shard is a master any more: what it had went to others. */
  readonly isGone: boolean;
  /** Whether enough masters answered to tell of each slot whether it moves: the shard's own, or all others. */
  readonly isSure: boolean;
}

/** What another shard has committed. */
export interface OtherShard {
  readonly slots: SavedSlots;
  /** The greatest version that it has given. */
  readonly version: number;
}

/** What a shard of a cluster asks about the rest of it. */
export interface ClusterMember {
  /** Nodes to ask about the cluster, with their secrets read anew. */
  seeds(): Promise<readonly RedisEndpoint[]>;
  /** Slots that this shard is the first to publish, first and last of each range. */
  first(): readonly (readonly [first: number, last: number])[];
  /**
   * A look that begins after this call, or one that began less than `maxAgeMs` before it.
   * @throws an error to retry when no master answers
   */
  look(maxAgeMs?: number): Promise<ShardLook>;
  /** What the other shards have committed by now, by their numbers. @throws KAFKA_DOWN and its like */
  others(): Promise<ReadonlyMap<number, OtherShard>>;
}
