import { AfterwriteError } from '../ops/errors/index.ts';
import { AvroWriter, encodedText } from './avro-writer.ts';
import { type ColumnWriter, columnWriters } from './column-text.ts';
import { type ColumnType, ofType } from './column-type.ts';
import type { ColumnValue } from './column-value.ts';
import { CONNECTOR, type EventFacts, type EventSource } from './event.ts';
import type { Mapping } from './mapping.ts';

/** A value that its column cannot hold. */
export interface FieldProblem {
  readonly column: string;
  readonly type: ColumnType;
  /** The hash field's name, as text; of the moment when the key expires, `(expiry)`. */
  readonly field: string;
  /** What is wrong with the value, without quoting it. */
  readonly reason: string;
  /** The value: a view of what was given. */
  readonly value: Buffer;
}

/** In a union with null, null is branch 0 and the value branch 1. */
const NULL = 0;
const PRESENT = 2;

/** Encodes rows of a mapping (`rowSchemaOf`) straight from the bytes that Redis holds. */
export class RowEncoder {
  /** How many bad values the policy `null` has turned into nulls. */
  nulled = 0;
  readonly #mapping: Mapping;
  readonly #keyWriters: readonly ColumnWriter[];
  readonly #fieldWriters: readonly ColumnWriter[];
  readonly #header: Buffer;
  readonly #out = new AvroWriter();

  /** @param header stands before each row */
  constructor(mapping: Mapping, header = Buffer.alloc(0)) {
    this.#mapping = mapping;
    this.#header = header;
    this.#keyWriters = mapping.keyColumns.map(({ type }) => ofType(columnWriters, type));
    this.#fieldWriters = mapping.fields.map(({ type }) => ofType(columnWriters, type));
  }

