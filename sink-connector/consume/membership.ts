import { connectKafka, kafkaError, type Consumer, type KafkaClientOptions } from '../../clients/kafka/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';

/** Partitions by topic. */
export type Assignment = Readonly<Record<string, readonly number[]>>;

export interface MembershipOptions {
  readonly client: KafkaClientOptions;
  readonly groupId: string;
  readonly topics: readonly string[];
  /** Called at each join with all partitions that are this member's until the next one. */
  readonly onAssigned: (assignment: Assignment, member: Membership) => void;
}

/**
 * How long a member may be silent before its partitions go to others, ms: the least that brokers allow. Taking a
 * partition from somebody who is only slow does no harm, since the offset row decides.
 */
const sessionTimeout = 6000;
const heartbeatInterval = 1500;
/** How often kafkajs looks whether a heartbeat is due, ms. */
const pollEvery = 250;

/**
 * A member of the sink's consumer group. The group only says which partitions are whose: records are read by offset,
 * from where the database says, so kafkajs is kept from fetching any.
 */
export class Membership {
  readonly #consumer: Consumer;
  readonly #heartbeats = new Set<() => void>();
  /** Settles when the member cannot go on; a new one has to be made then. */
  readonly ended: Promise<AfterwriteError>;

  private constructor(consumer: Consumer, options: MembershipOptions) {
    this.#consumer = consumer;
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      // Runs before the first fetch of the new generation.
      consumer.pause(options.topics.map((topic) => ({ topic })));
      options.onAssigned(payload.memberAssignment, this);
    });
    consumer.on(consumer.events.HEARTBEAT, () => {
      for (const seen of this.#heartbeats) seen();
      this.#heartbeats.clear();
    });
    this.ended = new Promise((resolve) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => {
        resolve(kafkaError(payload.error, 'The consumer group was left', { group: options.groupId }));
      });
    });
  }

  /** Joins the group. @throws KAFKA_DOWN, KAFKA_AUTH, KAFKA_TLS, KAFKA_FORBIDDEN, TOPIC_MISSING */
  static async join(options: MembershipOptions): Promise<Membership> {
    const kafka = await connectKafka(options.client);
    const consumer = kafka.consumer({
      groupId: options.groupId,
      allowAutoTopicCreation: false,
      sessionTimeout,
      heartbeatInterval,
      maxWaitTimeInMs: pollEvery,
      // A member that ends is replaced by a new one with fresh secrets, and not by kafkajs.
      retry: { restartOnFailure: () => Promise.resolve(false) },
    });
    const member = new Membership(consumer, options);
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [...options.topics], fromBeginning: true });
      await consumer.run({ autoCommit: false, eachBatch: () => Promise.resolve() });
      // kafkajs tells of a join that did not succeed by its event only.
      const crash = await Promise.race([member.ended, Promise.resolve(undefined)]);
      if (crash !== undefined) throw crash;
      return member;
    } catch (error) {
      await member.leave();
      throw kafkaError(error, 'The consumer group cannot be joined', { group: options.groupId });
    }
  }

  /** Waits until the group has confirmed, after this call, that the member still belongs to it. */
  async confirmed(signal: AbortSignal): Promise<void> {
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
    signal.throwIfAborted();
  }

  /** Leaves the group, so that its partitions go to others at once. Never throws. */
  async leave(): Promise<void> {
    await this.#consumer.disconnect().catch(() => undefined);
  }
}
