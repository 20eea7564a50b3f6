import { PartitionReader, readToEnd, readTopicToEnd, type ResolveKafkaConnection } from '../clients/kafka/index.ts';
import { AfterwriteError } from '../ops/errors/index.ts';
import type { Logger } from '../ops/logging.ts';
import { PublishedRowReader, type SchemaRegistry } from '../schemas/index.ts';
import type { Contract } from './contract.ts';
import { isPending, readMarkRecord } from './mark.ts';
import { STAGED } from './pending-write.ts';
import { createState, openState } from './state/open.ts';
import type { StateStore, StateTag } from './state/port.ts';
import { UNREAD_HASH } from './unread-hash.ts';

const NOT_HERE = { current: null, expireAt: 0, published: null, mark: null };

export interface RebuildOptions {
  readonly kafka: ResolveKafkaConnection;
  readonly registry: SchemaRegistry;
  readonly contracts: readonly Contract[];
  readonly marksTopic: string;
  readonly shard: number;
  /** Of a shard of a cluster: whether a key is published from here, whoever has published it last (rule 3). */
  readonly isOurs?: ((key: Buffer) => boolean) | undefined;
}

/** The log of a rebuilt state is written in pieces of about so many bytes. */
const PIECE = 64 * 1024 * 1024;

/**
 * The state as it was when the position was committed; where the folder cannot give it (a new machine, a lost disk),
 * what the topics say was published, which a full resync then has to complete.
 * @param tag the position's; null when there is none
 * @returns the state, and whether it is the one of the tag
 */
export async function recoverState(
  folder: string,
  tag: StateTag | null,
  options: RebuildOptions,
  log: Logger,
): Promise<{ store: StateStore; recovered: boolean }> {
  try {
    const { store, from } = await openState(folder, tag);
    log.info(from, 'the state is open');
    return { store, recovered: true };
  } catch (error) {
    if (!(error instanceof AfterwriteError) || error.code !== 'STATE_LOST') throw error;
    log.warn({ err: error }, 'the state is rebuilt from the topics, and a full resync will follow');
  }
  const { store } = await createState(folder);
  try {
    await readPublished(
      store,
      options,
      () => true,
      async () => {
        if (store.unsealedBytes > PIECE) await store.sync(store.seal());
      },
    );
    const keys = store.databases().reduce((sum, db) => sum + store.count(db), 0);
    log.info({ keys }, 'the state is rebuilt from the topics');
    return { store, recovered: false };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/**
 * Lays into the state what the topics and the marks say was published, of the keys that are wanted. The compacted topics
 * are the truth about that, so what reads the hashes then publishes exactly the differences, deletes included.
 * @param makeRoom is asked again and again: the state's changes may become too many to be held in memory
 */
export async function readPublished(
  state: StateStore,
  options: RebuildOptions,
  isWanted: (db: number, key: Buffer) => boolean,
  makeRoom: () => Promise<void>,
): Promise<void> {
  const { kafka, registry, contracts, marksTopic, shard, isOurs } = options;
  const reader = await PartitionReader.open({ resolve: kafka });
  try {
    for (const { mapping } of contracts) {
      const rows = new PublishedRowReader(mapping.topic, registry);
      await readTopicToEnd(reader, mapping.topic, async ({ value }) => {
        if (value === null) return;
        const { shard: publisher, db, key, row, schemaId } = await rows.read(value);
        if (!isWanted(db, key)) return;
        if (isOurs === undefined ? publisher !== shard : !isOurs(key)) {
          // Another shard's hash now (rule 3), even if it was this one's before.
          if (state.get(db, key) !== undefined) state.put(db, key, NOT_HERE);
          return;
        }
        const header = Buffer.alloc(4);
        header.writeUInt32BE(schemaId);
        const published = row === null ? null : Buffer.concat([header, row]);
        state.put(db, key, { current: published === null ? null : UNREAD_HASH, expireAt: 0, published, mark: null });
        await makeRoom();
      });
    }
    await readToEnd(reader, { topic: marksTopic, partition: shard }, (record) => {
      if (record.key === null) return;
      const { db, key, kept, mark } = readMarkRecord(record.key, record.value);
      if (isOurs?.(key) === false) return;
      const published = state.get(db, key)?.published ?? null;
      if (!isWanted(db, key) || (kept && published === null)) return;
      if (mark === null || isPending(mark)) state.put(STAGED + db, key, { ...NOT_HERE, mark });
      if (isPending(mark)) return;
      state.put(db, key, {
        current: kept || (published === null && mark === null) ? null : UNREAD_HASH,
        expireAt: 0,
        published,
        mark,
      });
    });
  } finally {
    await reader.close();
  }
}
