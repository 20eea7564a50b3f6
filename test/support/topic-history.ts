import assert from 'node:assert/strict';
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry';
import { Kafka, logLevel, type EachBatchPayload, type KafkaMessage } from 'kafkajs';
import { PartitionReader, readTopicToEnd, type FetchedRecord } from '../../clients/kafka/index.ts';
import { uniqueName } from './names.ts';
import { until } from './until.ts';

/** A value of an Avro record, as @kafkajs/confluent-schema-registry decodes it. */
export type AvroRow = Readonly<Record<string, unknown>>;

/** One record of a mapping's topic, in the order of its partition. */
export interface TopicRecord {
  readonly partition: number;
  readonly offset: number;
  /** The key's bytes in hex: records are about the same row exactly when these are equal. */
  readonly key: string;
  readonly keyRow: AvroRow;
  /** Null for a tombstone. */
  readonly event: Envelope | null;
  /** Of a tombstone: what its headers say; of an event: the id for which a client waits. */
  readonly headers: {
    readonly version: number | undefined;
    readonly cause: string | undefined;
    readonly acknowledge: string | undefined;
  };
}

/** What of Debezium's envelope the audit looks at. */
export interface Envelope {
  readonly op: string;
  readonly before: AvroRow | null;
  readonly after: AvroRow | null;
  readonly version: number;
  readonly replid: string;
  readonly offset: number;
  readonly snapshot: boolean;
  /** The whole source block, and the transaction block; the audit does not look at them. */
  readonly source?: AvroRow;
  readonly transaction?: AvroRow | null;
}

/**
 * Reads a whole topic back, read_committed, with the clients that a user would take: kafkajs and Confluent's decoder. Where
 * the transactions of several shards interleave, kafkajs hands out aborted records, too; these are left out (rule 16).
 * Nobody may write to the topic meanwhile.
 */
export async function readTopic(brokers: string, registryUrl: string, topic: string): Promise<TopicRecord[]> {
  const committed = await committedPlaces(brokers, topic);
  const messages = (await readMessages(brokers, topic)).filter(({ partition, message }) =>
    committed.delete(`${partition}@${message.offset}`),
  );
  assert.deepEqual([...committed], [], `kafkajs reads every committed record of ${topic}`);
  const registry = new SchemaRegistry({ host: registryUrl });
  const records: TopicRecord[] = [];
  for (const { partition, message } of messages) {
    const { key, value, headers = {}, offset } = message;
    records.push(await topicRecordOf(registry, topic, partition, { key, value, headers, offset: Number(offset) }));
  }
  return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}

/** What a record of a mapping's topic says, as Confluent's decoder reads it. */
export async function topicRecordOf(
  registry: SchemaRegistry,
  topic: string,
  partition: number,
  { key, value, headers, offset }: Pick<FetchedRecord, 'key' | 'value' | 'headers' | 'offset'>,
): Promise<TopicRecord> {
  if (key === null) throw new Error(`${topic} ${partition}@${offset} has no key`);
  const version = headers['afterwrite.version'];
  return {
    partition,
    offset,
    key: key.toString('hex'),
    keyRow: recordOf(await registry.decode(key)),
    event: value === null ? null : envelopeOf(await registry.decode(value)),
    headers: {
      version: version === undefined ? undefined : Number(String(version)),
      cause: headers['afterwrite.cause']?.toString(),
      acknowledge: headers['afterwrite.ack']?.toString(),
    },
  };
}

/** Where the committed records of a topic are, as our own reader finds them. */
async function committedPlaces(brokers: string, topic: string): Promise<Set<string>> {
  const places = new Set<string>();
  const reader = await PartitionReader.open({ resolve: () => Promise.resolve({ brokers: [brokers] }) });
  try {
    await readTopicToEnd(reader, topic, ({ offset }, partition) => {
      places.add(`${partition}@${offset}`);
    });
    return places;
  } finally {
    await reader.close();
  }
}

interface Message {
  readonly partition: number;
  readonly message: KafkaMessage;
}

async function readMessages(brokers: string, topic: string): Promise<Message[]> {
  const kafka = new Kafka({
    clientId: 'audit',
    brokers: [brokers],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, retries: 8 },
  });
  const messages: Message[] = [];
  const admin = kafka.admin();
  const groupId = uniqueName('audit');
  const consumer = kafka.consumer({ groupId, readUncommitted: false, maxWaitTimeInMs: 100 });
  await admin.connect();
  try {
    const ends = new Map(
      (await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, Number(high)]),
    );
    const reached = new Map<number, number>();
    // The last records of a partition are markers of transactions, which are told of in this event alone.
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
      reached.set(payload.partition, Number(payload.lastOffset) + 1);
    });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: true,
      eachBatch: ({ batch }: EachBatchPayload) => {
        for (const message of batch.messages) messages.push({ partition: batch.partition, message });
        return Promise.resolve();
      },
    });
    const isRead = (): boolean => [...ends].every(([partition, end]) => (reached.get(partition) ?? 0) >= end);
    await until(`the end of ${topic}`, isRead, { timeoutMs: 60_000 });
    return messages;
  } finally {
    await consumer.disconnect();
    await admin.deleteGroups([groupId]).catch(() => undefined);
    await admin.disconnect();
  }
}

function envelopeOf(value: unknown): Envelope {
  const envelope = recordOf(value);
  const source = recordOf(envelope['source']);
  const { replid } = source;
  const op = envelope['op'];
  if (typeof op !== 'string' || typeof replid !== 'string') {
    throw new Error(`an envelope has no op or no source.replid: ${JSON.stringify(value)}`);
  }
  return {
    op,
    before: envelope['before'] == null ? null : recordOf(envelope['before']),
    after: envelope['after'] == null ? null : recordOf(envelope['after']),
    version: numberOf(source, 'version'),
    replid,
    offset: numberOf(source, 'offset'),
    snapshot: source['snapshot'] !== 'false',
    source,
    transaction: envelope['transaction'] == null ? null : recordOf(envelope['transaction']),
  };
}

function recordOf(value: unknown): AvroRow {
  if (typeof value !== 'object' || value === null) throw new Error(`${JSON.stringify(value)} is no record`);
  return Object.fromEntries(Object.entries(value));
}

function numberOf(row: AvroRow, name: string): number {
  const value = row[name];
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw new Error(`${name} of an event's source is ${String(value)}`);
}
