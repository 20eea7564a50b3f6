import {
  asOutage,
  Membership,
  stickyAssigner,
  type MemberClaims,
  type ResolveKafkaConnection,
} from '../clients/kafka/index.ts';
import type { Logger } from '../ops/logging.ts';
import { retryUntilDone } from '../ops/retry.ts';

export interface SourceGroupOptions {
  readonly kafka: ResolveKafkaConnection;
  readonly group: string;
  /** The positions topic: its partition n stands for shard n. */
  readonly topic: string;
  /** How long a worker may be silent before others take its shards, ms. */
  readonly sessionTimeoutMs: number;
  /** Which shards there are, and which of them this worker works on, or did. */
  readonly claims: () => MemberClaims;
  /** The shards that are this worker's until the next call. */
  readonly onAssigned: (shards: ReadonlySet<number>) => void;
  /** Why it is no member of the group; undefined when it is one. */
  readonly onTrouble: (trouble: string | undefined) => void;
  /** The id of a member that is dead for certain. */
  readonly predecessor: string | undefined;
  /** Told each id that it is a member under. */
  readonly onMember: (id: string) => void;
  readonly log: Logger;
}

/** After so long without a group, the next attempt to join follows at the latest, ms. */
const longestWaitMs = 3000;

/**
 * The workers of a source, as a consumer group of the positions topic that reads nothing: who is assigned partition n works
 * on shard n. The group only spares two workers from fencing each other for ever; that one shard has one writer is the
 * transactional id's doing (rule 2).
 *
 * A worker that loses the group goes on with its shards, since it cannot tell an outage of Kafka from its own, but claims none
 * until it is a member again.
 */
export class SourceGroup {
  readonly #options: SourceGroupOptions;
  readonly #waiting = new Set<() => void>();
  #member: { readonly membership: Membership; readonly gone: AbortSignal } | undefined;

  constructor(options: SourceGroupOptions) {
    this.#options = options;
  }

  /** Is a member until the signal, joining again as often as it takes. @throws what waiting does not mend at the first join */
  async run(signal: AbortSignal): Promise<void> {
    const { log, onTrouble } = this.#options;
    const stopped = new Promise<undefined>((resolve) => {
      signal.addEventListener(
        'abort',
        () => {
          resolve(undefined);
        },
        { once: true },
      );
    });
    let { predecessor } = this.#options;
    for (let joined = false; !signal.aborted; joined = true) {
      const member = await this.#join(predecessor, joined, signal);
      onTrouble(undefined);
      const reason = await Promise.race([member.ended, stopped]);
      predecessor = member.id;
      if (reason === undefined) return;
      this.#member = undefined;
      await member.leave();
      onTrouble(reason.message);
      log.warn({ err: reason }, 'the group of the source workers was left; joining it again');
    }
  }

  /** Leaves the group, so that others take over at once. For after `run`, when no shard is worked on any more. */
  async leave(): Promise<void> {
    await this.#member?.membership.leave();
    this.#member = undefined;
  }

  /** Waits until it is certain that what was assigned last is this worker's (rule 2). */
  async holds(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const member = this.#member;
      if (member === undefined) {
        await this.#nextMember(signal);
        continue;
      }
      try {
        await member.membership.holds(AbortSignal.any([signal, member.gone]));
        return;
      } catch (error) {
        if (!member.gone.aborted) throw error;
      }
    }
  }

  async #join(predecessor: string | undefined, before: boolean, signal: AbortSignal): Promise<Membership> {
    const { kafka, group, topic, sessionTimeoutMs, claims, onAssigned, onMember, onTrouble, log } = this.#options;
    const gone = new AbortController();
    const attempt = (): Promise<Membership> =>
      Membership.join({
        client: { resolve: kafka, logger: log },
        groupId: group,
        topics: [topic],
        assigner: stickyAssigner(topic, claims),
        sessionTimeoutMs,
        predecessor,
        signal,
        onAssigned: (assignment, membership) => {
          this.#member = { membership, gone: gone.signal };
          if (signal.aborted) return;
          const shards = assignment[topic] ?? [];
          log.debug({ group, member: membership.id, shards }, 'the group of the source workers has met');
          onMember(membership.id);
          onAssigned(new Set(shards));
          this.#told();
        },
      });
    const persistent = async (): Promise<Membership> => {
      try {
        return await attempt();
      } catch (error) {
        throw before ? asOutage(error) : error;
      }
    };
    const member = await retryUntilDone(persistent, {
      signal,
      longestWaitMs,
      onWait: ({ error, waitMs }) => {
        onTrouble(error.message);
        log.warn({ err: error, waitMs }, 'the group of the source workers cannot be joined yet');
      },
    });
    void member.ended.then(() => {
      gone.abort();
    });
    return member;
  }

  async #nextMember(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.add(resolve);
      signal.addEventListener(
        'abort',
        () => {
          this.#waiting.delete(resolve);
          resolve();
        },
        { once: true },
      );
    });
  }

  #told(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}
