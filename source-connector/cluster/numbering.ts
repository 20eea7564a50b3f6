import { z } from 'zod';
import type { ClusterNode } from '../../clients/redis/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';

const range = z.tuple([z.int(), z.int()]).readonly();

const shardEntry = z.strictObject({
  /** Given once and kept: it names the shard's positions, transactional id and state. */
  shard: z.int(),
  /** Ids of the nodes that were last seen to hold this shard's data: its master first. */
  nodes: z.array(z.string()).readonly(),
  /** Slots that no shard had before: this one is the first that publishes them. First and last of each range. */
  first: z.array(range).readonly(),
});

export const numberingSchema = z.strictObject({
  v: z.literal(1),
  shards: z.array(shardEntry).readonly(),
});

/** Which numbers the shards of a cluster have, and who was the first to publish each slot. */
export type Numbering = z.infer<typeof numberingSchema>;
export type NumberedShard = Numbering['shards'][number];

export const NOBODY: Numbering = { v: 1, shards: [] };

/** A master with its replicas, as the cluster shows them now. */
export interface NodeGroup {
  readonly master: ClusterNode;
  readonly replicas: readonly ClusterNode[];
}

/** The masters with their replicas. One that is down and serves nothing was replaced, or is gone. */
export function groupsOf(nodes: readonly ClusterNode[]): NodeGroup[] {
  return nodes
    .filter(({ role, isDown, slots }) => role === 'master' && (!isDown || slots.length > 0))
    .map((master) => ({ master, replicas: nodes.filter(({ masterId }) => masterId === master.id) }));
}

/**
 * The number of each master (by the master's id) under a numbering: a group is the shard that one of its nodes was seen
 * in. Masters that serve slots come first, because one that was replaced and is back serves none; and masters come before
 * replicas, because a replica may be moved to another master.
 */
export function numbersOf(groups: readonly NodeGroup[], { shards }: Numbering): Map<string, number> {
  const numbers = new Map<string, number>();
  const taken = new Set<number>();
  const give = (master: string, found: NumberedShard | undefined): void => {
    if (found === undefined || taken.has(found.shard) || numbers.has(master)) return;
    numbers.set(master, found.shard);
    taken.add(found.shard);
  };
  const serving = groups.filter(({ master }) => master.slots.length > 0);
  const idle = groups.filter(({ master }) => master.slots.length === 0);
  for (const some of [serving, idle]) {
    for (const { master } of some)
      give(
        master.id,
        shards.find(({ nodes }) => nodes[0] === master.id),
      );
    for (const { master } of some) give(master.id, shardOfNode(shards, master.id));
    for (const { master, replicas } of some) for (const { id } of replicas) give(master.id, shardOfNode(shards, id));
  }
  return numbers;
}

function shardOfNode(shards: readonly NumberedShard[], id: string): NumberedShard | undefined {
  return shards.find(({ nodes }) => nodes.includes(id));
}

/**
 * The numbering after a look at the cluster: shards keep their numbers, nodes go with the master that they follow now,
 * new masters get the next numbers, and slots that were nobody's become those of the master that serves them. A master
 * that has no slots yet, or none any more, is a shard, too: slots may come.
 * @param limit how many shards there can be
 * @returns the same object when nothing has changed
 * @throws AfterwriteError CLUSTER_TOO_LARGE
 */
export function numbered(groups: readonly NodeGroup[], before: Numbering, limit: number): Numbering {
  const numbers = numbersOf(groups, before);
  // One that was replaced by another of its shard, and is back, is about to follow that one.
  const counted = groups.filter(
    ({ master: { id, slots } }) => numbers.has(id) || slots.length > 0 || shardOfNode(before.shards, id) === undefined,
  );
  const seen = new Set(counted.flatMap(({ master, replicas }) => [master.id, ...replicas.map(({ id }) => id)]));
  // A node that is seen belongs to the shard that it is seen in, and to no other.
  const byNumber = new Map(
    before.shards.map((entry) => [entry.shard, { ...entry, nodes: entry.nodes.filter((id) => !seen.has(id)) }]),
  );
  const spoken = spokenFor(before);
  for (const { master, replicas } of [...counted].sort(bySlots)) {
    const shard = numbers.get(master.id) ?? nextNumber(byNumber, limit);
    const entry: NumberedShard = byNumber.get(shard) ?? { shard, nodes: [], first: [] };
    const nodes = [master.id, ...replicas.map(({ id }) => id).sort(), ...[...entry.nodes].sort()];
    byNumber.set(shard, { shard, nodes, first: [...entry.first, ...unspoken(master.slots, spoken)] });
  }
  const after: Numbering = { v: 1, shards: [...byNumber.values()].sort((a, b) => a.shard - b.shard) };
  return JSON.stringify(after) === JSON.stringify(before) ? before : after;
}

/** By their lowest slots, so that the first numbers go along the slots; those without come last. */
function bySlots(a: NodeGroup, b: NodeGroup): number {
  const lowest = ({ master }: NodeGroup): number => Math.min(...master.slots.map(([first]) => first), 16_384);
  return lowest(a) - lowest(b) || (a.master.id < b.master.id ? -1 : 1);
}

function nextNumber(shards: ReadonlyMap<number, NumberedShard>, limit: number): number {
  const next = Math.max(-1, ...shards.keys()) + 1;
  if (next < limit) return next;
  throw new AfterwriteError('CLUSTER_TOO_LARGE', `the cluster has had more than ${limit} masters`, {
    where: { shards: next },
  });
}

/** The slots that have a first shard. */
function spokenFor({ shards }: Numbering): Set<number> {
  const spoken = new Set<number>();
  for (const { first } of shards) {
    for (const [from, to] of first) for (let slot = from; slot <= to; slot++) spoken.add(slot);
  }
  return spoken;
}

/** The part of these ranges that nobody had; from now on somebody has. */
function unspoken(slots: ClusterNode['slots'], spoken: Set<number>): [number, number][] {
  const fresh: [number, number][] = [];
  for (const [from, to] of slots) {
    for (let slot = from; slot <= to; slot++) {
      if (spoken.has(slot)) continue;
      spoken.add(slot);
      const last = fresh.at(-1);
      if (last !== undefined && last[1] === slot - 1) last[1] = slot;
      else fresh.push([slot, slot]);
    }
  }
  return fresh;
}
