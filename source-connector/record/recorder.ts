import { ACK_HEADER, CAUSE_HEADER, partitionOf, readableText, VERSION_HEADER } from '../../schemas/index.ts';
import type { Change, Effect, FoldOutput, Removal } from '../fold/change.ts';
import { markRecord } from '../mark.ts';
import type { Journal } from '../shard.ts';
import type { HeldHash } from '../wide-hash.ts';
import { deadLetter } from './dead-letter.ts';
import { describeProblem, RECORD_OVERHEAD, ROW_HEADER, type MappingView, type RowProblem } from './mapping-view.ts';

/** Where records are put: send's batches have this. A null value is a tombstone. */
export interface RecordBatch {
  append(
    topic: string,
    partition: number,
    key: Buffer,
    value: Buffer | null,
    headers?: Readonly<Record<string, Buffer | string>>,
  ): void;
}

/** What the recorder counts and tells, for metrics and logs. */
export interface RecorderNews {
  event(mapping: string, op: Change<MappingView>['op']): void;
  removal(mapping: string, removal: Removal): void;
  rejected(mapping: string, db: number, key: string, problem: string): void;
}

/** An effect as it is carried out: with what its acknowledgement says. */
export interface RecordedEffect extends Effect {
  /** The version of the event, or the last one before it. */
  readonly version: number;
  /** Why the command has failed; undefined: it has not. */
  readonly failure: string | undefined;
}

export interface RecorderOptions {
  readonly pipeline: string;
  readonly shard: number;
  readonly topics: { readonly marks: string; readonly deadLetters: string };
  readonly maxRecordBytes: number;
  /** The greatest version given so far, microseconds since the epoch. */
  readonly version: number;
  /** The batch that is being filled. */
  readonly batch: () => RecordBatch;
  /** Takes what is to be done in Redis once the batch that is being filled is committed. */
  readonly effect: (effect: RecordedEffect) => void;
  readonly news: RecorderNews;
}

/**
 * Makes Kafka records of what fold puts out: events, tombstones, marks and dead letters. The place in the stream and
 * the time are values that the pipeline sets; versions rise strictly, whatever the clock does.
 */
export class Recorder implements FoldOutput<RowProblem, MappingView>, Journal {
  /** Now, ms since the epoch. */
  at = 0;
  replid = '';
  /** Offset after the command whose effects are recorded. */
  offset = 0;
  /** Name of that command, in capitals. */
  command = '';
  #version: number;
  #snapshot = false;
  #transaction: { id: string; order: number; byMapping: Map<string, number> } | undefined;
  readonly #options: RecorderOptions;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#version = options.version;
  }

  /** The greatest version given so far. */
  get version(): number {
    return this.#version;
  }

  raiseVersion(version: number): void {
    this.#version = Math.max(this.#version, version);
  }

  beginSnapshot(replid: string, offset: number): void {
    this.replid = replid;
    this.offset = offset;
    this.command = 'SNAPSHOT';
    this.#snapshot = true;
    this.#transaction = undefined;
  }

  endSnapshot(): void {
    this.#snapshot = false;
  }

  /** MULTI at this offset: events carry the transaction until it ends. */
  beginTransaction(offset: number): void {
    this.#transaction = { id: `${this.replid}:${offset}`, order: 0, byMapping: new Map() };
  }

  endTransaction(): void {
    this.#transaction = undefined;
  }

  change(change: Change<MappingView>): void {
    const { view, db, key, op, before, after, command, acknowledge = null } = change;
    const { pipeline, shard, batch, news } = this.#options;
    this.#version = Math.max(this.#version + 1, this.at * 1000);
    const recordKey = view.encodeKey(key);
    const partition = partitionOf(recordKey, view.partitions);
    const value = view.encodeEnvelope({
      before: before === null ? null : view.beforeRow(before),
      after: after === null ? null : after.subarray(ROW_HEADER),
      op,
      atMs: this.at,
      transaction: this.#nextInTransaction(view.name),
      source: {
        name: pipeline,
        shard,
        db,
        key,
        replid: this.replid,
        offset: this.offset,
        command,
        snapshot: this.#snapshot,
        version: this.#version,
        atMs: this.at,
      },
    });
    const waiting = acknowledge === null ? undefined : { [ACK_HEADER]: Buffer.from(acknowledge) };
    batch().append(view.mapping.topic, partition, recordKey, value, waiting);
    if (op === 'd') {
      const headers = { [VERSION_HEADER]: String(this.#version), [CAUSE_HEADER]: command };
      batch().append(view.mapping.topic, partition, recordKey, null, headers);
    }
    news.event(view.name, op);
  }

  rejected(view: MappingView, db: number, key: Buffer, hash: HeldHash, problem: RowProblem): void {
    const { pipeline, shard, topics, maxRecordBytes, batch, news } = this.#options;
    const place = {
      pipeline,
      shard,
      mapping: view.name,
      topic: view.mapping.topic,
      replid: this.replid,
      offset: this.offset,
      command: this.command,
      at: this.at,
    };
    const recordKey = letterKey(view.name, db, key);
    const letter = deadLetter(place, db, key, hash, problem, maxRecordBytes - recordKey.length - RECORD_OVERHEAD);
    batch().append(topics.deadLetters, 0, recordKey, letter);
    news.rejected(view.name, db, readableText(key), describeProblem(problem));
  }

  marked(view: MappingView, db: number, key: Buffer, mark: Buffer | null): void {
    const { topics, shard, batch, maxRecordBytes } = this.#options;
    // No record can name such a key. It never had a row, so all that is lost is that a rebuilt state tells of it again.
    if (key.length + RECORD_OVERHEAD > maxRecordBytes) return;
    const limit = maxRecordBytes - key.length - RECORD_OVERHEAD;
    batch().append(topics.marks, shard, ...markRecord(view.name, db, key, mark, limit));
  }

  removed(view: MappingView, removal: Removal): void {
    this.#options.news.removal(view.name, removal);
  }

  effect(_view: MappingView, effect: Effect, problem?: RowProblem): void {
    this.#version = Math.max(this.#version, this.at * 1000);
    const failure = problem === undefined ? undefined : describeProblem(problem);
    this.#options.effect({ ...effect, version: this.#version, failure });
  }

  #nextInTransaction(mapping: string): { id: string; totalOrder: number; mappingOrder: number } | null {
    const transaction = this.#transaction;
    if (transaction === undefined) return null;
    const mappingOrder = (transaction.byMapping.get(mapping) ?? 0) + 1;
    transaction.byMapping.set(mapping, mappingOrder);
    return { id: transaction.id, totalOrder: ++transaction.order, mappingOrder };
  }
}

function letterKey(mapping: string, db: number, key: Buffer): Buffer {
  // The key of a dead letter must fit into a record however long the Redis key is.
  return Buffer.concat([Buffer.from(`${mapping}:${db}:`), key.subarray(0, 1024)]);
}
