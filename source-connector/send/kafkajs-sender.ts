import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import {
  kafkaError,
  lastCommitted,
  PartitionReader,
  readToEnd,
  TransactionalProducer,
  transactionError,
  type FetchedRecord,
  type KafkaClientOptions,
  type KeyPlace,
  type OutgoingPart,
} from '../../clients/kafka/index.ts';
import { positionsTopic, transactionalId } from '../../config/names.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { fault } from '../../ops/faults.ts';
import { PartitionedBatch } from './outgoing-batch.ts';
import type { OutgoingBatch, TransactionalSender } from './port.ts';
import { SenderLife } from './sender-state.ts';

export interface SenderOptions extends KafkaClientOptions {
  readonly pipeline: string;
  readonly shard: number;
  /** The largest record batch that the topics take (max.message.bytes). */
  readonly maxRecordBytes: number;
  /** After so long without its end, Kafka aborts a transaction; 60 s unless told. A commit gives up before. */
  readonly transactionTimeoutMs?: number;
}

/** How long closing may wait for brokers that do not answer. */
const closePatienceMs = 5_000;

/** The part of the transaction's timeout that a commit may take. */
const commitShare = 0.8;

/**
 * A sender on kafkajs. It connects when it claims. One whose claim or commit has failed is dead: make a new one.
 *
 * The claim's own record makes kafkajs send InitProducerId, which aborts and fences, and its offset is the end to read
 * to: everything before it is decided.
 */
export function createSender(options: SenderOptions): TransactionalSender {
  return new KafkajsSender(options);
}

class KafkajsSender implements TransactionalSender {
  readonly #options: SenderOptions;
  readonly #transactionalId: string;
  readonly #timeoutMs: number;
  readonly #place: KeyPlace;
  readonly #life = new SenderLife();
  #producer: TransactionalProducer | undefined;

  constructor(options: SenderOptions) {
    const { pipeline, shard, transactionTimeoutMs = 60_000 } = options;
    this.#options = options;
    this.#transactionalId = transactionalId(pipeline, shard);
    this.#timeoutMs = transactionTimeoutMs;
    this.#place = { topic: positionsTopic(pipeline), partition: shard, key: Buffer.from(String(shard)) };
  }

  async claim(): Promise<Buffer | null> {
    this.#life.enter('claiming');
    try {
      const position = await this.#claim();
      this.#life.enter('ready');
      return position;
    } catch (error) {
      this.#die(error);
      throw kafkaError(error, 'The shard could not be claimed', { transactionalId: this.#transactionalId });
    }
  }

  begin(): OutgoingBatch {
    this.#life.mustBe('ready', 'committing');
    return new PartitionedBatch(this.#options.maxRecordBytes);
  }

  async commit(batch: OutgoingBatch, position: Buffer, synced: Promise<void>): Promise<void> {
    // Before anything can throw: a rejection that nobody awaits would end the process.
    const logged = synced.then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    if (!(batch instanceof PartitionedBatch)) throw new AfterwriteError('INTERNAL', 'the batch is of another sender');
    this.#life.enter('committing');
    try {
      await withDeadline(this.#timeoutMs * commitShare, this.#transact(this.#connected(), batch, position, logged));
      this.#life.enter('ready');
    } catch (error) {
      this.#die(error);
      throw transactionError(error, 'A transaction did not end', { transactionalId: this.#transactionalId });
    }
  }

  async close(): Promise<void> {
    if (this.#life.state !== 'closed') this.#life.enter('closed');
    await this.#disconnect();
  }

  async #claim(): Promise<Buffer | null> {
    // It gives up on an outage sooner than the producer does, and so comes first.
    const reader = await PartitionReader.open(this.#options);
    try {
      const { topic, partition } = this.#place;
      await reader.firstOffset(topic, partition);
      const claimed = await this.#writeClaim();
      fault('send.claimed');
      await this.#verifyClaim(reader, claimed);
      return await lastCommitted(reader, this.#place, claimed.offset);
    } finally {
      await reader.close();
    }
  }

  async #writeClaim(): Promise<{ offset: number; value: Buffer }> {
    const producer = await TransactionalProducer.open({
      ...this.#options,
      transactionalId: this.#transactionalId,
      transactionTimeoutMs: this.#timeoutMs,
    });
    this.#producer = producer;
    const { pipeline, shard } = this.#options;
    const claim = { nonce: randomUUID(), pipeline, shard, host: hostname(), pid: process.pid, at: new Date() };
    const value = Buffer.from(JSON.stringify(claim));
    this.#life.mustBe('claiming');
    const transaction = await producer.begin();
    const [sent] = await producer.send(transaction, [this.#part(Buffer.from(`claim-${shard}`), value)]);
    await producer.commit(transaction);
    return { offset: Number(sent?.baseOffset), value };
  }

  /** Everything rests on the claim's offset, so what stands there is read back. */
  async #verifyClaim(reader: PartitionReader, claimed: { offset: number; value: Buffer }): Promise<void> {
    const { topic, partition } = this.#place;
    const range = { topic, partition, from: claimed.offset, to: claimed.offset + 1 };
    const found: FetchedRecord[] = [];
    await readToEnd(reader, range, (record) => {
      found.push(record);
    });
    if (found[0]?.value?.equals(claimed.value) === true) return;
    throw new AfterwriteError('KAFKA_TRANSACTION', 'the claim is not where Kafka said that it is', {
      where: { topic, partition, offset: claimed.offset },
    });
  }

  async #transact(
    producer: TransactionalProducer,
    batch: PartitionedBatch,
    position: Buffer,
    logged: Promise<{ error: unknown } | undefined>,
  ): Promise<void> {
    const transaction = await producer.begin();
    fault('send.begun');
    for (const parts of batch.requests()) {
      this.#life.mustBe('committing');
      await producer.send(transaction, parts);
    }
    fault('send.records-sent');
    this.#life.mustBe('committing');
    await producer.send(transaction, [this.#part(this.#place.key, position)]);
    fault('send.position-sent');
    const unlogged = await logged;
    this.#life.mustBe('committing');
    if (unlogged !== undefined) {
      // So that readers need not wait for the timeout; where it does not work, the timeout or the next claim does.
      await transaction.abort().catch(() => undefined);
      throw unlogged.error;
    }
    fault('send.before-end');
    await producer.commit(transaction);
    fault('send.committed');
  }

  #part(key: Buffer, value: Buffer): OutgoingPart {
    const { topic, partition } = this.#place;
    return { topic, partition, messages: [{ partition, key, value }] };
  }

  #connected(): TransactionalProducer {
    if (this.#producer === undefined) throw new AfterwriteError('INTERNAL', 'a sender is ready without a producer');
    return this.#producer;
  }

  #die(reason: unknown): void {
    this.#life.die(reason);
    void this.#disconnect();
  }

  async #disconnect(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    if (producer === undefined) return;
    // Brokers that do not answer have nothing to tell a sender that is done.
    const closed = producer.close().catch(() => undefined);
    await withDeadline(closePatienceMs, closed).catch(() => undefined);
  }
}

/** @throws KAFKA_TRANSACTION when the time is over; what was awaited goes on, unheard. */
async function withDeadline<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new AfterwriteError('KAFKA_TRANSACTION', `no end after ${ms / 1000} s`));
    }, ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
