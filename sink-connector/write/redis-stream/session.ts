import { asInteger, asList } from '../../../clients/redis/index.ts';
import type { MergedChanges } from '../../merge/last-event.ts';
import type {
  OffsetMove,
  OffsetReset,
  OutboxRow,
  PartitionName,
  Session,
  StoredKey,
  StoredOffset,
  TargetTable,
} from '../port.ts';
import { EntryWriter } from './entries.ts';
import { StreamError } from './errors.ts';
import { offsetsKey, outboxKey } from './names.ts';
import { memberOf, StreamOffsets } from './offsets.ts';
import { appendScript } from './scripts.ts';
import type { StreamServers } from './servers.ts';

/** What a transaction has gathered so far; nothing of it is in Redis before it is committed. */
interface Gathered {
  stream: string;
  outbox: readonly OutboxRow[];
  readonly entries: (string | Buffer | number)[];
  move: OffsetMove | undefined;
}

/**
 * Connections to Redis, and all that is ever said on them while batches are written. A transaction is one script, run by
 * `commit`: it adds the entries and moves the offset, if that still stands where `moveOffset` has seen it.
 */
export class RedisStreamSession implements Session {
  readonly #servers: StreamServers;
  readonly #sink: string;
  readonly #offsets: StreamOffsets;
  readonly #streamOf: (table: TargetTable) => string;
  readonly #maxLength: number | undefined;
  readonly #writers = new Map<TargetTable, EntryWriter>();
  #gathered: Gathered | undefined;

  constructor(
    servers: StreamServers,
    sink: string,
    streamOf: (table: TargetTable) => string,
    maxLength: number | undefined,
  ) {
    this.#servers = servers;
    this.#sink = sink;
    this.#offsets = new StreamOffsets(servers, sink);
    this.#streamOf = streamOf;
    this.#maxLength = maxLength;
  }

  async begin(): Promise<void> {
    this.#gathered = { stream: '', outbox: [], entries: [], move: undefined };
    await Promise.resolve();
  }

  async apply(table: TargetTable, changes: MergedChanges): Promise<void> {
    const gathered = this.#inTransaction();
    gathered.stream = this.#streamOf(table);
    let writer = this.#writers.get(table);
    if (writer === undefined) {
      writer = new EntryWriter(table);
      this.#writers.set(table, writer);
    }
    for (const change of inLogOrder(changes)) writer.add(change, gathered.entries);
    await Promise.resolve();
  }

  async attempt(table: TargetTable, changes: MergedChanges): Promise<void> {
    await this.apply(table, changes);
  }

  async keepInOutbox(_: PartitionName, rows: readonly OutboxRow[]): Promise<void> {
    this.#inTransaction().outbox = rows;
    await Promise.resolve();
  }

  async readOutbox(partition: PartitionName, limit: number): Promise<readonly OutboxRow[]> {
    return await this.#offsets.readOutbox(partition, limit);
  }

  async dropFromOutbox(partition: PartitionName, rows: readonly OutboxRow[]): Promise<void> {
    await this.#offsets.dropFromOutbox(partition, rows);
  }

  async moveOffset(move: OffsetMove): Promise<number> {
    const gathered = this.#inTransaction();
    if (!(await this.#offsets.stands(move))) return 0;
    gathered.move = move;
    return 1;
  }

  async commit(): Promise<void> {
    const { stream, outbox, entries, move } = this.#inTransaction();
    this.#gathered = undefined;
    if (move === undefined) throw new StreamError('unknown', 'There is no offset to commit');
    const { topic, partition, owner, epoch, from, to, caughtUp } = move;
    const place = [partition, String(owner), String(epoch), String(from), String(to), caughtUp ? 1 : 0];
    const keys = [offsetsKey(this.#sink, topic, stream), stream, outboxKey(this.#sink, move, stream)] as const;
    const kept = outbox.flatMap((row) => [String(row.offset), memberOf(row)]);
    const hit = asInteger(
      await this.#servers.run(appendScript, keys, [
        ...place,
        this.#maxLength ?? '',
        outbox.length,
        ...kept,
        ...entries,
      ]),
    );
    // Nothing was written. The next attempt sees who stands there.
    if (hit !== 1)
      throw new StreamError('outage', 'Another owner or position came between the entries and their offset');
  }

  async rollback(): Promise<void> {
    this.#gathered = undefined;
    await Promise.resolve();
  }

  async close(): Promise<void> {
    this.#servers.close();
    await Promise.resolve();
  }

  async claim(
    partition: PartitionName,
    initial: { readonly clusterId: string; readonly nextOffset: bigint },
  ): Promise<StoredOffset> {
    return await this.#offsets.claim(partition, initial);
  }

  async readOffset(partition: PartitionName): Promise<StoredOffset | undefined> {
    return await this.#offsets.read(partition);
  }

  async readOffsets(): Promise<readonly (PartitionName & StoredOffset)[]> {
    return await this.#offsets.readAll();
  }

  async markCaughtUp(move: OffsetMove): Promise<number> {
    return await this.#offsets.markCaughtUp(move);
  }

  async reset(reset: OffsetReset): Promise<number> {
    return await this.#offsets.reset(reset);
  }

  async now(): Promise<Date> {
    const [seconds, micros] = asList(await this.#servers.call('', 'TIME')).map(asInteger);
    return new Date((seconds ?? 0) * 1000 + Math.floor((micros ?? 0) / 1000));
  }

  /** A stream has no rows that could be too many. */
  async *keys(): AsyncGenerator<readonly StoredKey[]> {
    yield* await Promise.resolve([]);
  }

  #inTransaction(): Gathered {
    if (this.#gathered === undefined) throw new StreamError('unknown', 'There is no transaction to write in');
    return this.#gathered;
  }
}

/** Both sets are in the order of the log. */
function* inLogOrder({ upserts, deletes }: MergedChanges) {
  let at = 0;
  let removal = deletes.at(0);
  for (const upsert of upserts) {
    for (; removal !== undefined && removal.offset < upsert.offset; removal = deletes.at(++at)) yield removal;
    yield upsert;
  }
  for (; removal !== undefined; removal = deletes.at(++at)) yield removal;
}
