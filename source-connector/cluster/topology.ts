import type { ClusterNode } from '../../clients/redis/index.ts';
import type { SlotRange } from '../decode/key-slot.ts';
import { groupsOf, type NodeGroup } from './numbering.ts';

/** What one master says. */
export interface MasterView {
  /** All members, as it sees them. */
  readonly nodes: readonly ClusterNode[];
  /** Its stream, and where that was after it had said so. */
  readonly replid: string;
  readonly offset: number;
}

/** A look at all masters of a cluster. */
export interface Topology {
  /** As the master sees them that knows most. */
  readonly nodes: readonly ClusterNode[];
  readonly groups: readonly NodeGroup[];
  /** By the master's id; masters that did not answer are missing. */
  readonly views: ReadonlyMap<string, MasterView>;
}

/** Where slots are, by the numbers of shards. */
export interface SlotPlaces {
  /** The shard that serves a slot; undefined when none does, or it has no number yet. */
  ownerOf(slot: number): number | undefined;
  /** Whether a slot is on its way, or masters do not agree who serves it. */
  isMoving(slot: number): boolean;
}

/** Puts the answers of masters together. */
export function topologyOf(views: ReadonlyMap<string, MasterView>): Topology {
  let best: readonly ClusterNode[] = [];
  for (const { nodes } of views.values()) if (knowledgeOf(nodes) > knowledgeOf(best)) best = nodes;
  return { nodes: best, groups: groupsOf(best), views };
}

/** Epochs only rise, so who knows the higher ones knows the later state. */
function knowledgeOf(nodes: readonly ClusterNode[]): number {
  return nodes.reduce((sum, { configEpoch }) => sum + configEpoch, nodes.length === 0 ? -1 : 0);
}

/**
 * Where all slots are. What a master says of itself counts: only it tells what it hands over and takes over. A slot
 * moves from the first SETSLOT to the last one, so either end's word is enough.
 * @param numbers of shards, by their masters' ids
 */
export function slotPlacesOf({ nodes, views }: Topology, numbers: ReadonlyMap<string, number>): SlotPlaces {
  const owners = new Map<number, number>();
  const moving = new Set<number>();
  const claim = (id: string, ranges: readonly SlotRange[]): void => {
    const shard = numbers.get(id);
    for (const [first, last] of ranges) {
      for (let slot = first; slot <= last; slot++) {
        const before = owners.get(slot);
        if (shard === undefined || (before !== undefined && before !== shard)) moving.add(slot);
        else owners.set(slot, shard);
      }
    }
  };
  for (const [id, view] of views) {
    const self = view.nodes.find((node) => node.isMyself);
    if (self === undefined || self.role !== 'master') continue;
    claim(id, self.slots);
    for (const slot of [...self.migrating.keys(), ...self.importing.keys()]) moving.add(slot);
  }
  // Of masters that did not answer, others tell what they serve.
  for (const { id, role, slots } of nodes) if (role === 'master' && !views.has(id)) claim(id, slots);
  return { ownerOf: (slot) => owners.get(slot), isMoving: (slot) => moving.has(slot) };
}
