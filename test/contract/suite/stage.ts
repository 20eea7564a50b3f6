import assert from 'node:assert/strict';
import type { AfterwriteError } from '../../../ops/errors/index.ts';
import type { RetryOptions } from '../../../ops/retry.ts';
import type { Change, ColumnValue } from '../../../sink-connector/decode/change.ts';
import { everyEvent } from '../../../sink-connector/merge/every-event.ts';
import { lastEvents } from '../../../sink-connector/merge/last-event.ts';
import type { Dialect, SetupOptions, StoredOffset, TargetTable } from '../../../sink-connector/write/port.ts';
import { createDialect } from '../../../sink-connector/write/registry.ts';
import { DatabaseWriter, type WriteBatch } from '../../../sink-connector/write/writer.ts';
import type { Scope } from '../../support/scope.ts';
import { persons, removal, upsert, type TestKey } from '../../support/sink/changes.ts';
import { sinkConfig } from '../../support/sink/worker.ts';
import type { ContractBinding, ContractDatabase, TestColumn } from '../binding.ts';
import { tableRows, type CanonicalRow } from '../canonical.ts';

export { persons };

export const created: SetupOptions = { create: true, evolve: false };
export const partition = { topic: 'shop.person', partition: 0 };
export const start = { clusterId: 'c1', nextOffset: 0n };

const offsetColumns: readonly TestColumn[] = [
  { name: 'sink', type: 'string' },
  { name: 'topic', type: 'string' },
  { name: 'partition', type: 'int' },
  { name: 'cluster_id', type: 'string' },
  { name: 'next_offset', type: 'long' },
  { name: 'epoch', type: 'long' },
  { name: 'owner', type: 'long' },
];

let lastVersion = 0n;

/** A version as a source gives them: microseconds of now, and above every one before it. */
export function nextVersion(): bigint {
  const now = BigInt(Date.now()) * 1000n;
  lastVersion = now > lastVersion ? now : lastVersion + 1n;
  return lastVersion;
}

/** A row that is written, by an event newer than all before it. */
export function written(key: TestKey, ...values: ColumnValue[]): Change {
  return upsert(key, values, nextVersion());
}

/** A row that is deleted, by an event newer than all before it. */
export function deleted(key: TestKey): Change {
  return removal(key, nextVersion());
}

/** A writer on a database; what it waits for ends with the test. */
export class Stage {
  readonly database: ContractDatabase;
  readonly dialect: Dialect;
  readonly writer: DatabaseWriter;
  readonly retry: RetryOptions;
  /** What it has waited for so far. */
  readonly waits: AfterwriteError[] = [];

  private constructor(scope: Scope, database: ContractDatabase, dialect: Dialect, name: string) {
    const stopping = new AbortController();
    this.database = database;
    this.dialect = dialect;
    this.writer = new DatabaseWriter(dialect, name);
    this.retry = {
      signal: stopping.signal,
      firstWaitMs: 20,
      longestWaitMs: 50,
      onWait: ({ error }) => void this.waits.push(error),
    };
    scope.after(async () => {
      stopping.abort();
      await this.writer.close();
    });
  }

  /** On a database of its own, unless one is given. @param name of the sink */
  static async open(
    scope: Scope,
    binding: ContractBinding,
    database?: ContractDatabase,
    sinkOptions: Readonly<Record<string, unknown>> = {},
    name = 'warehouse',
  ): Promise<Stage> {
    const opened = database ?? (await binding.open(scope));
    const sink = sinkConfig({ database: opened, sink: sinkOptions }).sinks['warehouse'];
    assert.ok(sink !== undefined);
    return new Stage(scope, opened, await createDialect(name, sink), name);
  }

  /** Whether rows and offset are committed together. */
  get transactional(): boolean {
    return this.dialect.capabilities.commit === 'transaction';
  }

  /** Whether every event is kept, and no row. */
  get appends(): boolean {
    return this.dialect.capabilities.appends === true;
  }

  /** The table with a guard of versions, where there are rows, and a version that they carry anyhow is none. */
  guarded(table: TargetTable): TargetTable {
    return this.transactional && !this.appends ? { ...table, versionColumn: 'v' } : table;
  }

  async prepare(tables: readonly TargetTable[], options = created): Promise<void> {
    await this.writer.prepare(tables, options, this.retry);
  }

  claim(): Promise<StoredOffset> {
    return this.writer.claim(partition, start, this.retry);
  }

  /** Makes the table and takes its partition over: what it returns writes batch after batch. */
  async own(table: TargetTable, options = created): Promise<Log> {
    await this.prepare([table], options);
    return new Log(this, table, await this.claim());
  }

  /** The rows of a table by its key: keys, then values. */
  rows(table: TargetTable): Promise<CanonicalRow[]> {
    return tableRows(this.database, table.name, [...table.keyColumns, ...table.valueColumns]);
  }

  /** The rows of afterwrite_offsets: sink, topic, partition, cluster id, next offset, epoch, owner. */
  offsets(): Promise<CanonicalRow[]> {
    return tableRows(this.database, 'afterwrite_offsets', offsetColumns);
  }
}

/** A partition that is owned, and its offset. */
export class Log {
  readonly #stage: Stage;
  readonly #table: TargetTable;
  readonly owned: StoredOffset;
  next: bigint;

  constructor(stage: Stage, table: TargetTable, owned: StoredOffset) {
    this.#stage = stage;
    this.#table = table;
    this.owned = owned;
    this.next = owned.nextOffset;
  }

  /** The batch that goes on with these changes: one offset each. */
  batch(...changes: readonly Change[]): WriteBatch {
    const { owner, epoch } = this.owned;
    const guarded = this.#table.versionColumn !== undefined || !this.#stage.transactional;
    const to = this.next + BigInt(Math.max(changes.length, 1));
    const events = this.#stage.appends ? changes.map((change, offset) => ({ ...change, offset })) : changes;
    return {
      table: this.#table,
      changes: this.#stage.appends ? everyEvent(events) : lastEvents(events, guarded),
      events,
      move: { ...partition, owner, epoch, from: this.next, to, caughtUp: true },
    };
  }

  /** Writes one batch, which must succeed. */
  async write(...changes: readonly Change[]): Promise<void> {
    const batch = this.batch(...changes);
    assert.deepEqual(await this.#stage.writer.write(batch, this.#stage.retry), { kind: 'written', rejected: [] });
    this.next = batch.move.to;
  }
}
