export type {
  Config,
  FieldConfig,
  HttpConfig,
  KafkaConfig,
  MappingConfig,
  RegistryConfig,
  SinkConfig,
  SourceConfig,
  TableConfig,
  TlsConfig,
} from './config.ts';
export { parseDuration } from './quantities.ts';
export { configJsonSchema } from './schema.ts';
export { checkConfig, loadConfig, type CheckedConfig } from './load.ts';
export type { ConfigProblem } from './problem.ts';
export {
  consumerGroup,
  deadLettersTopic,
  deadLettersTopicSpec,
  marksTopic,
  positionsPartitions,
  positionsTopic,
  shardsTransactionalId,
  sourceGroup,
  transactionalId,
} from './names.ts';
export { resolvePlace, resolveSecrets, unresolvedSecrets } from './secrets.ts';
