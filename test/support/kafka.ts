import {
  PartitionReader,
  readTopicToEnd,
  withAdmin,
  type FetchedRecord,
  type KafkaClientOptions,
} from '../../clients/kafka/index.ts';
import { uniqueName } from './names.ts';
import type { Scope } from './scope.ts';
import { shared } from './servers.ts';
import { until } from './until.ts';

/** The Kafka that all tests share, or the one at an address. */
export function kafkaAt(address = shared('kafka')): KafkaClientOptions {
  return { resolve: () => Promise.resolve({ brokers: [address], clientId: 'afterwrite-test' }) };
}

export interface TopicOptions {
  /** Of a server of one's own, with which the topic goes. */
  readonly client?: KafkaClientOptions;
  readonly partitions?: number;
  /** Topic settings, such as `cleanup.policy`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Creates a topic, and removes it after the test. @param topic its name; a unique one unless told. */
export async function createTopic(
  scope: Scope,
  { client, partitions = 1, settings = {} }: TopicOptions = {},
  topic = uniqueName('topic'),
): Promise<string> {
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  await withAdmin(client ?? kafkaAt(), async (admin) => {
    // Not kafkajs's own waiting for leaders: it fails on a broker that does not know the topic yet.
    await admin.createTopics({ topics: [{ topic, numPartitions: partitions, configEntries }], waitForLeaders: false });
    await until(`topic ${topic} is listed`, async () => (await admin.listTopics()).includes(topic));
  });
  if (client === undefined) scope.after(() => deleteTopics(kafkaAt(), [topic]));
  return topic;
}

/** Removes those of the topics that exist: asking for another makes kafkajs wait for long. */
export async function deleteTopics(client: KafkaClientOptions, topics: readonly string[]): Promise<void> {
  await withAdmin(client, async (admin) => {
    const present = new Set(await admin.listTopics());
    const found = topics.filter((topic) => present.has(topic));
    if (found.length > 0) await admin.deleteTopics({ topics: found });
  });
}

/** A reader that is closed after the test. */
export async function openReader(scope: Scope, client = kafkaAt()): Promise<PartitionReader> {
  const reader = await PartitionReader.open(client);
  scope.after(() => reader.close());
  return reader;
}

/** The committed records of a topic, by partition. */
export async function committedOf(reader: PartitionReader, topic: string): Promise<Map<number, FetchedRecord[]>> {
  const found = new Map<number, FetchedRecord[]>();
  await readTopicToEnd(reader, topic, (record, partition) => {
    found.set(partition, [...(found.get(partition) ?? []), record]);
  });
  return found;
}
