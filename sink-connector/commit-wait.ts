import { setTimeout as sleep } from 'node:timers/promises';
import { replicationOf, type Masters } from '../clients/redis/index.ts';
import { abortable } from '../ops/abortable.ts';
import { AfterwriteError } from '../ops/errors/index.ts';
import { KeyEncoder, partitionOf } from '../schemas/index.ts';
import type { SourcePosition, SourcePositions } from './source-positions.ts';
import type { SinkTarget } from './targets.ts';
import type { PartitionName, StoredOffset } from './write/port.ts';

/** What is known of a change that is waited for. */
export interface CommitNews {
  /** Whether it is in the database. */
  committed: boolean;
  /** What has to get there: undefined when all has. */
  waitsFor?: 'redis' | 'source' | 'sink' | undefined;
  /** Where the master was when it was asked, and where the source is: both in bytes of its replication stream. */
  redis?: { replid: string; offset: number };
  source?: { replid: string; offset: number };
  /** The end of the key's partition when the source had come there, and where the sink is. */
  topic?: { name: string; partition: number; end: number };
  sink?: { nextOffset: number };
}

export interface CommitWaitParts {
  readonly targets: readonly SinkTarget[];
  readonly masters: Masters;
  readonly positions: SourcePositions;
  /** The next offset of a partition that this worker writes. */
  readonly ownOffset: (partition: PartitionName) => number | undefined;
  /** The offsets of all partitions, whoever writes them, from the database. */
  readonly storedOffsets: () => Promise<readonly (PartitionName & Pick<StoredOffset, 'nextOffset'>)[]>;
}

/** How often the source is looked at, this worker's own progress, and the database, ms. */
const lookAtSource = 20;
const lookAtOwn = 5;
const lookAtDatabase = 250;
/** A master whose stream the source does not follow may be one no more: it is asked again, ms. */
const askAgain = 1000;

/**
 * Waits until a sink has committed whatever Redis had of a key at the moment of the call. In that moment the master is asked
 * how far its stream is; when the source has committed a position behind that, the change stands in its topic, before the end
 * of the key's partition; when the sink has committed that end, it stands in the database.
 */
export class CommitWait {
  readonly #parts: CommitWaitParts;
  #reading: ReturnType<CommitWaitParts['storedOffsets']> | undefined;

  constructor(parts: CommitWaitParts) {
    this.#parts = parts;
  }

  /**
   * @param signal ends the waiting; then is told what is known
   * @throws WAIT_IMPOSSIBLE for a key of no mapping, or a source that follows no stream; what Redis and Kafka throw in an
   *   outage
   */
  async wait(key: Buffer, signal: AbortSignal): Promise<CommitNews> {
    const { target, parts } = this.#targetOf(key);
    const news: CommitNews = { committed: false, waitsFor: 'redis' };
    try {
      const position = await this.#published(key, target, news, signal);
      const partition = partitionOfKey(target, parts, position);
      await this.#written(partition, news, signal);
      return { ...news, committed: true, waitsFor: undefined };
    } catch (error) {
      if (signal.aborted) return news;
      throw error;
    }
  }

