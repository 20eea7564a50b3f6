import { createHash } from 'node:crypto';
import {
  readableText,
  RowEncoder,
  type EnvelopeEncoder,
  type EventFacts,
  type FieldProblem,
  type KeyEncoder,
  type Mapping,
} from '../../schemas/index.ts';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { beginsWith, equalBytes } from '../bytes.ts';
import { PackedCursor, PackedWriter } from '../packed-hash.ts';
import type { OperationView, RemovalCause, RemovalPolicy, RowReading, RowView } from '../fold/change.ts';

/** Why a hash cannot be a row. */
export type RowProblem =
  | { readonly reason: 'key-does-not-fit'; readonly pattern: string }
  | { readonly reason: 'bad-value'; readonly field: FieldProblem }
  | { readonly reason: 'too-large'; readonly bytes: number; readonly limit: number }
  | { readonly reason: 'unknown-operation'; readonly value: string };

/** Bytes of the schema id that stands before a row in the state. */
export const ROW_HEADER = 4;
/** More than a record needs beside its rows and its key: envelope, source block, headers, framing. */
export const RECORD_OVERHEAD = 512;
/** What the header with a command's id takes, at most. */
const ACKNOWLEDGE_OVERHEAD = 300;

/** As much of a wrong operation is told. */
const SHOWN_BYTES = 100;

export interface MappingViewOptions {
  readonly mapping: Mapping;
  readonly keys: KeyEncoder;
  readonly envelopes: EnvelopeEncoder;
  /** The id under which the registry keeps the envelope's schema. */
  readonly valueSchemaId: number;
  readonly partitions: number;
  /** The largest record, in bytes (rule 13). */
  readonly maxRecordBytes: number;
  /** What to do with a hash that cannot be a row and whose mapping says `stop`. @throws */
  readonly stop: (key: Buffer, problem: RowProblem) => never;
}

/** A mapping as fold sees it: hashes read as rows. A row is the schema's id (4 bytes) and the row's Avro bytes. */
export class MappingView implements RowView<RowProblem> {
  readonly name: string;
  readonly mapping: Mapping;
  readonly partitions: number;
  readonly readsExpiry: boolean;
  readonly keepsAbsent: boolean;
  readonly operations: OperationView<RowProblem> | undefined;
  readonly fieldNames: readonly Buffer[];
  readonly #options: MappingViewOptions;
  readonly #cursor = new PackedCursor();
  readonly #values: (Buffer | null)[];
  readonly #rows: RowEncoder;
  readonly #overhead: number;
  /** The key that was read last and its parts: recording a change asks for them again. */
  #lastKey: Buffer | undefined;
  #lastParts: Buffer[] | undefined;

  constructor(options: MappingViewOptions) {
    this.#options = options;
    this.mapping = options.mapping;
    this.name = options.mapping.name;
    this.partitions = options.partitions;
    this.readsExpiry = options.mapping.expiryColumn !== undefined;
    this.keepsAbsent = options.mapping.absentFields === 'keep';
    this.#overhead = RECORD_OVERHEAD + (options.mapping.operations ? ACKNOWLEDGE_OVERHEAD : 0);
    this.operations = options.mapping.operations ? this.#operations() : undefined;
    this.fieldNames = options.mapping.fields.map(({ field }) => field).filter((field) => field !== null);
    this.#values = options.mapping.fields.map(() => null);
    const header = Buffer.alloc(ROW_HEADER);
    header.writeUInt32BE(options.valueSchemaId);
    this.#rows = new RowEncoder(options.mapping, header);
  }

  /** The row of a hash: a view that is valid until the next read. */
  read(key: Buffer, hash: Buffer, expireAt: number): RowReading<RowProblem> {
    const { mapping, maxRecordBytes } = this.#options;
    const parts = mapping.key.parse(key);
    if (parts === undefined) return this.#reject(key, { reason: 'key-does-not-fit', pattern: mapping.key.text });
    this.#lastKey = key;
    this.#lastParts = parts;
    this.#pick(hash);
    // It is the last of the fields.
    if (this.readsExpiry && expireAt !== 0) this.#values[this.#values.length - 1] = Buffer.from(String(expireAt));
    const row = this.#rows.encode(parts, this.#values);
    if (!Buffer.isBuffer(row)) return this.#reject(key, { reason: 'bad-value', field: row });
    const bytes = (row.length - ROW_HEADER) * (mapping.before ? 2 : 1) + 2 * key.length + this.#overhead;
    if (bytes > maxRecordBytes) return this.#reject(key, { reason: 'too-large', bytes, limit: maxRecordBytes });
    return { kind: 'row', row };
  }

