import { Kafka, logLevel, type Message } from 'kafkajs';
import { z } from 'zod';
import { PartitionReader, readToEnd, ensureTopics, withAdmin, type FetchedRecord } from '../../clients/kafka/index.ts';
import { PartitionedBatch } from '../../source-connector/send/outgoing-batch.ts';
import { offsetRanges, type OffsetRange } from '../published.ts';

/** What the process is asked for: one argument, as JSON. */
const bareProducerTask = z.object({
  broker: z.string(),
  /** Where the records come from, and which. */
  from: z.string(),
  ranges: offsetRanges,
  /** A new topic. */
  to: z.string(),
  /** Records of one transaction. */
  transaction: z.int(),
});
export type BareProducerTask = z.infer<typeof bareProducerTask>;

/** What it prints: one line of JSON. */
export interface BareProducerResult {
  /** Records a second between the first and the last transaction. */
  readonly rate: number;
  /** CPU of this process in that time, µs a record. */
  readonly cpuMicros: number;
}

/** Everything that kafkajs is given for one request. */
type Request = { topic: string; messages: Message[] }[];

/**
 * The limit of the source: kafkajs with a transactional id and the source's settings, and nothing around it. The records
 * are the source's own, in memory before the clock runs, cut into requests as the source cuts them.
 */
async function produceBare(task: BareProducerTask): Promise<BareProducerResult> {
  const { broker, from, ranges, to, transaction } = task;
  const client = { resolve: () => Promise.resolve({ brokers: [broker], clientId: 'bare' }) };
  const transactions = transactionsOf(await readRecords(client, from, ranges), to, transaction);
  const topic = { topic: to, partitions: ranges.length, replicationFactor: 1, cleanupPolicy: 'compact' } as const;
  await withAdmin(client, (admin) => ensureTopics(admin, [topic]));
  const kafka = new Kafka({ clientId: 'bare', brokers: [broker], logLevel: logLevel.NOTHING });
  const producer = kafka.producer({
    transactionalId: to,
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition ?? 0,
    retry: { initialRetryTime: 5, multiplier: 1.2, maxRetryTime: 250, retries: 100 },
  });
  await producer.connect();
  let records = 0;
  let startedAt = 0;
  let cpu = process.cpuUsage();
  for (const requests of transactions) {
    const open = await producer.transaction();
    for (const topicMessages of requests) {
      await open.sendBatch({ acks: -1, topicMessages });
      for (const { messages } of topicMessages) records += messages.length;
    }
    await open.commit();
    if (startedAt > 0) continue;
    records = 0;
    startedAt = performance.now();
    cpu = process.cpuUsage();
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await producer.disconnect();
  return { rate: records / seconds, cpuMicros: (user + system) / records };
}

type SentRecord = Pick<FetchedRecord, 'key' | 'value'>;

async function readRecords(
  client: Parameters<typeof PartitionReader.open>[0],
  topic: string,
  ranges: readonly OffsetRange[],
): Promise<SentRecord[][]> {
  const reader = await PartitionReader.open(client);
  const partitions: SentRecord[][] = [];
  try {
    for (const [partition, [from, to]] of ranges.entries()) {
      const records: SentRecord[] = [];
      await readToEnd(reader, { topic, partition, from, to }, (record) => {
        // The bytes of a page are shared by its records, and stay as long as one of them does.
        records.push({ key: copyOf(record.key), value: copyOf(record.value) });
      });
      partitions.push(records);
    }
  } finally {
    await reader.close();
  }
  return partitions;
}

function copyOf(bytes: Buffer | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes);
}

/** Each transaction takes an equal share of every partition, as the source's do. */
function transactionsOf(partitions: readonly SentRecord[][], topic: string, size: number): Request[][] {
  const total = partitions.reduce((sum, { length }) => sum + length, 0);
  const count = Math.max(1, Math.ceil(total / size));
  return Array.from({ length: count }, (_, i) => {
    const batch = new PartitionedBatch(1_048_576);
    for (const [partition, records] of partitions.entries()) {
      const share = (of: number): number => Math.floor((records.length * of) / count);
      for (const { key, value } of records.slice(share(i), share(i + 1))) {
        batch.append(topic, partition, key ?? Buffer.alloc(0), value);
      }
    }
    return [...batch.requests()].map((parts) => [{ topic, messages: parts.flatMap(({ messages }) => messages) }]);
  });
}

const [argument = ''] = process.argv.slice(2);
process.stdout.write(`${JSON.stringify(await produceBare(bareProducerTask.parse(JSON.parse(argument))))}\n`);
