import { z } from 'zod';
import {
  fetchOffsetBounds,
  lastCommitted,
  PartitionReader,
  withAdmin,
  type KafkaClientOptions,
} from '../../clients/kafka/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';

/** What the positions of the source's shards say of a topic. */
export interface Published {
  /** Why the topic may lack rows that are in Redis; undefined when it holds them all. */
  readonly lacking: string | undefined;
  /** The id of the topic's key schema, and how many partitions its keys are spread over: frozen while it lives. */
  readonly keySchemaId: number | undefined;
  readonly partitions: number | undefined;
  /** Every event that is published from now on has a version above this one. */
  readonly version: bigint;
}

/** The parts of a position that tell of topics: the positions topic is JSON, so that anybody can read it. */
const positionSchema = z.object({
  snapshot: z.boolean(),
  version: z.number(),
  /** Mappings that are being filled while the stream goes on. */
  fills: z.record(z.string(), z.object({ stage: z.string() })).default({}),
  mappings: z.record(z.string(), z.object({ topic: z.string(), partitions: z.int(), keySchemaId: z.int() })),
});

/** Which shards a cluster has: a record among the positions of shard 0. */
const shardsSchema = z.object({ shards: z.array(z.object({ shard: z.int() })) });
const SHARDS_KEY = Buffer.from('shards');

/**
 * Whether all hashes were published to a topic. While a shard reads its first snapshot, the topic lacks rows that are
 * right, and a table that had them before must keep them.
 * @returns undefined when there is no topic of positions: then nobody knows of a source
 * @throws KAFKA_DOWN, KAFKA_FORBIDDEN, TRANSACTION_OPEN
 */
export async function readPublished(
  client: KafkaClientOptions,
  positions: string,
  topic: string,
): Promise<Published | undefined> {
  const shards = await withAdmin(client, async (admin) => {
    if (!(await admin.listTopics()).includes(positions)) return undefined;
    return await fetchOffsetBounds(admin, positions);
  });
  if (shards === undefined) return undefined;
  const found: Published[] = [];
  const reader = await PartitionReader.open(client);
  try {
    const ofCluster = await shardsOfCluster(reader, positions, shards.get(0)?.end ?? 0);
    for (const [shard, { first, end }] of shards) {
      if (first === end && !ofCluster.has(shard)) continue;
      const key = Buffer.from(String(shard));
      const value = await lastCommitted(reader, { topic: positions, partition: shard, key }, end);
      found.push(publishedBy(value, positions, shard, topic));
    }
  } finally {
    await reader.close();
  }
  const lacking = found.find((one) => one.lacking !== undefined);
  const [first, ...others] = found;
  if (first === undefined) return unknown('no source has published anything yet');
  const version = others.reduce((least, one) => (one.version < least ? one.version : least), first.version);
  return { ...(lacking ?? first), version };
}

/** The shards of a cluster, whether they have begun or not; none where one server is captured. */
async function shardsOfCluster(reader: PartitionReader, topic: string, end: number): Promise<ReadonlySet<number>> {
  const value = await lastCommitted(reader, { topic, partition: 0, key: SHARDS_KEY }, end);
  if (value === null) return new Set();
  try {
    return new Set(shardsSchema.parse(JSON.parse(value.toString())).shards.map(({ shard }) => shard));
  } catch (cause) {
    throw new AfterwriteError(
      'POSITION_UNREADABLE',
      'the numbers of the shards are not ones that this version writes',
      {
        where: { topic, partition: 0 },
        cause,
      },
    );
  }
}

function publishedBy(value: Buffer | null, positions: string, shard: number, topic: string): Published {
  if (value === null) return unknown(`shard ${shard} of the source has not published anything yet`);
  let position: z.output<typeof positionSchema>;
  try {
    position = positionSchema.parse(JSON.parse(value.toString()));
  } catch (cause) {
    throw new AfterwriteError('POSITION_UNREADABLE', 'the committed position is not one that this version writes', {
      where: { topic: positions, partition: shard },
      cause,
    });
  }
  const [name, frozen] = Object.entries(position.mappings).find(([, mapping]) => mapping.topic === topic) ?? [];
  if (name === undefined || frozen === undefined)
    return unknown(`shard ${shard} of the source has not begun to publish this topic yet`);
  const lacking = position.snapshot
    ? `shard ${shard} of the source reads a snapshot`
    : position.fills[name]?.stage === 'scan'
      ? `shard ${shard} of the source has not read all hashes of this topic yet`
      : undefined;
  return { lacking, keySchemaId: frozen.keySchemaId, partitions: frozen.partitions, version: BigInt(position.version) };
}

function unknown(lacking: string): Published {
  return { lacking, keySchemaId: undefined, partitions: undefined, version: 0n };
}
