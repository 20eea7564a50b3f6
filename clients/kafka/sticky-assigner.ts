import { AssignerProtocol, type PartitionAssigner } from 'kafkajs';
import { z } from 'zod';

const schema = z.object({
  /** Partitions that there is work for, as far as the member knows. */
  busy: z.array(z.int()),
  held: z.array(
    z.object({
      partition: z.int(),
      /** Whether the member works on it now. */
      running: z.boolean(),
      /** Since when it does, or when it last did, ms since the epoch. */
      since: z.number(),
    }),
  ),
});

/** What a member tells the group of itself whenever it joins. */
export type MemberClaims = z.infer<typeof schema>;

const nothing: MemberClaims = { busy: [], held: [] };

/**
 * Spreads the partitions of one topic over the members of a group so that nothing moves without need: work that moves
 * has to be begun anew elsewhere. Each member tells what it holds; the member that leads the group decides.
 * @param claims what this member tells, asked for at each join
 */
export function stickyAssigner(topic: string, claims: () => MemberClaims): PartitionAssigner {
  const name = 'afterwrite-sticky';
  const version = 0;
  return ({ cluster }) => ({
    name,
    version,
    protocol: ({ topics }) => {
      const userData = Buffer.from(JSON.stringify(claims()));
      return { name, metadata: AssignerProtocol.MemberMetadata.encode({ version, topics, userData }) };
    },
    assign: ({ members }) => {
      const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId);
      const told = new Map(members.map(({ memberId, memberMetadata }) => [memberId, claimsOf(memberMetadata)]));
      return Promise.resolve(
        [...spread(partitions, told)].map(([memberId, given]) => ({
          memberId,
          memberAssignment: AssignerProtocol.MemberAssignment.encode({
            version,
            assignment: { [topic]: given },
            userData: Buffer.alloc(0),
          }),
        })),
      );
    },
  });
}

/** A member whose claims cannot be read holds nothing. */
function claimsOf(metadata: Buffer): MemberClaims {
  try {
    const { userData } = AssignerProtocol.MemberMetadata.decode(metadata) ?? {};
    return schema.parse(JSON.parse(String(userData)));
  } catch {
    return nothing;
  }
}

/**
 * Gives every partition to one member: the busy ones evenly, then the others evenly. Each goes to the member that works on
 * it, or else to the one that did last, as long as that member has not got its share.
 * @returns partitions by member, ascending
 */
export function spread(
  partitions: readonly number[],
  members: ReadonlyMap<string, MemberClaims>,
): Map<string, number[]> {
  const busy = new Set([...members.values()].flatMap((claims) => claims.busy));
  const all = [...partitions].sort((a, b) => a - b);
  const shares = [all.filter((one) => busy.has(one)), all.filter((one) => !busy.has(one))].map((some) =>
    deal(some, members),
  );
  return new Map(
    [...members.keys()].map((member) => [
      member,
      shares.flatMap((share) => share.get(member) ?? []).sort((a, b) => a - b),
    ]),
  );
}

function deal(partitions: readonly number[], members: ReadonlyMap<string, MemberClaims>): Map<string, number[]> {
  const names = [...members.keys()].sort();
  const shares = new Map<string, number[]>(names.map((name) => [name, []]));
  const least = Math.floor(partitions.length / names.length);
  let larger = partitions.length % names.length;
  const left = partitions.filter((partition) => {
    for (const holder of holdersOf(partition, members)) {
      const share = shares.get(holder);
      if (share === undefined || share.length > least || (share.length === least && larger === 0)) continue;
      if (share.length === least) larger -= 1;
      share.push(partition);
      return false;
    }
    return true;
  });
  for (const partition of left) {
    const [first, ...others] = shares.values();
    const smallest = others.reduce((one, other) => (other.length < (one?.length ?? 0) ? other : one), first);
    smallest?.push(partition);
  }
  return shares;
}

/**
 * Who has a claim on a partition, the best first. Of two that say they work on it, the one that came later is right: the
 * other was given up by the group meanwhile, and has not noticed.
 */
function holdersOf(partition: number, members: ReadonlyMap<string, MemberClaims>): string[] {
  return [...members]
    .flatMap(([member, { held }]) =>
      held.filter((one) => one.partition === partition).map((one) => ({ member, ...one })),
    )
    .sort((a, b) => Number(b.running) - Number(a.running) || b.since - a.since || (a.member < b.member ? -1 : 1))
    .map(({ member }) => member);
}
