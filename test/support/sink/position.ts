import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { positionsTopic, type Config } from '../../../config/index.ts';
import { encodePosition, type Position } from '../../../source-connector/position.ts';
import { createTopic, kafkaAt } from '../kafka.ts';
import { uniqueName } from '../names.ts';
import type { Scope } from '../scope.ts';
import { withAdmin } from '../../../clients/kafka/index.ts';
import type { EventLog } from './event-log.ts';

export interface TestPosition {
  readonly snapshot: boolean;
  /** Another topic than that of the log. */
  readonly topic?: string;
  readonly fills?: Position['fills'];
  /** Another number of partitions than the log's. */
  readonly partitions?: number;
}

/** Commits a position of shard 0, as the source does. The topic of positions goes after the test. */
export async function publishPosition(scope: Scope, config: Config, log: EventLog, told: TestPosition): Promise<void> {
  const topic = positionsTopic(config.pipeline);
  const isThere = await withAdmin(kafkaAt(), async (admin) => (await admin.listTopics()).includes(topic));
  if (!isThere) await createTopic(scope, { partitions: 2 }, topic);
  const position = encodePosition({
    v: 1,
    mode: 'replication',
    replid: 'r'.repeat(40),
    offset: 1,
    db: 0,
    inTransaction: false,
    begun: false,
    snapshot: told.snapshot,
    version: Date.now() * 1000,
    clock: 0,
    log: { logId: 'test', sequence: 1 },
    mappings: {
      person: {
        topic: told.topic ?? log.topic,
        database: 0,
        key: 'person:{person_id}',
        partitions: told.partitions ?? (await log.ends()).length,
        keySchemaId: log.keySchemaId,
        fingerprint: '',
      },
    },
    fills: told.fills ?? {},
    left: {},
    held: [],
    at: '',
  });
  const kafka = new Kafka({ brokers: [...config.kafka.brokers], logLevel: logLevel.NOTHING });
  const producer = kafka.producer({
    transactionalId: uniqueName('shard'),
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  try {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ key: '0', value: position, partition: 0 }] });
    await transaction.commit();
  } finally {
    await producer.disconnect();
  }
}