  #targetOf(key: Buffer): { readonly target: SinkTarget; readonly parts: readonly Buffer[] } {
    for (const target of this.#parts.targets) {
      const parts = target.mapping.key.parse(key);
      if (parts !== undefined) return { target, parts };
    }
    const patterns = this.#parts.targets.map(({ mapping }) => mapping.key.text).join(', ');
    throw new AfterwriteError('WAIT_IMPOSSIBLE', `No mapping of this sink reads the key ${key.toString()}`, {
      remedy: `Ask for a key of one of these patterns: ${patterns}.`,
    });
  }

  /** Waits until the source has published what the master had of the key when this was called. */
  async #published(key: Buffer, { mapping }: SinkTarget, news: CommitNews, signal: AbortSignal) {
    let aim = await this.#aim(key, news, signal);
    let askedAt = performance.now();
    news.waitsFor = 'source';
    for (;;) {
      const positions = await abortable(this.#parts.positions.read(), signal);
      const position = positions.find(({ replid }) => replid === aim.replid);
      if (position !== undefined) {
        news.source = { replid: position.replid, offset: position.offset };
        if (position.offset >= aim.offset && isWhole(position, mapping.name)) return position;
      } else if (positions.some(({ mode }) => mode === 'notifications')) {
        throw new AfterwriteError('WAIT_IMPOSSIBLE', 'The source follows key events, which have no offsets', {
          remedy: 'Use a command with an id, whose acknowledgement is waited for (docs/acknowledgements.md).',
        });
      } else if (performance.now() - askedAt > askAgain) {
        // After a failover another stream goes on. What was written before is in it, so its place of now is late enough.
        aim = await this.#aim(key, news, signal);
        askedAt = performance.now();
      }
      await sleep(lookAtSource, undefined, { signal });
    }
  }

  async #aim(key: Buffer, news: CommitNews, signal: AbortSignal): Promise<{ replid: string; offset: number }> {
    const { masters } = this.#parts;
    const { replid, offset, role } = await abortable(
      masters.of(key).then((connection) => replicationOf(connection, null)),
      signal,
    );
    if (role !== 'master') {
      masters.forget();
      throw new AfterwriteError('REDIS_LOADING', 'the master has become a replica');
    }
    news.redis = { replid, offset };
    return { replid, offset };
  }

  /** Many who wait ask the database once. While it is down, nothing is committed. */
  async #storedOffset({ topic, partition }: PartitionName): Promise<number | undefined> {
    this.#reading ??= this.#parts
      .storedOffsets()
      .catch(() => [])
      .finally(() => {
        this.#reading = undefined;
      });
    const row = (await this.#reading).find((each) => each.topic === topic && each.partition === partition);
    return row === undefined ? undefined : Number(row.nextOffset);
  }

  /** Waits until the sink has written what stands in the partition when this is called. */
  async #written(partition: PartitionName, news: CommitNews, signal: AbortSignal): Promise<void> {
    const { positions, ownOffset } = this.#parts;
    news.waitsFor = 'sink';
    let next = ownOffset(partition) ?? (await abortable(this.#storedOffset(partition), signal));
    const end = await abortable(positions.endOf(partition.topic, partition.partition, next), signal);
    news.topic = { name: partition.topic, partition: partition.partition, end };
    for (let lookedAt = performance.now(); ;) {
      if (next !== undefined) news.sink = { nextOffset: next };
      if (next !== undefined && next >= end) return;
      await sleep(lookAtOwn, undefined, { signal });
      next = ownOffset(partition) ?? next;
      // Another worker may have taken the partition over.
      if ((next !== undefined && next >= end) || performance.now() - lookedAt < lookAtDatabase) continue;
      next = (await abortable(this.#storedOffset(partition), signal)) ?? next;
      lookedAt = performance.now();
    }
  }
}

/** Whether the topic lacks no row of a hash that was there before. */
function isWhole({ snapshot, fills }: SourcePosition, mapping: string): boolean {
  return !snapshot && fills[mapping]?.stage !== 'scan';
}

function partitionOfKey(
  { mapping, table }: SinkTarget,
  parts: readonly Buffer[],
  position: SourcePosition,
): PartitionName {
  const frozen = Object.values(position.mappings).find(({ topic }) => topic === mapping.topic);
  if (frozen === undefined) {
    throw new AfterwriteError('WAIT_IMPOSSIBLE', `The source does not publish the mapping ${mapping.name}`, {
      remedy: 'Start the source with the same configuration.',
    });
  }
  const key = new KeyEncoder(table, frozen.keySchemaId).encode(parts);
  return { topic: table.topic, partition: partitionOf(key, frozen.partitions) };
}
