import { PartitionReader, readToEnd, readTopicToEnd, type ResolveKafkaConnection } from '../clients/kafka/index.ts';
import { PublishedRowReader, type SchemaRegistry } from '../schemas/index.ts';
import type { Contract } from './contract.ts';
import { keySlot } from './decode/key-slot.ts';
import { eachKey } from './each-key.ts';
import { goneMark, fieldsOf, heldCause, isGone, isKept, readMarkRecord } from './mark.ts';
import type { StateStore } from './state/port.ts';

export interface PublishedSlotsOptions {
  readonly kafka: ResolveKafkaConnection;
  readonly registry: SchemaRegistry;
  readonly contracts: readonly Contract[];
  readonly marksTopic: string;
  readonly shard: number;
  readonly state: StateStore;
  /** Writes a mark of this shard, or takes one away. */
  readonly mark: (db: number, key: Buffer, mark: Buffer | null) => void;
  /** Resolves when the state may be put: the batch that is being filled has room, and no snapshot is read. */
  readonly room: (signal: AbortSignal) => Promise<void>;
}

/**
 * Puts what was published of some slots into the state, beside what the stream says of their hashes: rows from the topics,
 * which are the truth about that whoever published them, and marks from the partitions of the shards that had the slots.
 * From now on the marks are this shard's, so they are written to its own partition, and what that says from an earlier
 * time is taken away. Nobody else may publish these slots meanwhile. Doing it twice does the same.
 * @param from the shards that had the slots
 */
export async function readPublishedSlots(
  options: PublishedSlotsOptions,
  slots: ReadonlySet<number>,
  from: ReadonlySet<number>,
  signal: AbortSignal,
): Promise<void> {
  const { kafka, registry, contracts, marksTopic, shard, state, mark: write, room } = options;
  await forgetPublished(state, slots, () => room(signal));
  const isOurs = (key: Buffer): boolean => slots.has(keySlot(key));
  const reader = await PartitionReader.open({ resolve: kafka });
  try {
    for (const { mapping } of contracts) {
      const rows = new PublishedRowReader(mapping.topic, registry);
      await readTopicToEnd(reader, mapping.topic, async ({ value }) => {
        if (value === null) return;
        const { db, key, row, schemaId } = await rows.read(value);
        if (!isOurs(key)) return;
        await room(signal);
        const { current = null, expireAt = 0, mark = null } = state.get(db, key) ?? {};
        state.put(db, key, { current, expireAt, published: row === null ? null : published(schemaId, row), mark });
      });
    }
    await readToEnd(reader, { topic: marksTopic, partition: shard }, async (record) => {
      if (record.key === null || record.value === null) return;
      const { db, key } = readMarkRecord(record.key, null);
      if (!isOurs(key)) return;
      await room(signal);
      write(db, key, null);
    });
    for (const other of from) {
      if (other === shard) continue;
      await readToEnd(reader, { topic: marksTopic, partition: other }, async (record) => {
        if (record.key === null) return;
        const { db, key, mark } = readMarkRecord(record.key, record.value);
        if (!isOurs(key)) return;
        await room(signal);
        write(db, key, mark);
        const entry = state.get(db, key);
        state.put(db, key, {
          current: entry?.current ?? null,
          expireAt: entry?.expireAt ?? 0,
          published: entry?.published ?? null,
          mark: later(entry?.mark ?? null, mark),
        });
      });
    }
  } finally {
    await reader.close();
  }
}

/** What is known from an earlier time is not true any more; what was seen of hashes is. */
async function forgetPublished(
  state: StateStore,
  slots: ReadonlySet<number>,
  room: () => Promise<void>,
): Promise<void> {
  await eachKey(state, (db, key) => (slots.has(keySlot(key)) ? forget(db, key) : undefined));

  async function forget(db: number, key: Buffer): Promise<void> {
    await room();
    const entry = state.get(db, key);
    if (entry === undefined) return;
    const { current, expireAt, mark } = entry;
    state.put(db, key, { current, expireAt, published: null, mark: isGone(mark) ? mark : null });
  }
}

/** A removal that was seen here, after the hash had come, says more than that it had left the other shard. */
function later(here: Buffer | null, there: Buffer | null): Buffer | null {
  const cause = isGone(here) && !isKept(there) ? heldCause(here) : undefined;
  return cause === undefined ? there : goneMark(cause, fieldsOf(there));
}

function published(schemaId: number, row: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(schemaId);
  return Buffer.concat([header, row]);
}
