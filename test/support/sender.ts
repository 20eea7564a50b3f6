import assert from 'node:assert/strict';
import type { KafkaClientOptions } from '../../clients/kafka/index.ts';
import { positionsTopic } from '../../config/names.ts';
import { AfterwriteError, type ErrorCode } from '../../ops/errors/index.ts';
import { createSender } from '../../source-connector/send/kafkajs-sender.ts';
import type { TransactionalSender } from '../../source-connector/send/port.ts';
import { createTopic, kafkaAt } from './kafka.ts';
import { uniqueName } from './names.ts';
import type { Scope } from './scope.ts';

/** A pipeline of one's own: its positions topic, a topic for records, and as many senders as are asked for. */
export interface TestPipeline {
  readonly pipeline: string;
  readonly positions: string;
  readonly topic: string;
  /** A sender that has not claimed yet; it is closed after the test. */
  readonly sender: (shard?: number, changes?: SenderChanges) => TransactionalSender;
  /** One that has claimed, and the position that it found. */
  readonly claimed: (
    shard?: number,
    changes?: SenderChanges,
  ) => Promise<{ sender: TransactionalSender; position: string | null }>;
}

export interface SenderChanges {
  readonly maxRecordBytes?: number;
  readonly transactionTimeoutMs?: number;
}

export interface PipelineOptions {
  readonly client?: KafkaClientOptions;
  readonly partitions?: number;
  readonly settings?: Readonly<Record<string, string>>;
}

export async function createPipeline(scope: Scope, options: PipelineOptions = {}): Promise<TestPipeline> {
  const { partitions = 4, settings = {} } = options;
  const own = options.client === undefined ? {} : { client: options.client };
  const client = options.client ?? kafkaAt();
  const pipeline = uniqueName('pipeline');
  const positions = await createTopic(scope, { ...own, partitions: 3 }, positionsTopic(pipeline));
  const topic = await createTopic(scope, { ...own, partitions, settings }, `${pipeline}.person`);
  const sender = (shard = 0, changes: SenderChanges = {}) => {
    const created = createSender({ ...client, pipeline, shard, maxRecordBytes: 1_000_000, ...changes });
    scope.after(() => created.close());
    return created;
  };
  const claimed = async (shard = 0, changes: SenderChanges = {}) => {
    const created = sender(shard, changes);
    return { sender: created, position: (await created.claim())?.toString() ?? null };
  };
  return { pipeline, positions, topic, sender, claimed };
}

/** For assert.rejects and assert.throws: an error of this project with this code. */
export function isCode(code: ErrorCode) {
  return (error: unknown): true => {
    assert.ok(error instanceof AfterwriteError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}
