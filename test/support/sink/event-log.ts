import { Kafka, logLevel, Partitioners, type Admin, type Message, type Producer, type Transaction } from 'kafkajs';
import type { Config } from '../../../config/index.ts';
import {
  ACK_HEADER,
  compileMapping,
  EnvelopeEncoder,
  envelopeSchemaOf,
  KeyEncoder,
  keySchemaOf,
  keySubjectOf,
  partitionOf,
  RowEncoder,
  SchemaRegistry,
  valueSubjectOf,
  VERSION_HEADER,
  type Mapping,
} from '../../../schemas/index.ts';
import type { Scope } from '../scope.ts';
import { uniqueName } from '../names.ts';
import { until, untilEqual } from '../until.ts';

/** An event of a test: `values` by the order of the mapping's fields, null to delete. */
export interface TestEvent {
  /** The parts of a key of several columns. */
  readonly key: string | readonly string[];
  readonly values: readonly (string | null)[] | null;
  /** Deletes: the event and its tombstone, or only what compaction leaves of it. */
  readonly bare?: boolean;
  /** By default, one more than the last. */
  readonly version?: number;
  /** The id of its command. */
  readonly id?: string;
}

/** Kafka lets nobody delete records of a topic that is compacted only. */
const usualSettings: Readonly<Record<string, string>> = { 'cleanup.policy': 'compact,delete' };

/** The topic of a mapping as a source writes it: real Avro, real transactions. */
export class EventLog {
  readonly topic: string;
  readonly keySchemaId: number;
  readonly admin: Admin;
  readonly #mapping: Mapping;
  readonly #partitions: number;
  readonly #producer: Producer;
  readonly #keys: KeyEncoder;
  readonly #rows: RowEncoder;
  readonly #envelopes: EnvelopeEncoder;
  /** Of the last event: microseconds, as a source counts them. */
  #version = Date.now() * 1000;

  private constructor(
    mapping: Mapping,
    partitions: number,
    ids: { key: number; value: number },
    admin: Admin,
    producer: Producer,
  ) {
    this.topic = mapping.topic;
    this.admin = admin;
    this.#mapping = mapping;
    this.#partitions = partitions;
    this.#producer = producer;
    this.keySchemaId = ids.key;
    this.#keys = new KeyEncoder(mapping, ids.key);
    this.#rows = new RowEncoder(mapping);
    this.#envelopes = new EnvelopeEncoder(mapping, ids.value);
  }

  /**
   * Creates the topic, unless an earlier log of the mapping has, and registers its schemas; the topic goes after the test.
   * @param settings of the topic
   */
  static async create(
    scope: Scope,
    config: Config,
    name: string,
    partitions = 1,
    settings = usualSettings,
  ): Promise<EventLog> {
    const input = config.mappings[name];
    if (input === undefined) throw new Error(`no mapping ${name}`);
    const mapping = compileMapping(name, input);
    const kafka = new Kafka({ brokers: [...config.kafka.brokers], logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    const producer = kafka.producer({
      transactionalId: uniqueName('log'),
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry: { initialRetryTime: 5, multiplier: 1.2, retries: 60 },
    });
    await Promise.all([admin.connect(), producer.connect()]);
    await admin.createTopics({
      // Waiting in here fails on a broker that does not know the topic yet.
      waitForLeaders: false,
      topics: [
        {
          topic: mapping.topic,
          numPartitions: partitions,
          configEntries: [
            ...Object.entries(settings).map(([setting, value]) => ({ name: setting, value })),
            { name: 'max.message.bytes', value: String(config.kafka.maxRecordBytes) },
          ],
        },
      ],
    });
    scope.after(async () => {
      await admin.deleteTopics({ topics: [mapping.topic] }).catch(() => undefined);
      await Promise.all([admin.disconnect(), producer.disconnect()]);
    });
    const registry = new SchemaRegistry(() => config.registry);
    const key = await registry.register(keySubjectOf(mapping.topic), keySchemaOf(mapping));
    const value = await registry.register(valueSubjectOf(mapping.topic), envelopeSchemaOf(mapping));
    const log = new EventLog(mapping, partitions, { key, value }, admin, producer);
    await until('the topic', async () => (await log.ends()).length === partitions);
    return log;
  }

  async commit(...events: TestEvent[]): Promise<void> {
    await this.commitMessages(events.flatMap((event) => this.encode(event)));
  }

  /** Sends the events and aborts their transaction. */
  async abort(...events: TestEvent[]): Promise<void> {
    const messages = events.flatMap((event) => this.encode(event));
    await this.#transact(messages, (transaction) => transaction.abort());
  }

  async commitMessages(messages: Message[]): Promise<void> {
    await this.#transact(messages, (transaction) => transaction.commit());
  }

  /** Returns when the transaction's end stands in the log of each partition: Kafka answers before. */
  async #transact(messages: Message[], end: (transaction: Transaction) => Promise<void>): Promise<void> {
    const transaction = await this.#producer.transaction();
    const starts = await this.ends();
    // kafkajs slows down with the square of the records of one request.
    for (let at = 0; at < messages.length; at += 500) {
      await transaction.send({ topic: this.topic, messages: messages.slice(at, at + 500) });
    }
    await end(transaction);
    const added = starts.map((_, partition) => messages.filter((message) => message.partition === partition).length);
    const expected = starts.map(
      (start, partition) => start + (added[partition] === 0 ? 0 : (added[partition] ?? 0) + 1),
    );
    await untilEqual('the ends of the partitions', expected, () => this.ends());
  }

  /** The records of an event: one, or for a delete two. */
  encode({ key, values, bare = false, version = this.#version + 1, id }: TestEvent): Message[] {
    this.#version = Math.max(this.#version, version);
    const parts = (typeof key === 'string' ? [key] : key).map((part) => Buffer.from(part));
    const recordKey = this.#keys.encode(parts);
    const partition = partitionOf(recordKey, this.#partitions);
    const tombstone = { key: recordKey, value: null, partition, headers: { [VERSION_HEADER]: String(version) } };
    if (values === null && bare) return [tombstone];
    const row =
      values === null
        ? null
        : this.#rows.encode(
            parts,
            values.map((value) => (value === null ? null : Buffer.from(value))),
          );
    if (row !== null && !Buffer.isBuffer(row)) throw new Error(row.reason);
    const value = this.#envelopes.encode({
      before: null,
      after: row,
      op: values === null ? 'd' : 'c',
      atMs: 1000,
      transaction: null,
      source: {
        name: 'test',
        shard: 0,
        db: this.#mapping.database,
        key: this.#mapping.key.render(parts),
        replid: 'r'.repeat(40),
        offset: version,
        command: 'HSET',
        snapshot: false,
        version,
        atMs: 1000,
      },
    });
    const event = { key: recordKey, value, partition, ...(id !== undefined && { headers: { [ACK_HEADER]: id } }) };
    return values === null ? [event, tombstone] : [event];
  }

  partitionOf(key: string): number {
    return partitionOf(this.#keys.encode([Buffer.from(key)]), this.#partitions);
  }

  /** The end of what readers of committed records may see of each partition, by its number. */
  async ends(): Promise<number[]> {
    const offsets = await this.admin.fetchTopicOffsets(this.topic);
    return offsets.toSorted((a, b) => a.partition - b.partition).map(({ high }) => Number(high));
  }
}
