import {
  deadLettersTopic,
  marksTopic,
  positionsTopic,
  resolveSecrets,
  sourceGroup,
  type Config,
} from '../config/index.ts';
import type { Logger } from '../ops/logging.ts';
import type { Metrics } from '../ops/metrics.ts';
import { compileMapping, SchemaRegistry } from '../schemas/index.ts';
import { oneShard, type ShardDirectory } from '../source-connector/shard-directory.ts';
import { SourceWorker } from '../source-connector/worker.ts';
import { kafkaOf, redisOf } from './connections.ts';

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
  directory: ShardDirectory = oneShard(redisOf(config.source)),
): SourceWorker {
  const { pipeline, kafka, registry, source, mappings } = config;
  return new SourceWorker({
    pipeline,
    directory,
    mappings: Object.entries(mappings).map(([name, mapping]) => compileMapping(name, mapping)),
    kafka: kafkaOf(kafka, `${pipeline}.source`),
    registry: new SchemaRegistry(() => resolveSecrets(registry)),
    topics: {
      positions: positionsTopic(pipeline),
      marks: marksTopic(pipeline),
      deadLetters: deadLettersTopic(pipeline),
      partitions: kafka.topics.partitions,
      replicationFactor: kafka.topics.replicationFactor,
      deleteRetentionMs: kafka.topics.deleteRetention,
      minCompactionLagMs: kafka.topics.minCompactionLag,
      maxRecordBytes: kafka.maxRecordBytes,
    },
    group: { name: sourceGroup(pipeline), sessionTimeoutMs: source.group.sessionTimeout },
    stateFolder: resolveSecrets(source.state),
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
