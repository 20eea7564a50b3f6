import { fetchTopicSettings, withAdmin, type KafkaClientOptions } from '../../clients/kafka/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { elapsedSince, now, type Moment } from '../../ops/moment.ts';

/** What decides how long a topic tells of a delete. */
export interface Retention {
  readonly cleanupPolicy: string;
  /** How long compaction keeps a tombstone at least, ms. */
  readonly deleteRetentionMs: number;
}

/** So long what was read is taken for what is, ms: all partitions of a topic ask at once. */
const keptMs = 30_000;

/** Asks Kafka for the settings of topics. */
export class TopicSettings {
  readonly #client: KafkaClientOptions;
  readonly #known = new Map<string, { readonly readAt: Moment; readonly retention: Promise<Retention> }>();

  constructor(client: KafkaClientOptions) {
    this.#client = client;
  }

  /** @throws KAFKA_DOWN, TOPIC_MISSING; KAFKA_FORBIDDEN without the right to describe the topic's settings */
  async of(topic: string): Promise<Retention> {
    const known = this.#known.get(topic);
    if (known !== undefined && elapsedSince(known.readAt) < keptMs) return await known.retention;
    const retention = withAdmin(this.#client, async (admin) => {
      const settings = await fetchTopicSettings(admin, topic, ['cleanup.policy', 'delete.retention.ms']);
      const deleteRetentionMs = Number(settings.get('delete.retention.ms'));
      const cleanupPolicy = settings.get('cleanup.policy');
      if (cleanupPolicy !== undefined && Number.isFinite(deleteRetentionMs))
        return { cleanupPolicy, deleteRetentionMs };
      throw new AfterwriteError('KAFKA_REFUSED', 'Kafka does not tell the settings of a topic', { where: { topic } });
    });
    this.#known.set(topic, { readAt: now(), retention });
    retention.catch(() => this.#known.delete(topic));
    return await retention;
  }
}
