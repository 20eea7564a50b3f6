import kafkajs, { type Cluster, type Consumer, type PartitionAssigner } from 'kafkajs';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { connectKafka, type KafkaClientOptions } from './connection.ts';
import { kafkaError } from './errors.ts';

/** Partitions by topic. */
export type Assignment = Readonly<Record<string, readonly number[]>>;

export interface MembershipOptions {
  readonly client: KafkaClientOptions;
  readonly groupId: string;
  readonly topics: readonly string[];
  /** Called at each join with all partitions that are this member's until the next one. */
  readonly onAssigned: (assignment: Assignment, member: Membership) => void;
  /** Who gets what; members in turn unless told. */
  readonly assigner?: PartitionAssigner;
  /** How long a member may be silent before its partitions go to others, ms; the least that brokers allow unless told. */
  readonly sessionTimeoutMs?: number;
  /** The id of a member that is dead for certain: it leaves the group before this one joins, instead of being waited for. */
  readonly predecessor?: string | undefined;
  /** Ends a join that is under way; without it one waits for all members. */
  readonly signal?: AbortSignal;
}

/**
 * The least that brokers allow, ms. Taking a partition from somebody who is only slow does no harm, since the offset row
 * (or the transactional id) decides.
 */
const leastSessionTimeout = 6000;
/** Heartbeats in the time of a session. */
const heartbeats = 6;
/** How often kafkajs looks whether a heartbeat is due, ms. */
const pollEvery = 250;

/**
 * A member of a consumer group that only says which partitions are whose: records are read by offset, from where
 * somebody else knows, so kafkajs is kept from fetching any.
 */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #consumer: Consumer;
  readonly #cluster: () => Cluster | undefined;
  readonly #sessionMs: number;
  readonly #heartbeats = new Set<() => void>();
  /** When the last heartbeat was answered, or the group joined; ms of the monotonic clock, which runs on in a frozen process. */
  #heardAt = -Infinity;
  /** A moment at which it certainly was a member of the generation that it knows. */
  #memberAt = -Infinity;
  #id = '';
  /** Settles when the member cannot go on; a new one has to be made then. */
  readonly ended: Promise<AfterwriteError>;

  private constructor(
    consumer: Consumer,
    cluster: () => Cluster | undefined,
    sessionMs: number,
    options: MembershipOptions,
  ) {
    this.#options = options;
    this.#consumer = consumer;
    this.#cluster = cluster;
    this.#sessionMs = sessionMs;
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      this.#id = payload.memberId;
      this.#heardAt = this.#memberAt = performance.now();
      // Runs before the first fetch of the new generation.
      consumer.pause(options.topics.map((topic) => ({ topic })));
      options.onAssigned(payload.memberAssignment, this);
      this.#tell();
    });
    consumer.on(consumer.events.REBALANCING, () => {
      this.#memberAt = -Infinity;
    });
    consumer.on(consumer.events.HEARTBEAT, () => {
      // One is sent after the answer to the one before, so this one was certainly sent after that.
      this.#memberAt = this.#heardAt;
      this.#heardAt = performance.now();
      this.#tell();
    });
    this.ended = new Promise((resolve) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => {
        this.#memberAt = -Infinity;
        resolve(kafkaError(payload.error, 'The consumer group was left', { group: options.groupId }));
      });
    });
  }

  /** Joins the group. @throws KAFKA_DOWN, KAFKA_AUTH, KAFKA_TLS, KAFKA_FORBIDDEN, KAFKA_REFUSED, TOPIC_MISSING */
  static async join(options: MembershipOptions): Promise<Membership> {
    const { groupId, topics, sessionTimeoutMs = leastSessionTimeout } = options;
    const { assigner = kafkajs.PartitionAssigners.roundRobin, predecessor } = options;
    const kafka = await connectKafka(options.client);
    let cluster: Cluster | undefined;
    const consumer = kafka.consumer({
      groupId,
      allowAutoTopicCreation: false,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: sessionTimeoutMs / heartbeats,
      maxWaitTimeInMs: pollEvery,
      // A member that ends is replaced by a new one with fresh secrets, and not by kafkajs.
      retry: { restartOnFailure: () => Promise.resolve(false) },
      partitionAssigners: [
        (given) => {
          ({ cluster } = given);
          return assigner(given);
        },
      ],
    });
    const member = new Membership(consumer, () => cluster, sessionTimeoutMs, options);
    const giveUp = (): void => {
      void member.leave();
    };
    options.signal?.addEventListener('abort', giveUp, { once: true });
    try {
      await consumer.connect();
      if (predecessor !== undefined) await member.#bury(predecessor);
      await consumer.subscribe({ topics: [...topics], fromBeginning: true });
      await consumer.run({ autoCommit: false, eachBatch: () => Promise.resolve() });
      // kafkajs tells of a join that did not succeed by its event only.
      const crash = await Promise.race([member.ended, Promise.resolve(undefined)]);
      if (crash !== undefined) throw crash;
      return member;
    } catch (error) {
      await member.leave();
      throw kafkaError(error, 'The consumer group cannot be joined', { group: groupId });
    } finally {
      options.signal?.removeEventListener('abort', giveUp);
    }
  }

  /** The id that the group knows it by; another one after it was given up. */
  get id(): string {
    return this.#id;
  }

  /** Waits until the group has confirmed, after this call, that the member still belongs to it. */
  async confirmed(signal: AbortSignal): Promise<void> {
    await this.#heard(signal);
    signal.throwIfAborted();
  }

  /**
   * Waits until it is certain that what was assigned last is still this member's: the group gives it to nobody else
   * before a session's time has passed, and no more than half of that has since.
   */
  async holds(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    while (performance.now() - this.#memberAt > this.#sessionMs / 2) {
      await this.#heard(signal);
      signal.throwIfAborted();
    }
  }

  /** Leaves the group, so that its partitions go to others at once. Never throws. */
  async leave(): Promise<void> {
    this.#memberAt = -Infinity;
    await this.#consumer.disconnect().catch(() => undefined);
  }

  #tell(): void {
    const waiting = [...this.#heartbeats];
    this.#heartbeats.clear();
    for (const seen of waiting) seen();
  }

  /** Waits for the next word of the group. */
  async #heard(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const seen = (): void => {
        signal.removeEventListener('abort', gone);
        resolve();
      };
      const gone = (): void => {
        this.#heartbeats.delete(seen);
        reject(new AfterwriteError('INTERNAL', 'No heartbeat is waited for any more'));
      };
      this.#heartbeats.add(seen);
      signal.addEventListener('abort', gone, { once: true });
    });
  }

  /** Has a dead member leave. One that the group has given up already is none of its business. */
  async #bury(memberId: string): Promise<void> {
    const { groupId, client } = this.#options;
    try {
      const coordinator: unknown = await this.#cluster()?.findGroupCoordinator({ groupId });
      if (canLeave(coordinator)) await coordinator.leaveGroup({ groupId, memberId });
    } catch (error) {
      client.logger?.debug({ err: error, memberId }, 'a dead member of the group could not be removed');
    }
  }
}

/** What kafkajs does when it leaves a group itself; its types leave it out. */
interface Coordinator {
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>;
}

function canLeave(value: unknown): value is Coordinator {
  return typeof value === 'object' && value !== null && 'leaveGroup' in value && typeof value.leaveGroup === 'function';
}
