export {
  connectKafka,
  withAdmin,
  type KafkaClientOptions,
  type KafkaConnection,
  type KafkaSasl,
  type KafkaTls,
  type ResolveKafkaConnection,
} from './connection.ts';
export { kafkaError, transactionError } from './errors.ts';
export { IdempotentProducer } from './idempotent-producer.ts';
export { type KeyPlace, lastCommitted } from './last-committed.ts';
export { type ClientLogger } from './logging.ts';
export { Membership, type Assignment } from './membership.ts';
export { fetchOffsetBounds, fetchOffsetsAt, type OffsetBounds } from './offsets.ts';
export { PartitionReader, type CommittedPage } from './partition-reader.ts';
export { type FetchedRecord, type RecordHeaderValues, type RecordList } from './record-list.ts';
export { readToEnd, readTopicToEnd, type OnRecord, type ReadRange } from './read-to-end.ts';
export { asOutage } from './rotation.ts';
export { batchOverhead, recordBytes } from './record-size.ts';
export { spread, stickyAssigner, type MemberClaims } from './sticky-assigner.ts';
export { ensureTopics, fetchClusterId, fetchTopicSettings, type TopicSpec } from './topics.ts';
export {
  TransactionalProducer,
  type OutgoingMessage,
  type OutgoingPart,
  type ProducerOptions,
} from './transactional-producer.ts';
export type { Admin, Consumer, Kafka, Transaction } from 'kafkajs';