  /**
   * @param keyParts what the mapping's key pattern makes of the key
   * @param values of the mapping's fields, in its order; null for a field that the hash has not
   * @returns the row: a view that is valid until the next call; or the first value that its column cannot hold,
   *   unless the mapping says that such values become null.
   */
  encode(keyParts: readonly Buffer[], values: readonly (Buffer | null)[]): Buffer | FieldProblem {
    const out = this.#out.reset();
    out.raw(this.#header);
    writeKeyParts(this.#keyWriters, keyParts, out);
    const writers = this.#fieldWriters;
    for (let index = 0; index < writers.length; index++) {
      const write = writers[index];
      const value = values[index] ?? null;
      if (value === null || write === undefined) {
        out.byte(NULL);
        continue;
      }
      const start = out.length;
      out.byte(PRESENT);
      const reason = write(value, out);
      if (reason === undefined) continue;
      if (this.#mapping.onBadValue !== 'null') return this.#problem(index, reason, value);
      this.nulled++;
      out.length = start;
      out.byte(NULL);
    }
    return out.view();
  }

  #problem(index: number, reason: string, value: Buffer): FieldProblem {
    const field = this.#mapping.fields[index];
    if (field === undefined) throw new AfterwriteError('INTERNAL', `The mapping has no field ${index}`);
    return { column: field.column, type: field.type, field: field.field?.toString() ?? '(expiry)', reason, value };
  }
}

/** Encodes record keys of a mapping (`keySchemaOf`) in Confluent's framing. */
export class KeyEncoder {
  readonly #writers: readonly ColumnWriter[];
  readonly #header: Buffer;
  readonly #out = new AvroWriter();

  constructor({ keyColumns }: Pick<Mapping, 'keyColumns'>, schemaId: number) {
    this.#writers = keyColumns.map(({ type }) => ofType(columnWriters, type));
    this.#header = framing(schemaId);
  }

  /** The record's key, as a buffer of its own, from what the mapping's key pattern makes of the Redis key. */
  encode(keyParts: readonly Buffer[]): Buffer {
    const out = this.#out.reset();
    out.raw(this.#header);
    writeKeyParts(this.#writers, keyParts, out);
    return out.take();
  }

  /**
   * The record's key of a row whose key columns have these values: a view that is valid until the next call.
   * @returns undefined when no record can have that key
   */
  encodeValues(keyValues: readonly ColumnValue[]): Buffer | undefined {
    const out = this.#out.reset();
    out.raw(this.#header);
    for (const [index, write] of this.#writers.entries()) {
      const value = keyValues[index] ?? null;
      if (value === null || write(Buffer.from(String(value)), out) !== undefined) return undefined;
    }
    return out.view();
  }
}

/** Key parts come from a key pattern, which has checked them; anything else is a mistake of the caller. */
function writeKeyParts(writers: readonly ColumnWriter[], keyParts: readonly Buffer[], out: AvroWriter): void {
  for (let index = 0; index < writers.length; index++) {
    const part = keyParts[index];
    const reason = part === undefined ? 'it is not there' : writers[index]?.(part, out);
    if (reason !== undefined)
      throw new AfterwriteError('INTERNAL', `Part ${index} of a key cannot be written: ${reason}`);
  }
}

/** Encodes events of a mapping (`envelopeSchemaOf`) in Confluent's framing, around rows that are encoded already. */
export class EnvelopeEncoder {
  readonly #header: Buffer;
  readonly #out = new AvroWriter();
  readonly #texts = new Map<string, Buffer>();
  /** The source block's fields that stay the same for long, encoded. */
  #origin: { name: string; shard: number; db: number; bytes: Buffer } = {
    name: '',
    shard: -1,
    db: -1,
    bytes: Buffer.alloc(0),
  };
  #replid = { text: '', bytes: encodedText('') };

  constructor(_mapping: Mapping, schemaId: number) {
    this.#header = framing(schemaId);
  }

  /** The record's value, as a buffer of its own. `facts` may be one object that is used again and again. */
  encode(facts: EventFacts): Buffer {
    const out = this.#out.reset();
    out.raw(this.#header);
    writeRow(facts.before, out);
    writeRow(facts.after, out);
    this.#writeSource(facts.source, out);
    out.raw(this.#text(facts.op));
    out.byte(PRESENT);
    out.long(facts.atMs);
    const { transaction } = facts;
    if (transaction === null) out.byte(NULL);
    else {
      out.byte(PRESENT);
      out.sized(Buffer.from(transaction.id));
      out.long(transaction.totalOrder);
      out.long(transaction.mappingOrder);
    }
    return out.take();
  }

  #writeSource(source: EventSource, out: AvroWriter): void {
    const { name, shard, db, replid } = source;
    if (this.#origin.shard !== shard || this.#origin.db !== db || this.#origin.name !== name) {
      this.#origin = { name, shard, db, bytes: originBytes(name, shard, db) };
    }
    if (this.#replid.text !== replid) this.#replid = { text: replid, bytes: encodedText(replid) };
    out.raw(this.#origin.bytes);
    out.sized(source.key);
    out.raw(this.#replid.bytes);
    out.long(source.offset);
    out.raw(this.#text(source.command));
    out.raw(this.#text(String(source.snapshot)));
    out.long(source.version);
    out.long(source.atMs);
  }

  /** One of few texts, encoded once. */
  #text(text: string): Buffer {
    let bytes = this.#texts.get(text);
    if (bytes === undefined) {
      if (this.#texts.size > 1000) this.#texts.clear();
      bytes = encodedText(text);
      this.#texts.set(text, bytes);
    }
    return bytes;
  }
}

function writeRow(row: Buffer | null, out: AvroWriter): void {
  if (row === null) out.byte(NULL);
  else {
    out.byte(PRESENT);
    out.raw(row);
  }
}

function originBytes(name: string, shard: number, db: number): Buffer {
  const writer = new AvroWriter();
  writer.raw(encodedText(CONNECTOR));
  writer.raw(encodedText(name));
  writer.long(shard);
  writer.long(db);
  return writer.take();
}

/** Confluent's wire format: a zero byte, the schema's id in four bytes, then Avro. */
function framing(schemaId: number): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(schemaId, 1);
  return header;
}
