import { ensureTopics, withAdmin } from '../clients/kafka/index.ts';
import {
  deadLettersTopic,
  marksTopic,
  positionsPartitions,
  positionsTopic,
  resolvePlace,
  resolveSecrets,
  shardsTransactionalId,
  sourceGroup,
  type Config,
} from '../config/index.ts';
import type { Logger } from '../ops/logging.ts';
import type { Metrics } from '../ops/metrics.ts';
import { compileMapping, SchemaRegistry } from '../schemas/index.ts';
import { ClusterDirectory } from '../source-connector/cluster/cluster-directory.ts';
import { oneShard, type ShardDirectory } from '../source-connector/shard-directory.ts';
import { positionsTopicSpec, type TopicSettings } from '../source-connector/topic-specs.ts';
import { SourceWorker } from '../source-connector/worker.ts';
import { clusterSeedsOf, kafkaOf, redisOf } from './connections.ts';

/** What a person tells a source on its command line. */
export interface SourceOrders {
  /** How many vanished rows may be deleted. */
  readonly confirmed?: number | undefined;
  /** Whether it begins with a full resync. */
  readonly resync?: boolean | undefined;
}

/** The source of a configuration. `directory`: which shards there are, unless the configuration says. */
export function sourceOf(
  config: Config,
  { confirmed, resync = false }: SourceOrders,
  log: Logger,
  metrics: Metrics,
  directory?: ShardDirectory,
): SourceWorker {
  const { pipeline, kafka, registry, source, mappings } = config;
  const topics = topicSettingsOf(config);
  return new SourceWorker({
    pipeline,
    directory: directory ?? directoryOf(config, topics, log),
    mappings: Object.entries(mappings).map(([name, mapping]) => compileMapping(name, mapping)),
    kafka: kafkaOf(kafka, `${pipeline}.source`),
    registry: new SchemaRegistry(() => resolveSecrets(registry)),
    topics,
    group: { name: sourceGroup(pipeline), sessionTimeoutMs: source.group.sessionTimeout },
    stateFolder: resolvePlace(source.state),
    limits: source.batch,
    ignoreCommands: source.ignoreCommands,
    breaker: { ...source.breaker, confirmed },
    spillBytes: source.spillBytes,
    mode: source.mode,
    notifications: {
      compareEveryMs: source.notifications.compareEvery,
      keysPerSecond: source.notifications.keysPerSecond,
      waitingKeys: source.notifications.waitingKeys,
      lingerMs: source.notifications.linger,
    },
    toleratedOutageMs: source.toleratedOutage,
    resync,
    log,
    metrics,
  });
}

/** Which shards there are: those of a cluster, or the one server. */
function directoryOf({ pipeline, kafka, source }: Config, topics: TopicSettings, log: Logger): ShardDirectory {
  const { nodes } = source;
  if (nodes === undefined) return oneShard(redisOf(source));
  const client = { resolve: kafkaOf(kafka, `${pipeline}.source`), logger: log };
  return new ClusterDirectory({
    kafka: client,
    positionsTopic: topics.positions,
    transactionalId: shardsTransactionalId(pipeline),
    limit: positionsPartitions,
    seeds: clusterSeedsOf(source, nodes),
    prepare: async () => {
      await withAdmin(client, (admin) => ensureTopics(admin, [positionsTopicSpec(topics)]));
    },
    log,
  });
}

function topicSettingsOf({ pipeline, kafka }: Config): TopicSettings {
  return {
    positions: positionsTopic(pipeline),
    marks: marksTopic(pipeline),
    deadLetters: deadLettersTopic(pipeline),
    partitions: kafka.topics.partitions,
    replicationFactor: kafka.topics.replicationFactor,
    deleteRetentionMs: kafka.topics.deleteRetention,
    minCompactionLagMs: kafka.topics.minCompactionLag,
    maxRecordBytes: kafka.maxRecordBytes,
  };
}
