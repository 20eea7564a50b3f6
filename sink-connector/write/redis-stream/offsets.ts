import { asInteger, asList, asText } from '../../../clients/redis/index.ts';
import type { OffsetMove, OffsetReset, OutboxRow, PartitionName, StoredOffset } from '../port.ts';
import { StreamError } from './errors.ts';
import { indexKey, offsetsKey, outboxKey } from './names.ts';
import { caughtUpScript, claimScript, resetScript } from './scripts.ts';
import type { StreamServers } from './servers.ts';

/** The offsets and outboxes of a sink: a hash for each topic, a set for each partition, and the index that names their streams. */
export class StreamOffsets {
  readonly #servers: StreamServers;
  readonly #sink: string;
  /** Streams by their topics, as far as they were asked for. */
  readonly #streams = new Map<string, string>();

  constructor(servers: StreamServers, sink: string) {
    this.#servers = servers;
    this.#sink = sink;
  }

  /** The key of a topic's offsets; undefined where no worker of the sink has ever prepared the topic's stream. */
  async keyOf(topic: string): Promise<string | undefined> {
    const stream = await this.#streamOf(topic);
    return stream === undefined ? undefined : offsetsKey(this.#sink, topic, stream);
  }

  async #streamOf(topic: string): Promise<string | undefined> {
    const stream = this.#streams.get(topic) ?? asText(await this.#call('HGET', topic));
    if (stream !== undefined) this.#streams.set(topic, stream);
    return stream;
  }

  /** Whether a partition still stands where a batch begins. */
  async stands({ topic, partition, owner, epoch, from }: OffsetMove): Promise<boolean> {
    const stored = await this.read({ topic, partition });
    return stored?.owner === owner && stored.epoch === epoch && stored.nextOffset === from;
  }

  async claim(
    { topic, partition }: PartitionName,
    { clusterId, nextOffset }: { readonly clusterId: string; readonly nextOffset: bigint },
  ): Promise<StoredOffset> {
    const key = await this.keyOf(topic);
    if (key === undefined) throw new StreamError('structure', `${indexKey(this.#sink)} does not name ${topic}`);
    const reply = await this.#servers.run(claimScript, [key], [partition, clusterId, String(nextOffset)]);
    const stored = partitionsIn(reply).get(partition);
    if (stored === undefined) throw new StreamError('unknown', `${key} does not hold the partition ${partition}`);
    return stored;
  }

  async read({ topic, partition }: PartitionName): Promise<StoredOffset | undefined> {
    const key = await this.keyOf(topic);
    return key === undefined ? undefined : partitionsIn(await this.#servers.call(key, 'HGETALL', key)).get(partition);
  }

  async readAll(): Promise<(PartitionName & StoredOffset)[]> {
    const all: (PartitionName & StoredOffset)[] = [];
    for (const [topic, stream] of pairs(await this.#call('HGETALL'))) {
      const key = offsetsKey(this.#sink, topic, stream);
      for (const [partition, stored] of partitionsIn(await this.#servers.call(key, 'HGETALL', key)))
        all.push({ topic, partition, ...stored });
    }
    return all;
  }

  /** @returns the rows hit */
  async markCaughtUp({ topic, partition, owner, epoch, to }: OffsetMove): Promise<number> {
    const key = await this.keyOf(topic);
    if (key === undefined) return 0;
    const args = [partition, String(owner), String(epoch), String(to)];
    return asInteger(await this.#servers.run(caughtUpScript, [key], args)) ?? 0;
  }

  /** @returns the rows hit */
  async reset({ topic, partition, epoch, nextOffset }: OffsetReset): Promise<number> {
    const key = await this.keyOf(topic);
    if (key === undefined) return 0;
    return asInteger(await this.#servers.run(resetScript, [key], [partition, String(epoch), String(nextOffset)])) ?? 0;
  }

  /** The first rows of a partition's outbox. */
  async readOutbox(partition: PartitionName, limit: number): Promise<OutboxRow[]> {
    const key = await this.#outboxKey(partition);
    if (key === undefined) return [];
    const members = asList(await this.#servers.call(key, 'ZRANGEBYSCORE', key, '-inf', '+inf', 'LIMIT', 0, limit));
    return members.map((member) => outboxRow(asText(member) ?? ''));
  }

  async dropFromOutbox(partition: PartitionName, rows: readonly OutboxRow[]): Promise<void> {
    const key = await this.#outboxKey(partition);
    if (key !== undefined && rows.length > 0) await this.#servers.call(key, 'ZREM', key, ...rows.map(memberOf));
  }

  async #outboxKey(partition: PartitionName): Promise<string | undefined> {
    const stream = await this.#streamOf(partition.topic);
    return stream === undefined ? undefined : outboxKey(this.#sink, partition, stream);
  }

  async #call(command: string, ...args: readonly string[]): Promise<unknown> {
    const index = indexKey(this.#sink);
    return await this.#servers.call(index, command, index, ...args);
  }
}

/** A row as the outbox of a partition holds it. */
export function memberOf({ offset, version, entry }: OutboxRow): string {
  return `${offset}:${version}:${entry}`;
}

function outboxRow(member: string): OutboxRow {
  const [, offset = '0', version = '0', entry = ''] = /^(-?\d+):(\d+):(.*)$/s.exec(member) ?? [];
  return { offset: BigInt(offset), version: BigInt(version), entry };
}

/** The partitions of a hash of offsets, by their numbers. */
function partitionsIn(reply: unknown): Map<number, StoredOffset> {
  const fields = new Map(pairs(reply));
  const partitions = new Map<number, StoredOffset>();
  for (const [name, owner] of fields) {
    const partition = /^(\d+):owner$/.exec(name)?.[1];
    if (partition === undefined) continue;
    const of = (field: string): string => fields.get(`${partition}:${field}`) ?? '0';
    const caughtUpAt = fields.get(`${partition}:caught_up_at`);
    partitions.set(Number(partition), {
      clusterId: of('cluster_id'),
      nextOffset: BigInt(of('next_offset')),
      epoch: BigInt(of('epoch')),
      owner: BigInt(owner),
      caughtUpAt: caughtUpAt === undefined ? null : new Date(Number(caughtUpAt)),
    });
  }
  return partitions;
}

/** Names and values that stand in turn. */
function pairs(reply: unknown): [name: string, value: string][] {
  const texts = asList(reply).map((one) => asText(one) ?? '');
  return texts.flatMap((name, index): [string, string][] => (index % 2 === 0 ? [[name, texts[index + 1] ?? '']] : []));
}
