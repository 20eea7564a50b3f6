import { deadLettersTopic, marksTopic, positionsTopic, resolveSecrets, type Config } from '../config/index.ts';
import type { Logger } from '../ops/logging.ts';
import type { Metrics } from '../ops/metrics.ts';
import { compileMapping, SchemaRegistry } from '../schemas/index.ts';
import { SourceWorker } from '../source-connector/worker.ts';
import { kafkaOf, redisOf } from './connections.ts';

/** A standalone Redis server is one shard. */
const SHARD = 0;

/**
 * The source of a configuration. `confirmed`: how many vanished rows a person agrees to delete. `resync`: whether it
 * begins with a full resync.
 */
export function sourceOf(
  config: Config,
  confirmed: number | undefined,
  log: Logger,
  metrics: Metrics,
  resync = false,
): SourceWorker {
  const { pipeline, kafka, registry, source, mappings } = config;
  return new SourceWorker({
    pipeline,
    shard: SHARD,
    mappings: Object.entries(mappings).map(([name, mapping]) => compileMapping(name, mapping)),
    kafka: kafkaOf(kafka, `${pipeline}.source`),
    redis: redisOf(source),
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
    stateFolder: resolveSecrets(source.state),
    limits: source.batch,
    ignoreCommands: source.ignoreCommands,
    breaker: { ...source.breaker, confirmed },
    spillBytes: source.spillBytes,
    toleratedOutageMs: source.toleratedOutage,
    resync,
    log,
    metrics,
  });
}
