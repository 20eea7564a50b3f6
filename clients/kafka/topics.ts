import { setTimeout as wait } from 'node:timers/promises';
import kafkajs, { type Admin, type ITopicConfig } from 'kafkajs';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { kafkaError } from './errors.ts';

/** A topic as the pipeline needs it (rule 11). Limits that are left out are neither set nor checked. */
export interface TopicSpec {
  readonly topic: string;
  /** Exactly so many: the partition of a key depends on it. */
  readonly partitions: number;
  /** For a topic that is created; on one that exists it is its owner's business. */
  readonly replicationFactor: number;
  readonly cleanupPolicy: 'compact' | 'delete';
  /** delete.retention.ms: how long compaction keeps tombstones. At least so long. */
  readonly deleteRetentionMs?: number;
  /** min.compaction.lag.ms: how long a record is safe from compaction. At least so long. */
  readonly minCompactionLagMs?: number;
  /** max.message.bytes: the largest record batch. At least so large. */
  readonly maxMessageBytes?: number;
}

/**
 * Creates the topics that are missing, with explicit settings, and checks those that exist.
 * @param admin connected
 * @returns the names of the topics that were created.
 * @throws TOPIC_MISCONFIGURED with all problems of all topics; KAFKA_DOWN, KAFKA_AUTH, KAFKA_FORBIDDEN
 */
export async function ensureTopics(admin: Admin, specs: readonly TopicSpec[]): Promise<string[]> {
  try {
    const present = new Set(await admin.listTopics());
    const created: string[] = [];
    const existing = specs.filter(({ topic }) => present.has(topic));
    const problems: string[] = [];
    for (const spec of specs.filter(({ topic }) => !present.has(topic))) {
      const outcome = await createTopic(admin, spec);
      if (outcome === 'created') created.push(spec.topic);
      else if (outcome === 'exists') existing.push(spec);
      else problems.push(outcome.problem);
    }
    await untilListed(admin, [...created, ...existing.map(({ topic }) => topic)]);
    problems.push(...(await problemsOf(admin, existing)));
    if (problems.length > 0) throw new AfterwriteError('TOPIC_MISCONFIGURED', problems.join('; '));
    return created;
  } catch (error) {
    throw kafkaError(error, 'The topics could not be checked', { topics: specs.map(({ topic }) => topic).join(' ') });
  }
}

/** The id of the cluster behind a connected admin. @throws KAFKA_DOWN, KAFKA_AUTH, KAFKA_FORBIDDEN */
export async function fetchClusterId(admin: Admin): Promise<string> {
  try {
    return (await admin.describeCluster()).clusterId;
  } catch (error) {
    throw kafkaError(error, 'The id of the Kafka cluster could not be read');
  }
}

/**
 * Settings of a topic, by their names.
 * @throws TOPIC_MISSING, KAFKA_DOWN, KAFKA_FORBIDDEN (it takes the right to describe the topic's configuration)
 */
export async function fetchTopicSettings(
  admin: Admin,
  topic: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: [...names] }],
    });
    const entries = resources.flatMap(({ configEntries }) => configEntries);
    return new Map(entries.map(({ configName, configValue }) => [configName, configValue]));
  } catch (error) {
    throw kafkaError(error, 'The settings of a topic could not be read', { topic });
  }
}

type Created = 'created' | 'exists' | { readonly problem: string };

async function createTopic(admin: Admin, spec: TopicSpec): Promise<Created> {
  const { topic, partitions, replicationFactor } = spec;
  const configEntries = settingsOf(spec).map(({ name, wanted }) => ({ name, value: String(wanted) }));
  const wanted: ITopicConfig = { topic, numPartitions: partitions, replicationFactor, configEntries };
  try {
    // Waiting for leaders in here would fail on a broker that does not know the topic yet.
    const first = await admin.createTopics({ topics: [wanted], waitForLeaders: false });
    // Where somebody else was faster, it is checked like any that exists.
    return first ? 'created' : 'exists';
  } catch (error) {
    const described = kafkaError(error, `topic ${topic} cannot be created`);
    if (described.code === 'KAFKA_REFUSED') return { problem: described.what };
    throw described;
  }
}

/** A topic that was just created, here or by somebody else, is not known to every broker at once. */
async function untilListed(admin: Admin, topics: readonly string[]): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const listed = new Set(await admin.listTopics());
    if (topics.every((topic) => listed.has(topic))) return;
    await wait(100);
  }
}

async function problemsOf(admin: Admin, specs: readonly TopicSpec[]): Promise<string[]> {
  if (specs.length === 0) return [];
  const { topics } = await admin.fetchTopicMetadata({ topics: specs.map(({ topic }) => topic) });
  const partitions = new Map(topics.map((found) => [found.name, found.partitions.length]));
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: specs.map((spec) => ({
      type: kafkajs.ConfigResourceTypes.TOPIC,
      name: spec.topic,
      configNames: settingsOf(spec).map(({ name }) => name),
    })),
  });
  const settings = new Map(
    resources.map((found) => [
      found.resourceName,
      new Map(found.configEntries.map(({ configName, configValue }) => [configName, configValue])),
    ]),
  );
  return specs.flatMap((spec) => compare(spec, partitions.get(spec.topic), settings.get(spec.topic) ?? new Map()));
}

function compare(spec: TopicSpec, partitions: number | undefined, settings: ReadonlyMap<string, string>): string[] {
  const problems: string[] = [];
  if (partitions !== spec.partitions) {
    problems.push(`topic ${spec.topic} has ${partitions ?? 'no'} partitions, and must have ${spec.partitions}`);
  }
  for (const { name, wanted, enough } of settingsOf(spec)) {
    const found = settings.get(name);
    if (found !== undefined && enough(found)) continue;
    const least = typeof wanted === 'number' ? 'at least ' : '';
    problems.push(`topic ${spec.topic} has ${name}=${found ?? '(unknown)'}, and must have ${least}${wanted}`);
  }
  return problems;
}

interface Setting {
  readonly name: string;
  readonly wanted: string | number;
  readonly enough: (found: string) => boolean;
}

function settingsOf(spec: TopicSpec): Setting[] {
  const policy = {
    name: 'cleanup.policy',
    wanted: spec.cleanupPolicy,
    enough: (found: string) => found === spec.cleanupPolicy,
  };
  const limits = [
    ['delete.retention.ms', spec.deleteRetentionMs],
    ['min.compaction.lag.ms', spec.minCompactionLagMs],
    ['max.message.bytes', spec.maxMessageBytes],
  ] as const;
  const given = limits.flatMap(([name, wanted]) =>
    wanted === undefined ? [] : [{ name, wanted, enough: (found: string) => Number(found) >= wanted }],
  );
  return [policy, ...given];
}