  /** Whether this mapping publishes the key. */
  captures(db: number, key: Buffer): boolean {
    const { database, key: pattern } = this.mapping;
    return db === database && beginsWith(key, 0, key.length, pattern.prefix);
  }

  /** The framed Avro key of a Redis key whose hash was read as a row. */
  encodeKey(key: Buffer): Buffer {
    const parts = key === this.#lastKey ? this.#lastParts : this.mapping.key.parse(key);
    this.#lastKey = undefined;
    if (parts === undefined)
      throw new AfterwriteError('INTERNAL', 'a key that does not fit its pattern was published', {
        where: { mapping: this.name, key: readableText(key) },
      });
    return this.#options.keys.encode(parts);
  }

  encodeEnvelope(facts: EventFacts): Buffer {
    return this.#options.envelopes.encode(facts);
  }

  /** What stands in an event's `before`: nothing unless the mapping asks for it and the row has the present schema. */
  beforeRow(row: Buffer): Buffer | null {
    return this.mapping.before && row.readUInt32BE(0) === this.#options.valueSchemaId ? row.subarray(ROW_HEADER) : null;
  }

  /** Whether the key can be that of a row. */
  fits(key: Buffer): boolean {
    return this.mapping.key.parse(key) !== undefined;
  }

  policy(cause: RemovalCause): RemovalPolicy {
    return this.mapping.removals[cause];
  }

  mappedFields(hash: Buffer): Buffer {
    this.#pick(hash);
    const writer = new PackedWriter(256);
    for (const [index, { field }] of this.mapping.fields.entries()) {
      const value = this.#values[index] ?? null;
      if (field !== null && value !== null) writer.add(field, 0, field.length, value, 0, value.length);
    }
    return Buffer.from(writer.view());
  }

  #operations(): OperationView<RowProblem> {
    const { mapping, maxRecordBytes } = this.#options;
    return {
      awaited: mapping.acknowledge.length > 0,
      names: (key) => mapping.key.parse(key) !== undefined && 2 * key.length + this.#overhead <= maxRecordBytes,
      unknown: (value) => ({ reason: 'unknown-operation', value: readableText(value.subarray(0, SHOWN_BYTES)) }),
    };
  }

  /** Takes the mapped fields' values, as views, out of a packed hash. */
  #pick(hash: Buffer): void {
    this.#values.fill(null);
    const { fields } = this.mapping;
    const cursor = this.#cursor.reset(hash);
    while (cursor.next()) {
      const { bytes, nameStart, nameEnd } = cursor;
      for (let i = 0; i < fields.length; i++) {
        const field = fields[i]?.field;
        if (field != null && equalBytes(bytes, nameStart, nameEnd, field, 0, field.length)) {
          this.#values[i] = cursor.value();
        }
      }
    }
  }

  /**
   * The digest tells whether it is the same content that was rejected before, which is not told twice. Only values of
   * mapped fields count: fields come in another order, and with others around them, from a snapshot.
   */
  #reject(key: Buffer, problem: RowProblem): RowReading<RowProblem> {
    if (this.mapping.onBadValue === 'stop' && problem.reason === 'bad-value') this.#options.stop(key, problem);
    const digest = createHash('sha256').update(problem.reason);
    if (problem.reason === 'key-does-not-fit') digest.update(key);
    else {
      const values = this.readsExpiry ? this.#values.slice(0, -1) : this.#values;
      for (const value of values) digest.update(`${value?.length ?? 'absent'}:`).update(value ?? '');
    }
    return { kind: 'rejected', digest: digest.digest().subarray(0, 12), problem };
  }
}

/** In words, for the dead letter and for logs. Values of fields are data and are not put into logs. */
export function describeProblem(problem: RowProblem): string {
  switch (problem.reason) {
    case 'key-does-not-fit':
      return `the key does not fit the pattern ${problem.pattern}`;
    case 'bad-value':
      return `the field ${problem.field.field} cannot be ${problem.field.column}: ${problem.field.reason}`;
    case 'too-large':
      return `the record would have ${problem.bytes} bytes, more than maxRecordBytes (${problem.limit})`;
    case 'unknown-operation':
      return `the field # is ${JSON.stringify(problem.value)}, which is no operation: =, +, ~ or -, and an id of up to 255 bytes`;
  }
}
